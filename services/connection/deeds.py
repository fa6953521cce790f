"""All that can be asked for, whichever door it came by: the RPCs, and who is present.

Wired by app.py, one for the process; called by inbound.py for devices and by api/ for back ends, so that both
do the same. RPCs are done by the modules of their subjects (`calls_...`). Membership is judged by the bus, in
the same step as the deed. Expected failures are raised as ContinuoErrors of model/errors.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from services.connection.arguments import Calls, read
from services.connection.calls_conversations import ConversationCalls
from services.connection.calls_edits import EditCalls
from services.connection.calls_marks import MarkCalls
from services.connection.calls_members import MemberCalls
from services.connection.calls_messages import MessageCalls
from services.connection.calls_presence import PresenceCalls
from services.connection.calls_receipts import ReceiptCalls
from services.connection.calls_rewinds import RewindCalls
from services.connection.inbound_ports import Brake, Bus
from services.connection.shown import WITHIN_S, Shown
from services.shared.model import permissions
from services.shared.model.ids import Channel, ConnectionId, ConversationId, UserId
from services.shared.model.permissions import Operation
from services.shared.model.presence import Seat
from services.shared.runtime.clock import Clock
from services.shared.runtime.logging import bind
from services.shared.runtime.tracing import Tracing
from services.shared.wire import codec, rpc

MOST_LISTED = 1000
"""Connections that `presence` lists: all of them up to that, and then so many."""


class Deeds:
    """Does them for all who ask; keeps no state of theirs."""

    def __init__(
        self,
        bus: Bus,
        brake: Brake,
        new_id: Callable[[], str],
        replicated: Callable[[], Awaitable[str]] | None,
        tracing: Tracing,
        clock: Clock,
        within_s: float = WITHIN_S,
    ) -> None:
        """`new_id`: makes a UUIDv7, for conversations whose creator names none. replicated: waits until all
        that was read so far is held by a replica, and names the replication id; None (acks=master): what is
        read is shown at once.
        """
        self.bus = bus
        self.shown = Shown(replicated, within_s)
        self._messages = MessageCalls(bus, self.shown, brake, tracing)
        self._calls: Calls = {
            **ConversationCalls(bus, self.shown, new_id).calls(),
            **self._messages.calls(),
            **RewindCalls(bus, self.shown, brake, tracing).calls(),
            **MemberCalls(bus, self.shown).calls(),
            **MarkCalls(bus).calls(),
            **PresenceCalls(bus).calls(),
            **ReceiptCalls(bus, clock).calls(),
            **EditCalls(bus, self.shown).calls(),
        }

    def has(self, method: str) -> bool:
        """Whether there is such an RPC."""
        return method in self._calls

    async def call(self, user: UserId, method: str, data: bytes) -> bytes:
        """Do an RPC that there is, with its arguments as JSON; its result as JSON. Raises ContinuoError."""
        arguments = read(data, rpc.METHODS[method].arguments)
        if conversation := getattr(arguments, "conversation", ""):
            bind(conversation=conversation.lower())
        return msgspec.json.encode(await self._calls[method](user, arguments))

    async def say(self, user: UserId, said: rpc.Send) -> None:
        """`conversation.send` in other words, a client's `publish`. Raises ContinuoError."""
        await self._messages.send(user, said)

    async def present(self, user: UserId, conversation: ConversationId) -> dict[str, bytes]:
        """Connections that are there, as ClientInfo JSON by their ids. Raises ContinuoError."""
        await self._may_see(user, conversation)
        return _infos(await self.bus.roster.of(conversation, MOST_LISTED))

    async def counted(self, user: UserId, conversation: ConversationId) -> tuple[int, int]:
        """How many connections are there, and of how many users. Raises ContinuoError."""
        await self._may_see(user, conversation)
        return await self.bus.roster.count(conversation)

    async def _may_see(self, user: UserId, conversation: ConversationId) -> None:
        role = await self.bus.conversations.role(conversation, user)
        permissions.check(role, Operation.PRESENCE, user, Channel.of_conversation(conversation).name)


def _infos(seats: Mapping[ConnectionId, Seat]) -> dict[str, bytes]:
    return {
        connection: codec.client_info(seat.user, connection, seat.info or b"")
        for connection, seat in seats.items()
    }
