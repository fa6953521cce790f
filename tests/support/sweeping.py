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


def sweep_of(
    house: House,
    clock: Clock,
    metrics: Metrics | None = None,
    *,
    shards: OwnShards | None = None,
    dead_after_ms: int = 6_000,
    grace_ms: int = 0,
    late_ms: int = 0,
) -> Sweep:
    """No grace, and no leave waits past it, unless told. shards: those of a replica that goes on with another
    round.
    """
    metrics = metrics or Metrics()
    beats = Beats(house.roster, Limits(dead_after_ms=dead_after_ms, step_ms=2_000), clock, metrics)
    return Sweep(
        house.roster,
        Censuses(house.floor),
        house.turns,
        house.dead_letters,
        beats,
        shards or shards_of(house, metrics),
        every_s=1,
        grace_ms=grace_ms,
        late_ms=late_ms,
        clock=clock,
        metrics=metrics,
    )


def shards_of(house: House, metrics: Metrics) -> OwnShards:
    """A replica's, which holds none yet."""
    settings = PresenceSettings(redis=house.floor.settings)
    return OwnShards(Shards(house.floor), fresh(), settings, metrics)
