"""Does what clients ask: performs the session's errands on the bus and makes replies of what comes back.

Called by device.py, one errand of a connection at a time. RPCs are done by the modules of their subjects
(`calls_...`). Membership is judged by the bus, in the same step as the deed. Expected failures become
`Failed`; whatever else is raised is a fault of ours and goes to the caller.
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
from services.connection.core.effects import Call, Errand, History, Presence, PresenceStats, Publish
from services.connection.core.events import Answered, Failed
from services.connection.inbound_ports import Brake, Bus
from services.connection.shown import WITHIN_S, Shown
from services.shared.model import permissions
from services.shared.model.errors import BadRequest, Broken, ContinuoError
from services.shared.model.ids import ChannelKind, ConnectionId, ConversationId
from services.shared.model.permissions import Operation
from services.shared.model.position import serves
from services.shared.model.presence import Seat
from services.shared.runtime.clock import Clock
from services.shared.runtime.logging import bind
from services.shared.runtime.tracing import Tracing
from services.shared.wire import codec, rpc
from services.shared.wire.codes import METHOD_NOT_FOUND, PERMISSION_DENIED, UNRECOVERABLE, fault_of

MOST_LISTED = 1000
"""Connections that `presence` lists: all of them up to that, and then so many."""


class Inbound:
    """Performs errands for all connections of a process; keeps no state of theirs."""

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
        self._bus = bus
        self._shown = Shown(replicated, within_s)
        self._messages = MessageCalls(bus, self._shown, brake, tracing)
        self._calls: Calls = {
            **ConversationCalls(bus, self._shown, new_id).calls(),
            **self._messages.calls(),
            **RewindCalls(bus, self._shown, brake, tracing).calls(),
            **MemberCalls(bus, self._shown).calls(),
            **MarkCalls(bus).calls(),
            **PresenceCalls(bus).calls(),
            **ReceiptCalls(bus, clock).calls(),
            **EditCalls(bus, self._shown).calls(),
        }

    async def perform(self, errand: Errand) -> Answered | Failed:
        """Do one thing a client asked for and return what to tell it."""
        try:
            return await self._perform(errand)
        except Broken:
            raise
        except ContinuoError as error:
            return Failed(errand.ref, fault_of(error))

    async def _perform(self, errand: Errand) -> Answered | Failed:
        match errand:
            case Call():
                return await self._call(errand)
            case Publish():
                return await self._publish(errand)
            case History():
                return await self._history(errand)
            case Presence():
                seats = await self._bus.roster.of(await self._member_of(errand), MOST_LISTED)
                return Answered(errand.ref, codec.presence_result(_infos(seats)))
            case PresenceStats():
                counts = await self._bus.roster.count(await self._member_of(errand))
                return Answered(errand.ref, codec.presence_stats_result(*counts))

    async def _call(self, call: Call) -> Answered | Failed:
        if call.method not in self._calls:
            return Failed(call.ref, METHOD_NOT_FOUND)
        arguments = read(call.data, rpc.METHODS[call.method].arguments)
        if conversation := getattr(arguments, "conversation", ""):
            bind(conversation=conversation.lower())
        result = await self._calls[call.method](call.user, arguments)
        return Answered(call.ref, b'{"data":%s}' % msgspec.json.encode(result))

    async def _publish(self, publish: Publish) -> Answered | Failed:
        try:
            said = read(publish.data, rpc.PublishedMessage)
        except BadRequest:
            return Failed(publish.ref, PERMISSION_DENIED)  # clients may say things here, and nothing else
        await self._messages.send(
            publish.user, rpc.Send(publish.channel.id, said.id, said.text, said.reply_to)
        )
        return Answered(publish.ref, b"{}")

    async def _history(self, asked: History) -> Answered | Failed:
        at = asked.since.offset if asked.since else None
        member = asked.user if asked.channel.kind is ChannelKind.CONVERSATION else None
        reading = await self._shown.confirmed(
            lambda: self._bus.journal.excerpt(
                asked.channel, at, user=member, limit=asked.limit, reverse=asked.reverse
            )
        )
        if member:
            role = reading.role if reading.exists else None
            permissions.check(role, Operation.HISTORY, asked.user, asked.channel.name)
        if asked.since and not serves(reading.head, asked.since):
            return Failed(asked.ref, UNRECOVERABLE)
        publications = [codec.publication(entry.body, entry.offset) for entry in reading.entries]
        return Answered(asked.ref, codec.history_result(publications, reading.head.position))

    async def _member_of(self, asked: Presence | PresenceStats) -> ConversationId:
        conversation = ConversationId(asked.channel.id)
        role = await self._bus.conversations.role(conversation, asked.user)
        permissions.check(role, Operation.PRESENCE, asked.user, asked.channel.name)
        return conversation


def _infos(seats: Mapping[ConnectionId, Seat]) -> dict[str, bytes]:
    return {
        connection: codec.client_info(seat.user, connection, seat.info or b"")
        for connection, seat in seats.items()
    }
