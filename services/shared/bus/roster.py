"""The roster: which connections sit in which conversation, whose presence is announced, and which nodes live.

Connection pods enter, leave and beat; the presence service reaps dead nodes and announces due departures. A
user's join is published when the first connection comes, the leave only when a grace has passed after the
last one went. Scripts decide both, so any number of callers announce each once. Nothing here is waited for:
presence may be a little late, never contradictory.
"""

from collections.abc import Container, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from services.shared.bus import keys as names
from services.shared.bus.floor import Floor
from services.shared.bus.lease import Argument
from services.shared.bus.scripts import Call, script
from services.shared.bus.sentinel import mapped
from services.shared.model.ids import ConnectionId, ConversationId, NodeId, UserId
from services.shared.model.presence import Beat, Beats, Look, Seat
from services.shared.runtime.origin import Origin
from services.shared.runtime.tracing import trace_id

CENSUS_TTL_MS = 60_000
"""What a node said it holds is forgotten a minute after its last word."""
FRESH_MS = 2_000
"""For so long it stays true that seats are up to date."""
REAP_AT_ONCE = 200
"""Seats freed per round trip; a reaper that is stopped in between goes on where it was."""


ALL = range(1 << 30)
"""Every partition there can be."""


class _SeatRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    user: str
    node: str
    stamp: str
    info: msgspec.Raw  # JSON null if there is none
    trace: str = ""


_NULL = b"null"
_AFTER = b"after"
"""What beat.lua keeps for itself in a census."""
_seats = msgspec.json.Decoder(_SeatRecord)


