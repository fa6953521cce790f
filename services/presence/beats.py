"""Beats: reads the nodes' signs of life from the bus and has the core judge them.

Called by `sweep`, once a look. Keeps the core's state, measures the time between looks, shows the result as
metrics and logs. Must never count time in which the beats could not be read: an unreachable Redis is silent
for everybody.
"""

from collections.abc import Mapping

from services.presence.core.census import NOBODY, Census, take
from services.presence.core.roster import Change, Limits, NodeRoster, Transition, look
from services.shared.bus.roster import Roster
from services.shared.model.errors import Temporary
from services.shared.model.ids import NodeId
from services.shared.model.presence import NUMBERS
from services.shared.runtime.clock import Clock
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics

log = get_logger(__name__)


class Beats:
    """What this replica knows of the nodes."""

    def __init__(self, bus_roster: Roster, limits: Limits, clock: Clock, metrics: Metrics) -> None:
        self._bus = bus_roster
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        self._roster = NodeRoster()
        self._looked_s = clock.monotonic()
        self._read_ms = 0
        self._census = NOBODY

    async def look(self) -> Mapping[NodeId, int]:
        """Read and judge; the nodes to be reaped, with the beat each was judged by. Raises Temporary."""
        try:
            read = await self._bus.look()
        except Temporary:
            self._count(self.census or NOBODY)  # all of it grows old
            raise
        beats, self._read_ms = read.beats, read.now_ms
        elapsed_ms = self._elapsed_ms()
        self._roster, transitions = look(self._roster, beats, elapsed_ms, self._limits)
        self._census = take(self._census, read, elapsed_ms)
        self._count(self._census)
        self._metrics.nodes_alive.set(len(self._roster.alive))
        for transition in transitions:
            self._tell(transition)
        return self._roster.dead

    @property
    def census(self) -> Census | None:
        """What the nodes hold, as far as is known now: while beats cannot be read, all of it grows old. None
        before the first look.
        """
        if not self._read_ms:
            return None
        return self._census.later(int((self._clock.monotonic() - self._looked_s) * 1000))

    @property
    def age_s(self) -> float:
        """How long ago the last look was."""
        return self._clock.monotonic() - self._looked_s

    @property
    def calm_ms(self) -> int | None:
        """When (master's time) seats were seen to be up to date, as of the last look; None: they may not be,
        so nobody may be said to have left.
        """
        return self._read_ms if self._roster.calm else None

    def _count(self, census: Census) -> None:
        """Sums of those that are not stale; where there is none of these there is no number, and no 0."""
        self._metrics.census.clear()
        for number in NUMBERS:
            if number in census.totals:
                self._metrics.census.labels(number=number).set(census.totals[number])
        self._metrics.census_stale.set(sum(count.stale for count in census.counts.values()))

    def _elapsed_ms(self) -> int:
        before, self._looked_s = self._looked_s, self._clock.monotonic()
        return int((self._looked_s - before) * 1000)

    def _tell(self, transition: Transition) -> None:
        if transition.change is Change.DIED:
            self._metrics.nodes_reaped.inc()
        log.info("node changed", about=transition.node, change=transition.change.value)
