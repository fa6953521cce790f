"""Keeps the roster in Redis equal to the seats that devices of this process hold, and the node's beat going.

Called by arrivals.py when a device goes live in a conversation or leaves it. What is wanted is kept by seat,
not as a list of deeds: a seat taken and left while Redis was away costs nothing, and work in the roster is
tried again until it is done. Never makes a device wait.
"""

import asyncio
from collections.abc import Callable, Mapping
from math import inf
from typing import Protocol

import msgspec

from services.shared.model.errors import Broken, ContinuoError
from services.shared.model.ids import ConnectionId, ConversationId, NodeId, UserId
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

BEAT_S = 2.0
"""Between beats; five missed ones mean death (presence service)."""
AGAIN_S = 0.5
"""Pause after Redis did not answer."""
LATELY_S = 3 * BEAT_S
"""So long after a beat got through, Redis counts as one that answers."""
AT_ONCE = 8
"""Seats written at a time: a reconnect storm must not take all connections to Redis."""

log = get_logger(__name__)


class Roster(Protocol):
    """What is needed of the bus."""

    async def enter(
        self,
        conversation: ConversationId,
        connection: ConnectionId,
        user: UserId,
        info: bytes | None,
        node: NodeId,
        trace: str,
    ) -> None: ...
    async def leave(
        self,
        conversation: ConversationId,
        connection: ConnectionId,
        user: UserId,
        node: NodeId,
        *,
        grace_ms: int,
    ) -> None: ...
    async def beat(self, node: NodeId, census: Mapping[str, int]) -> bool: ...
    async def held(self, node: NodeId) -> Mapping[tuple[ConversationId, ConnectionId], UserId]: ...


class _ClientInfo(msgspec.Struct):
    conn_info: msgspec.Raw = msgspec.Raw(b"")


_client_info = msgspec.json.Decoder(_ClientInfo)

Seat = tuple[ConversationId, ConnectionId]


class Attendance:
    """The seats of this process. `run` and `beat` are its two tasks; `settled` waits for what is left."""

    def __init__(
        self, roster: Roster, node: NodeId, grace_ms: int, census: Callable[[], dict[str, int]]
    ) -> None:
        self._roster = roster
        self._node = node
        self._grace_ms = grace_ms
        self._census = census
        #: Who sits where, and what others see of them.
        self._seats: dict[Seat, tuple[UserId, bytes | None, str]] = {}
        #: Seats to be written, with the user a freed one belonged to.
        self._due: dict[Seat, UserId] = {}
        #: Whether the roster may say something else than what is so.
        self._doubtful = True
        self._beaten_at = -inf
        self._silent = Trouble(log, "beat failed", "beats again")
        self._unwritten = Trouble(log, "seats not written", "seats written again")
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def enter(
        self, conversation: str, connection: ConnectionId, user: UserId, info: bytes, trace: str = ""
    ) -> None:
        """A device sits in a conversation now. `info`: its ClientInfo JSON. trace: of its connect."""
        seat = ConversationId(conversation), connection
        shown = bytes(_client_info.decode(info).conn_info) or None if info else None
        self._seats[seat] = user, shown, trace
        self._want(seat, user)

    def leave(self, conversation: str, connection: ConnectionId, user: UserId) -> None:
        """It left, or is gone."""
        seat = ConversationId(conversation), connection
        if self._seats.pop(seat, None) is not None:
            self._want(seat, user)

    async def settled(self) -> None:
        """Wait until the roster says what is so."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write seats until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._write_all()
            finally:
                if self._due:
                    self._wanted.set()
            self._idle.set()

    async def beat(self) -> None:
        """Tell every `BEAT_S` that this node lives, until cancelled."""
        while True:
            doubtful, self._doubtful, through = self._doubtful, False, False
            try:
                # not listed: it was declared dead, and its seats freed
                doubtful = not await self._roster.beat(self._node, self._census()) or doubtful
                self._beaten_at = asyncio.get_running_loop().time()
                if doubtful:
                    await self._mend()
                through = True
                self._silent.over()
            except ContinuoError as error:
                self._silent.met(error=str(error))
            finally:
                # the reply that was lost may have been the one that said: not listed
                self._doubtful = self._doubtful or not through
            await asyncio.sleep(BEAT_S)

    def answered_lately(self) -> bool:
        """Whether Redis took a beat lately."""
        return asyncio.get_running_loop().time() - self._beaten_at <= LATELY_S

    def moved(self) -> None:
        """Another Redis took over, and may lack the last seats taken and left: looked after at the next
        beat.
        """
        self._doubtful = True

    async def _mend(self) -> None:
        """Write all seats again, and free those Redis holds for this node that nobody sits in."""
        for seat, user in (await self._roster.held(self._node)).items():
            if seat not in self._seats:
                self._want(seat, user)
        for seat, (user, *_) in self._seats.items():
            self._want(seat, user)

    async def _write_all(self) -> None:
        while self._due:
            some = [(seat, self._due.pop(seat)) for seat in list(self._due)[:AT_ONCE]]
            try:
                done = await asyncio.gather(*(self._write(seat, user) for seat, user in some))
            except BaseException:  # cancelled: what is not surely written is still due
                self._due = dict(some) | self._due
                raise
            if not all(done):
                await asyncio.sleep(AGAIN_S)

    def _want(self, seat: Seat, user: UserId) -> None:
        self._due[seat] = user
        self._idle.clear()
        self._wanted.set()

    async def _write(self, seat: Seat, user: UserId) -> bool:
        conversation, connection = seat
        held = self._seats.get(seat)
        try:
            if held is not None:
                await self._roster.enter(conversation, connection, user, held[1], self._node, held[2])
            else:
                await self._roster.leave(conversation, connection, user, self._node, grace_ms=self._grace_ms)
        except Broken:
            log.exception("seat given up", conversation=conversation, connection=connection)
        except ContinuoError as error:
            self._unwritten.met(error=str(error))
            self._due.setdefault(seat, user)
            return False
        else:
            self._unwritten.over()
        return True