class Roster:
    """Seats, presences and beats."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._keys = floor.keys
        self._commands = floor.commands
        self._clock = floor.clock
        self._metrics = floor.metrics
        self._audited = floor.audited
        self._crowd: list[Argument] = [*floor.settings.crowd_args()]
        #: The mark of the last answered beat of each node that beats here, that is of one.
        self._answered: dict[NodeId, bytes] = {}

    async def enter(
        self,
        conversation: ConversationId,
        connection: ConnectionId,
        user: UserId,
        info: bytes | None,
        node: NodeId,
        trace: str = "",
    ) -> None:
        """Seat a connection; publishes a join when the user was not present. `info`: JSON others see, or
        None. trace: traceparent of its session, remembered for a minute when it leaves (`Reading.sessions`).
        """
        stamp = str(self._clock.now_ms())
        seat = msgspec.json.encode(_SeatRecord(user, node, stamp, msgspec.Raw(info or _NULL), trace))
        shown = _client_info(user, connection, info)
        at = self._keys.conversation(conversation)
        held: list[Argument] = [f"{connection} {conversation}", f"{user} {stamp}", node]
        rostered: list[Argument] = [connection, user, seat, f"{conversation} {user}", shown, conversation]
        entered = [at.roster, at.present, at.seated, at.shared.departing, at.live, at.members]
        entered += [at.attendees, at.seen, at.shared.crowds]
        rostered += self._crowd
        whence = Origin(connection, trace_id(trace))
        # in this order: a node that dies in between must leave a seat that somebody finds
        _, joined = await self._scripts.batch(
            [
                Call(script("seat"), [names.seats(node), names.NODES], held),
                Call(script("roster_enter"), *self._audited(entered, rostered, at.shared, whence)),
            ]
        )
        self._metrics.presence_transitions.labels(kind="join").inc(joined)

    async def leave(
        self,
        conversation: ConversationId,
        connection: ConnectionId,
        user: UserId,
        node: NodeId,
        *,
        grace_ms: int,
    ) -> None:
        """Free a seat of `node`; a user who sits nowhere else here departs after the grace."""
        # both each time: a repeat after a lost reply finds the roster done and the node's seat still there
        await self._scripts.batch(
            [
                self._freeing(conversation, connection, user, grace_ms, stamp=""),
                Call(script("unseat"), [names.seats(node)], [f"{connection} {conversation}"]),
            ]
        )

    async def held(self, node: NodeId) -> dict[tuple[ConversationId, ConnectionId], UserId]:
        """The seats a node holds as Redis knows it, with who sits there."""
        async with mapped("held"):
            found: Any = await self._commands.hgetall(names.seats(node))
        held = {}
        for seat, held_by in found.items():
            connection, conversation = seat.decode().split(" ")
            held[ConversationId(conversation), ConnectionId(connection)] = UserId(
                held_by.decode().split(" ")[0]
            )
        return held

    async def of(self, conversation: ConversationId, most: int | None = None) -> dict[ConnectionId, Seat]:
        """The connections in a conversation: all, or `most` of them where there are more."""
        key = self._keys.conversation(conversation).roster
        async with mapped("roster"):
            count = await self._commands.hlen(key)
            if most is None or count <= most:
                found: Any = await self._commands.hgetall(key)
            else:
                _, found = await self._commands.hscan(key, 0, count=most)
                found = dict(islice(found.items(), most))
        return {ConnectionId(key.decode()): _seat(value) for key, value in found.items()}

    async def count(self, conversation: ConversationId) -> tuple[int, int]:
        """How many connections, and of how many users, are in a conversation."""
        at = self._keys.conversation(conversation)
        async with mapped("roster"), self._commands.pipeline(transaction=False) as pipe:
            pipe.hlen(at.roster)
            pipe.hlen(at.seated)
            connections, users = await pipe.execute()
        return connections, users

    async def beat(self, node: NodeId, census: Mapping[str, int]) -> bool:
        """Tell that a node lives, and what it holds. False: it was not listed all the time since its last
        beat that was answered here; if it holds seats, they must be entered again.
        """
        facts = [part for name, number in census.items() for part in (name, number)]
        keys = [names.NODES, names.node(node)]
        args: list[Argument] = [node, CENSUS_TTL_MS, self._answered.get(node, b""), *facts]
        self._metrics.presence_beats.inc()
        listed, self._answered[node] = await self._scripts.run("beat", keys, args)
        return bool(listed)

    async def beats(self) -> Beats:
        """The latest beat of every listed node; mark 0: condemned, its seats are still to be freed."""
        return (await self.look()).beats

    async def look(self) -> Look:
        """The same, and the master's time before they were read."""
        async with mapped("beats"):
            seconds, microseconds = await self._commands.time()
            listed: Any = await self._commands.zrange(names.NODES, 0, -1, withscores=True)
            async with self._commands.pipeline(transaction=False) as pipe:
                for node, _ in listed:
                    pipe.hgetall(names.node(node.decode()))
                censuses = await pipe.execute()
        taken = zip(listed, censuses, strict=True)
        beats = {NodeId(node.decode()): Beat(int(mark), _census(census)) for (node, mark), census in taken}
        return Look(beats, seconds * 1000 + microseconds // 1000)

    async def reap(self, node: NodeId, mark: int, *, grace_ms: int, partitions: Container[int] = ALL) -> int:
        """Free all seats of a dead node in these partitions, and strike it off once it has none; the number
        freed by this call.

        mark: the beat it was judged by. A node that beat since is left alone; one that beats during it
        keeps what it takes anew.
        """
        if not await self._scripts.run("condemn", [names.NODES], [node, mark]):
            return 0
        async with mapped("reap"):
            held: Any = await self._commands.hgetall(names.seats(node))
        seats = [(seat, by) for seat, by in held.items() if self._partition(seat) in partitions]
        parts = [seats[i : i + REAP_AT_ONCE] for i in range(0, len(seats), REAP_AT_ONCE)] or [[]]
        return sum([await self._reap(node, part, grace_ms) for part in parts])

    async def depart_due(
        self,
        limit: int = 100,
        *,
        judged_ms: int | None = None,
        late_ms: int = 0,
        partitions: Container[int] = ALL,
    ) -> int:
        """Announce the leaves whose grace is over, of users who did not come back; how many. `limit` is
        per partition. judged_ms: when (master's time) it was seen that seats are up to date; a command that
        waited for a Redis that was away comes too late, and announces nothing. None: take that as seen.
        late_ms: so long past its grace a leave waits, for seats that are being written.
        """
        depart, due = script("depart"), [at for at in self._keys.shared() if at.partition in partitions]
        until = "" if judged_ms is None else judged_ms + FRESH_MS
        calls = [
            Call(depart, [at.departing, at.crowds], [at.conversations, limit, until, *self._crowd, late_ms])
            for at in due
        ]
        announced = sum(await self._scripts.batch(calls))
        self._metrics.presence_transitions.labels(kind="leave").inc(announced)
        return announced

    async def tell_crowds(self, limit: int = 100, *, partitions: Container[int] = ALL) -> int:
        """Tell of large conversations where somebody came or went how many are there; of how many. `limit`
        is per partition.
        """
        due = [at for at in self._keys.shared() if at.partition in partitions]
        calls = [Call(script("crowd_tell"), [at.crowds], [at.conversations, limit]) for at in due]
        return sum(await self._scripts.batch(calls))

    async def departing(self) -> int:
        """How many leaves wait for their grace to end."""
        async with mapped("departing"), self._commands.pipeline(transaction=False) as pipe:
            for each in self._keys.shared():
                pipe.zcard(each.departing)
            return sum(await pipe.execute())

    async def _reap(self, node: NodeId, seats: Sequence[tuple[bytes, bytes]], grace_ms: int) -> int:
        freeing = [self._freeing_held(seat, held_by, grace_ms) for seat, held_by in seats]
        freed = await self._scripts.batch(freeing)
        keys = [names.NODES, names.seats(node), names.node(node)]
        await self._scripts.run("unlist", keys, [node, *(part for seat in seats for part in seat)])
        return sum(node is not None for node in freed)

    def _partition(self, seat: bytes) -> int:
        return self._keys.conversation(seat.decode().partition(" ")[2]).partition

    def _freeing_held(self, seat: bytes, held_by: bytes, grace_ms: int) -> Call:
        connection, conversation = seat.decode().split(" ")
        user, stamp = held_by.decode().split(" ")
        return self._freeing(conversation, connection, user, grace_ms, stamp)

    def _freeing(self, conversation: str, connection: str, user: str, grace_ms: int, stamp: str) -> Call:
        at = self._keys.conversation(conversation)
        keys = [at.roster, at.seated, at.shared.departing, at.sessions(user)]
        keys += [at.members, at.attendees, at.seen]
        args: list[Argument] = [connection, user, f"{conversation} {user}", grace_ms, stamp, conversation]
        return Call(script("roster_leave"), *self._audited(keys, args, at.shared, Origin(connection)))


def _client_info(user: UserId, connection: ConnectionId, info: bytes | None) -> bytes:
    """The client protocol's ClientInfo, which has no `conn_info` where there is none."""
    shown = {"user": user, "client": connection}
    return msgspec.json.encode(shown | {"conn_info": msgspec.Raw(info)} if info else shown)


def _seat(record: bytes) -> Seat:
    seat = _seats.decode(record)
    info = bytes(seat.info)
    return Seat(UserId(seat.user), None if info == _NULL else info, NodeId(seat.node))


def _census(record: Mapping[bytes, bytes]) -> dict[str, int]:
    """Its numbers; what else a later release may say of itself is passed over."""
    told = record.items() - {(_AFTER, record.get(_AFTER))}
    return {name.decode(): int(number) for name, number in told if number.isdigit()}
