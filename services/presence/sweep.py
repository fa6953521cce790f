"""Sweep: every second, free what dead nodes held, announce who is really gone, and look how long turns wait
and how many failed for good.

Run by `app`. Each step is batched over the partitions this replica works for, and each can be done by
several replicas at once: scripts decide. A step that fails is tried again at the next sweep; only the
judgement of `beats` is kept in between.
"""

import asyncio

from services.presence.beats import Beats
from services.presence.core.census import NOBODY
from services.presence.shards import OwnShards
from services.presence.told import told
from services.shared.bus.census import Censuses
from services.shared.bus.dead_letters import DeadLetters
from services.shared.bus.roster import Roster
from services.shared.bus.turns import Turns
from services.shared.model.errors import Broken, Temporary
from services.shared.model.ids import NodeId
from services.shared.runtime.clock import Clock
from services.shared.runtime.health import Finding
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.trouble import Trouble

LATE_MS = 2_000
"""Past its grace a leave waits so long: who came back at its last moment may meet a Redis that is away for
less than two sweeps, which nobody notices, and be as long in coming to a seat.
"""
TELLER = 0
"""The shard whose holder writes the census down."""

log = get_logger(__name__)


class Sweep:
    """The porter's round."""

    def __init__(
        self,
        bus_roster: Roster,
        censuses: Censuses,
        turns: Turns,
        dead_letters: DeadLetters,
        beats: Beats,
        shards: OwnShards,
        *,
        every_s: float,
        grace_ms: int,
        late_ms: int = LATE_MS,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._bus = bus_roster
        self._censuses = censuses
        self._turns = turns
        self._dead_letters = dead_letters
        self._dead: int | None = None
        self._beats = beats
        self._shards = shards
        self._every_s = every_s
        self._grace_ms = grace_ms
        self._late_ms = late_ms
        self._clock = clock
        self._metrics = metrics
        self._swept_s: float | None = None

    async def run(self) -> None:
        """Sweep until cancelled; an unreachable Redis is waited out."""
        failing = Trouble(log, "sweep failed", "sweep goes on")
        unreadable = Trouble(log, "sweep met what it cannot read", "sweep reads again", severe=True)
        while True:
            began = self._clock.monotonic()
            try:
                await self.once()
            except Temporary as error:
                failing.met(error=str(error))
            except Broken:  # one unreadable record must not end every replica in turn
                unreadable.met(exc_info=True)
            else:
                failing.over()
                unreadable.over()
            await asyncio.sleep(max(0.0, began + self._every_s - self._clock.monotonic()))

    async def once(self) -> None:
        """One round. Raises Temporary, and Broken once all else is done; what was done stays done."""
        began = self._clock.monotonic()
        dead = await self._beats.look()
        own = await self._shards.look()
        unreadable = [error for node, mark in dead.items() if (error := await self._reap(node, mark, own))]
        if self._beats.age_s > self._every_s:  # what was judged before much was reaped is too old to go by
            await self._beats.look()
        calm_ms = self._beats.calm_ms
        if calm_ms is not None:
            announced = await self._bus.depart_due(judged_ms=calm_ms, late_ms=self._late_ms, partitions=own)
            self._tell(announced)
        await self._bus.tell_crowds(partitions=own)
        if TELLER in self._shards.held and (census := self._beats.census):
            await self._censuses.write(told(census))
        self._metrics.departures_due.set(await self._bus.departing())
        # Seen from here because it matters most when no worker is alive to say it.
        self._metrics.turn_queue_oldest_seconds.set(await self._turns.oldest_s())
        self._dead = await self._dead_letters.count()
        self._metrics.dead_letters.set(self._dead)
        self._swept_s = self._clock.monotonic()
        self._metrics.presence_sweep_seconds.observe(self._swept_s - began)
        for error in unreadable:
            raise error

    async def _reap(self, node: NodeId, mark: int, own: frozenset[int]) -> Broken | None:
        """Free what a dead node held. One that can't be read is not to hold up the leaves of all others.

        Its users have been away for as long as it was silent, so what leaves wait past the grace is not
        theirs to wait once more: they would be told later than is promised.
        """
        grace_ms = max(0, self._grace_ms - self._late_ms)
        try:
            seats = await self._bus.reap(node, mark, grace_ms=grace_ms, partitions=own)
        except Broken as error:
            return error
        self._metrics.seats_reaped.inc(seats)
        log.info("node reaped", about=node, seats=seats)
        return None

    def _tell(self, announced: int) -> None:
        if announced:
            log.debug("leaves announced", count=announced)

    def finding(self) -> Finding:
        """For /health: whether a round succeeded lately, what the nodes hold, and how many turns failed for
        good.
        """
        age_s = None if self._swept_s is None else self._clock.monotonic() - self._swept_s
        fresh = age_s is not None and age_s < 5 * self._every_s
        census = self._beats.census or NOBODY
        return Finding.of(fresh, age_s=age_s, nodes=census.nodes, dead_letters=self._dead, **census.totals)
