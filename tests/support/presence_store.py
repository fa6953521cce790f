"""What the simulation of presence has for Redis: the roster's keys as values, changed by the pure rule.

Each method is one script or one batch of them. While it is away, every one raises `AwayError`.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from services.presence.core import machine
from services.presence.core.machine import NEVER_HERE, Standing, Told
from services.presence.core.roster import CONDEMNED
from services.shared.model.ids import ConnectionId, NodeId, UserId
from services.shared.model.presence import Beat, Beats, ShardLease, ShardLook

Place = tuple[str, ConnectionId]
"""A seat: conversation and connection."""
Who = tuple[str, UserId]
"""A user in a conversation."""


class AwayError(Exception):
    """Redis does not answer."""


@dataclass
class Rules:
    """What each control takes out, one at a time."""

    grace_ms: int = 10_000
    dead_after_ms: int = 6_000
    settle_ms: int = 3_000
    step_ms: int = 2_000
    fresh_ms: int = 2_000
    lease_ms: int = 4_000
    late_ms: int = 2_000
    returns_count: bool = True
    leaves_wait: bool = True
    dead_wait_once: bool = True
    joins_are_counted: bool = True


@dataclass
class Store:
    """Redis, as far as presence goes. tell: hears every join and leave that is published."""

    rules: Rules
    shards: int
    tell: Callable[[Told, Who], None]
    now: int = 0
    up: bool = True
    marks: dict[NodeId, int] = field(default_factory=dict)
    after: dict[NodeId, int] = field(default_factory=dict)
    seats: dict[NodeId, dict[Place, tuple[UserId, str]]] = field(default_factory=lambda: defaultdict(dict))
    listed: dict[Place, NodeId] = field(default_factory=dict)
    ever: set[Place] = field(default_factory=set)
    """All seats that were ever listed."""
    standings: dict[Who, Standing] = field(default_factory=dict)
    departing: dict[int, set[Who]] = field(default_factory=lambda: defaultdict(set))
    porters: dict[str, int] = field(default_factory=dict)
    leases: dict[int, ShardLease] = field(default_factory=dict)

    def shard_of(self, conversation: str) -> int:
        """The shard a conversation belongs to."""
        return int(conversation[1:]) % self.shards

    def enter(self, place: Place, user: UserId, node: NodeId) -> None:
        """seat, then roster_enter."""
        self._reach()
        stamp, who = str(self.now), (place[0], user)
        self.seats[node][place] = user, stamp
        self.marks.setdefault(node, self.now)
        before = self.standings.get(who, NEVER_HERE)
        after, told = machine.enter(before, place[1], stamp)
        self.standings[who], self.listed[place] = after, node
        self.ever.add(place)
        if self.rules.returns_count:
            self.departing[self.shard_of(place[0])].discard(who)
        else:
            self.standings[who] = replace(after, due_ms=before.due_ms)
        if not self.rules.joins_are_counted:
            told = Told.JOIN
        if told:
            self.tell(told, who)

    def leave(self, place: Place, user: UserId, node: NodeId) -> None:
        """roster_leave, then unseat."""
        self._reach()
        self._free(place, user, None)
        self.seats[node].pop(place, None)

    def beat(self, node: NodeId, known: int | None) -> tuple[bool, int]:
        """beat: whether the node was listed all the time, and the mark of this beat."""
        self._reach()
        before = self.marks.get(node)
        listed = bool(before) and known is not None and known in (before, self.after.get(node))
        self.marks[node] = self.now
        self.after.pop(node, None)
        if listed and known is not None:
            self.after[node] = known
        return listed, self.now

    def held(self, node: NodeId) -> dict[Place, UserId]:
        """The seats a node holds as Redis knows it."""
        self._reach()
        return {place: user for place, (user, _) in self.seats[node].items()}

    def look(self) -> tuple[Beats, int]:
        """All beats, and when they were read."""
        self._reach()
        return {node: Beat(mark, {}) for node, mark in self.marks.items()}, self.now

    def condemn(self, node: NodeId, mark: int) -> dict[Place, tuple[UserId, str]] | None:
        """condemn, then the node's seats; None when it beat since."""
        self._reach()
        if self.marks.get(node) not in (mark, CONDEMNED):
            return None
        self.marks[node] = CONDEMNED
        return dict(self.seats[node])

    def reap(self, node: NodeId, freed: dict[Place, tuple[UserId, str]]) -> None:
        """roster_leave of each seat under its stamp, then unlist."""
        self._reach()
        late_ms = self.rules.late_ms if self.rules.dead_wait_once else 0
        grace_ms = max(0, self.rules.grace_ms - late_ms)  # as sweep.py has it
        for place, (user, stamp) in freed.items():
            self._free(place, user, stamp, grace_ms)
            if self.seats[node].get(place) == (user, stamp):
                del self.seats[node][place]
        if self.marks.get(node) == CONDEMNED and not self.seats[node]:
            del self.marks[node], self.seats[node]
            self.after.pop(node, None)

    def depart(self, shard: int, judged_ms: int) -> None:
        """depart, for all partitions of a shard."""
        self._reach()
        if self.now - judged_ms > self.rules.fresh_ms:
            return
        for who in sorted(self.departing[shard]):
            standing = self.standings[who]
            if not self.rules.returns_count:
                standing = replace(standing, seats={})
            after, told = machine.depart(standing, self.now - self.rules.late_ms)
            if after.due_ms is None:
                self.departing[shard].discard(who)
                self.standings[who] = after
            if told:
                self.tell(told, who)

    def porter(self, porter: str) -> ShardLook:
        """A replica's beat and the renewal of what it holds; all beats, all leases, now."""
        self._reach()
        self.porters[porter] = self.now
        until = self.now + self.rules.lease_ms
        self.leases = {
            shard: ShardLease(porter, until) if held.replica == porter else held
            for shard, held in self.leases.items()
            if held.until_ms > self.now
        }
        return ShardLook(dict(self.porters), dict(self.leases), self.now)

    def settle(self, porter: str, take: tuple[int, ...], give: tuple[int, ...]) -> frozenset[int]:
        """Take what is still free, give back what is still one's own; what was taken."""
        self._reach()
        for shard in give:
            if shard in self.leases and self.leases[shard].replica == porter:
                del self.leases[shard]
        free = [each for each in take if each not in self.leases or self.leases[each].until_ms <= self.now]
        self.leases |= {shard: ShardLease(porter, self.now + self.rules.lease_ms) for shard in free}
        return frozenset(free)

    def _free(self, place: Place, user: UserId, stamp: str | None, grace_ms: int | None = None) -> None:
        who = place[0], user
        before = self.standings.get(who, NEVER_HERE)
        grace_ms = self.rules.grace_ms if grace_ms is None else grace_ms
        after = machine.leave(before, place[1], self.now, grace_ms, stamp)
        if after is before:
            return
        self.standings[who] = after
        self.listed.pop(place, None)
        if after.due_ms is not None:
            self.departing[self.shard_of(place[0])].add(who)

    def _reach(self) -> None:
        if not self.up:
            raise AwayError
