"""The presence service's settings."""

import pytest

from services.presence.settings import PresenceSettings
from services.shared.runtime.settings import SettingsError, load


def test_the_environment_is_read_with_the_groups_inside_it() -> None:
    environ = {"CONTINUO_PORT": "9000", "CONTINUO_PRESENCE_SWEEP_S": "0.5", "CONTINUO_PARTITIONS": "8"}
    settings = load(PresenceSettings, environ)
    assert (settings.port, settings.presence_sweep_s, settings.redis.partitions) == (9000, 0.5, 8)


def test_a_death_within_one_missed_look_is_refused() -> None:
    with pytest.raises(SettingsError, match="presence_dead_after_s"):
        load(PresenceSettings, {"CONTINUO_PRESENCE_DEAD_AFTER_S": "1", "CONTINUO_PRESENCE_SWEEP_S": "1"})
