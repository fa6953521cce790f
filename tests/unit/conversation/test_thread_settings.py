"""What a worker is told of threads, and how it says what is wrong with it."""

import pytest

from services.conversation.graph.keeping import types_named
from services.conversation.settings import WorkerSettings
from services.shared.runtime.settings import SettingsError, load


@pytest.mark.parametrize("word", ["nonsense", "decimal:Nope", "nomodule:X"])
def test_a_type_that_is_none_is_told_with_the_settings_name(word: str) -> None:
    with pytest.raises(SettingsError, match="CONTINUO_THREAD_TYPES") as raised:
        types_named(WorkerSettings(thread_types=("decimal:Decimal", word)))
    assert word in str(raised.value)


def test_types_that_are_some_are_allowed() -> None:
    assert types_named(WorkerSettings(thread_types=("fractions:Fraction",))) == {("fractions", "Fraction")}


@pytest.mark.parametrize(
    "setting",
    [
        {"CONTINUO_CHECKPOINTER": "sqlite"},
        {"CONTINUO_THREAD_TTL_S": "9999999999999999"},
        {"CONTINUO_THREAD_TTL_S": "-1"},
        {"CONTINUO_THREAD_CHECKPOINTS": "0"},
        {"CONTINUO_THREAD_STEP_BYTES": "10"},
    ],
)
def test_a_setting_out_of_bounds_is_refused_by_name(setting: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(setting))):
        load(WorkerSettings, setting)
