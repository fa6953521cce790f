"""A presence service's round over one bus, as one replica's process would do it."""

from services.presence.beats import Beats
from services.presence.core.roster import Limits
from services.presence.settings import PresenceSettings
from services.presence.shards import OwnShards
from services.presence.sweep import Sweep
from services.shared.bus.census import Censuses
from services.shared.bus.shards import Shards
from services.shared.runtime.clock import Clock
from services.shared.runtime.metrics import Metrics
from tests.support.bus_house import House, fresh


def sweep_of(house: House, clock: Clock, metrics: Metrics | None = None) -> Sweep:
    """Dead after 6 s, no grace, and no leave waits past it."""
    metrics, settings = metrics or Metrics(), PresenceSettings(redis=house.floor.settings)
    beats = Beats(house.roster, Limits(dead_after_ms=6_000, step_ms=2_000), clock, metrics)
    return Sweep(
        house.roster,
        Censuses(house.floor),
        house.turns,
        house.dead_letters,
        beats,
        OwnShards(Shards(house.floor), fresh(), settings, metrics),
        every_s=1,
        grace_ms=0,
        late_ms=0,
        clock=clock,
        metrics=metrics,
    )
