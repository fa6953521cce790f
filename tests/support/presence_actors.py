"""Who acts in the simulation of presence: pods that hold seats, and replicas of the presence service.

A pod does what services/connection/attendance.py does, a porter what services/presence/sweep.py does, a
script a step; the judgement in between is the real core's. Time moves in steps; who is frozen misses them.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from services.presence.core.roster import Limits, NodeRoster, look
from services.presence.core.shards import plan
from services.shared.model.ids import NodeId, UserId
from tests.support.presence_store import AwayError, Place, Store

STEP_MS = 250
BEAT_MS = 2_000
AGAIN_MS = 500
SWEEP_MS = 1_000
DEADLINE_MS = 12_000
"""One command with all its retries."""


@dataclass
class Pod:
    """A connection process and what it wants the roster to say."""

    node: NodeId
    store: Store
    beats_at: int
    seats: dict[Place, UserId] = field(default_factory=dict)
    due: dict[Place, UserId] = field(default_factory=dict)
    again_at: int = 0
    known: int | None = None
    doubtful: bool = True
    frozen_from: int = 0
    frozen_until: int = 0
    beaten_at: int = 0
    leaves_by: int | None = None
    """When it ends at the latest, once it drains."""

    def freeze(self, now: int, for_ms: int) -> None:
        """Stand still for so long."""
        self.frozen_from, self.frozen_until = now, now + for_ms

    def away_since(self, now: int, most_ms: int) -> int | None:
        """Since when it stands still, or stood and has not written its seats anew since, if that is so long
        that it may be taken for dead: who is there then is out of reach.
        """
        just = self.beaten_at <= self.frozen_until or now <= self.beaten_at + 2 * STEP_MS
        return self.frozen_from if just and self.frozen_until - self.frozen_from >= most_ms else None

    def step(self, now: int) -> None:
        """Write seats and beat, unless frozen."""
        if now < self.frozen_until:
            return
        if now >= self.again_at:
            try:
                self._write()
            except AwayError:
                self.again_at = now + AGAIN_MS
        if now >= self.beats_at:
            self.beats_at = now + BEAT_MS
            self._beat()

    def _write(self) -> None:
        for place, user in list(self.due.items()):
            if place in self.seats:
                self.store.enter(place, user, self.node)
            else:
                self.store.leave(place, user, self.node)
            del self.due[place]

    def _beat(self) -> None:
        doubtful, self.doubtful = self.doubtful, True
        try:
            listed, self.known = self.store.beat(self.node, self.known)
            if doubtful or not listed:
                self.due |= {p: u for p, u in self.store.held(self.node).items() if p not in self.seats}
                self.due |= self.seats
            self.doubtful, self.beaten_at = False, self.store.now
        except AwayError:
            pass


class Porter:
    """One replica of the presence service."""

    def __init__(self, name: str, store: Store, now: int) -> None:
        self.name = name
        self.frozen_until = 0
        self._store = store
        rules = store.rules
        self._limits = Limits(rules.dead_after_ms, rules.step_ms, rules.settle_ms)
        self._roster = NodeRoster()
        self._looked_at = now
        self._now = now
        self._round = self._run()

    def step(self, now: int) -> None:
        """Go on by one script, unless frozen."""
        self._now = now
        if now >= self.frozen_until:
            next(self._round)

    def _run(self) -> Iterator[None]:
        while True:
            began = self._now
            try:
                yield from self._sweep()
            except AwayError:
                yield
            while self._now < began + SWEEP_MS:
                yield

    def _sweep(self) -> Iterator[None]:
        yield from self._reached()
        beats, judged_ms = self._store.look()
        elapsed_ms, self._looked_at = self._now - self._looked_at, self._now
        self._roster, _ = look(self._roster, beats, elapsed_ms, self._limits)
        mine = yield from self._shards()
        yield
        for node, mark in self._roster.dead.items():
            yield from self._reached()
            found = self._store.condemn(node, mark)
            if found is not None:
                yield
                yield from self._reached()
                own = {p: held for p, held in found.items() if self._store.shard_of(p[0]) in mine}
                self._store.reap(node, own)
        calm = self._roster.calm or not self._store.rules.leaves_wait
        for shard in sorted(mine) if calm else ():
            yield from self._reached()
            self._store.depart(shard, judged_ms)

    def _shards(self) -> Generator[None, None, frozenset[int]]:
        seen, ttl_ms = self._store.porter(self.name), self._store.rules.lease_ms
        planned = plan(self.name, seen, shards=self._store.shards, ttl_ms=ttl_ms)
        yield
        yield from self._reached()
        return planned.keep | self._store.settle(self.name, planned.take, planned.give)

    def _reached(self) -> Iterator[None]:
        """Wait for Redis as a command does: it is run the moment Redis is back, or given up."""
        until = self._now + DEADLINE_MS
        while not self._store.up:
            if self._now >= until:
                raise AwayError
            yield
