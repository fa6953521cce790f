"""Does what clients ask: performs the session's errands on the bus and makes replies of what comes back.

Called by device.py, one errand of a connection at a time. Membership is judged by the bus, in the same step
as the deed. Expected failures become `Failed`; whatever else is raised is a fault of ours and goes to the
caller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from services.connection.core.effects import Call, Errand, History, Presence, PresenceStats, Publish
from services.connection.core.events import Answered, Failed
from services.connection.inbound_ports import Brake, Bus, Dated
from services.shared.model.conversation import Accepted
from services.shared.model.errors import (
    BadRequest,
    Broken,
    ContinuoError,
    NotMember,
    NotReplicated,
    QueueFull,
)
from services.shared.model.ids import (
    AgentName,
    ChannelKind,
    ConnectionId,
    ConversationId,
    MessageId,
    TurnId,
    UserId,
)
from services.shared.model.position import serves
from services.shared.model.presence import Seat
from services.shared.runtime.logging import bind, get_logger
from services.shared.runtime.tracing import Tracing, spans
from services.shared.wire import codec, rpc
from services.shared.wire.codes import METHOD_NOT_FOUND, PERMISSION_DENIED, UNRECOVERABLE, fault_of
from services.shared.wire.mentions import mentions

SHOWN_WITHIN_S = 3.5
"""How long a reading may wait until it is replicated: a command is answered within 4 s."""
AGAIN_S = 0.02
"""Pause before reading again: Redis is just moving to another master."""

log = get_logger(__name__)

Arguments = TypeVar("Arguments", bound=msgspec.Struct)
Read = TypeVar("Read", bound=Dated)


class Inbound:
    """Performs errands for all connections of a process; keeps no state."""

    def __init__(
        self,
        bus: Bus,
        brake: Brake,
        new_id: Callable[[], str],
        replicated: Callable[[], Awaitable[str]] | None,
        tracing: Tracing,
        within_s: float = SHOWN_WITHIN_S,
    ) -> None:
        """`new_id`: makes a UUIDv7, for conversations whose creator names none. replicated: waits until all
        that was read so far is held by a replica, and names the replication id; None (acks=master): what is
        read is shown at once.
        """
        self._bus = bus
        self._brake = brake
        self._replicated = replicated
        self._tracing = tracing
        self._within_s = within_s
        self._new_id = new_id
        self._calls: dict[str, Callable[[UserId, Any], Awaitable[object]]] = {
            "conversation.create": self._create,
            "conversation.list": self._list,
            "conversation.send": self._send,
            "conversation.cancel": self._cancel,
            "conversation.answer": self._answer,
            "conversation.checkpoints": self._checkpoints,
            "conversation.rewind": self._rewind,
            "conversation.history": self._page,
            "conversation.configure": self._configure,
            "conversation.delete": self._delete,
            "conversation.members.add": self._add_member,
            "conversation.members.remove": self._remove_member,
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
                seats = await self._bus.roster.of(await self._member_of(errand))
                return Answered(errand.ref, codec.presence_result(_infos(seats)))
            case PresenceStats():
                counts = await self._bus.roster.count(await self._member_of(errand))
                return Answered(errand.ref, codec.presence_stats_result(*counts))

    async def _call(self, call: Call) -> Answered | Failed:
        if call.method not in self._calls:
            return Failed(call.ref, METHOD_NOT_FOUND)
        arguments = _read(call.data, rpc.METHODS[call.method].arguments)
        if conversation := getattr(arguments, "conversation", ""):
            bind(conversation=conversation.lower())
        result = await self._calls[call.method](call.user, arguments)
        return Answered(call.ref, b'{"data":%s}' % msgspec.json.encode(result))

    async def _publish(self, publish: Publish) -> Answered | Failed:
        try:
            said = _read(publish.data, rpc.PublishedMessage)
        except BadRequest:
            return Failed(publish.ref, PERMISSION_DENIED)  # clients may say things here, and nothing else
        await self._send(publish.user, rpc.Send(publish.channel.id, said.id, said.text))
        return Answered(publish.ref, b"{}")

    async def _history(self, asked: History) -> Answered | Failed:
        at = asked.since.offset if asked.since else None
        member = asked.user if asked.channel.kind is ChannelKind.CONVERSATION else None
        reading = await self._confirmed(
            lambda: self._bus.journal.excerpt(
                asked.channel, at, user=member, limit=asked.limit, reverse=asked.reverse
            )
        )
        if member and (not reading.exists or reading.role is None):
            raise NotMember(f"{asked.user} is no member of {asked.channel.name}")
        if asked.since and not serves(reading.head, asked.since):
            return Failed(asked.ref, UNRECOVERABLE)
        publications = [codec.publication(entry.body, entry.offset) for entry in reading.entries]
        return Answered(asked.ref, codec.history_result(publications, reading.head.position))

    async def _confirmed(self, read: Callable[[], Awaitable[Read]]) -> Read:
        """Read, and give it out only once a replica holds it: what a client has seen no failover may take
        back. Read again when the master changed meanwhile. Raises NotReplicated.
        """
        if self._replicated is None:
            return await read()
        try:
            async with asyncio.timeout(self._within_s):
                while True:
                    seen = await read()
                    if await self._replicated() == seen.replid:
                        return seen
                    await asyncio.sleep(AGAIN_S)
        except TimeoutError as late:
            raise NotReplicated("no replica confirmed in time what was read") from late

    async def _member_of(self, asked: Presence | PresenceStats) -> ConversationId:
        conversation = ConversationId(asked.channel.id)
        if await self._bus.conversations.role(conversation, asked.user) is None:
            raise NotMember(f"{asked.user} is no member of {asked.channel.name}")
        return conversation

    async def _create(self, user: UserId, wanted: rpc.Create) -> rpc.Created:
        created = await self._bus.conversations.create(
            ConversationId(wanted.id.lower() if wanted.id else self._new_id()),
            user,
            title=wanted.title,
            members=[UserId(member) for member in wanted.members],
            agents=[AgentName(agent) for agent in wanted.agents],
            answers=wanted.answers,
            double_texting=wanted.double_texting,
        )
        if not created.repeated:
            log.info("conversation created", conversation=created.conversation)
        return rpc.Created(created.conversation, created.position, created.repeated)

    async def _list(self, user: UserId, wanted: rpc.ListOf) -> rpc.Listed:
        listing = await self._confirmed(lambda: self._bus.conversations.listing(user, wanted.limit))
        return rpc.Listed(list(listing.conversations))

    async def _send(self, user: UserId, said: rpc.Send) -> rpc.Sent:
        conversation = ConversationId(said.conversation.lower())
        message, full = MessageId(said.id.lower()), self._brake.full
        try:
            kept = await self._accept(conversation, user, message, said.text, overloaded=full)
        except QueueFull as error:
            self._brake.refused(error)
            raise
        if not kept.repeated:
            self._brake.accepted(len(kept.turns))
        return rpc.Sent(kept.message, kept.position, list(kept.turns), kept.repeated)

    async def _accept(
        self, conversation: ConversationId, user: UserId, message: MessageId, text: str, *, overloaded: bool
    ) -> Accepted:
        accept = self._bus.messages.accept
        with self._tracing.span(spans.ACCEPT, conversation=conversation, message=message) as span:
            kept = await accept(
                conversation,
                user,
                message,
                text,
                mentions=mentions(text),
                trace=span.traceparent,
                overloaded=overloaded,
            )
            span.set(turns=len(kept.turns), offset=kept.position.offset, repeat=kept.repeated)
        return kept

    async def _cancel(self, user: UserId, wanted: rpc.Cancel) -> rpc.Cancelled:
        turn = TurnId(wanted.turn.lower()) if wanted.turn else None
        turns = await self._bus.turns.cancel(ConversationId(wanted.conversation.lower()), user, turn)
        return rpc.Cancelled(list(turns))

    async def _answer(self, user: UserId, given: rpc.Answer) -> rpc.Answered:
        conversation, interrupt = ConversationId(given.conversation.lower()), given.interrupt
        answer, answer_id = _compact(given.answer), given.id.lower()
        with self._tracing.span(spans.ACCEPT, conversation=conversation) as span:
            taken = await self._bus.answers.answer(
                conversation, user, answer_id, interrupt, answer, trace=span.traceparent
            )
            span.link(taken.waiting)
            # told once it is known for an id: until then it is whatever a client wrote
            span.set(interrupt=interrupt, turns=1, offset=taken.position.offset, repeat=taken.repeated)
        if not taken.repeated:
            self._brake.accepted(1)
        return rpc.Answered(taken.position, taken.turn, taken.repeated)

    async def _checkpoints(self, user: UserId, wanted: rpc.CheckpointsOf) -> rpc.Ways:
        conversation, agent = ConversationId(wanted.conversation.lower()), AgentName(wanted.agent)
        found = await self._confirmed(
            lambda: self._bus.rewinds.checkpoints(conversation, user, agent, limit=wanted.limit)
        )
        return rpc.Ways(list(found.checkpoints))

    async def _rewind(self, user: UserId, wanted: rpc.Rewind) -> rpc.Rewound:
        conversation, message = ConversationId(wanted.conversation.lower()), wanted.message.lower()
        text = wanted.text or ""
        with self._tracing.span(spans.ACCEPT, conversation=conversation, message=message) as span:
            try:
                back = await self._bus.rewinds.rewind(
                    conversation,
                    user,
                    wanted.id.lower(),
                    message,
                    ask=wanted.ask,
                    text=text,
                    mentions=mentions(text),
                    trace=span.traceparent,
                    overloaded=self._brake.full,
                )
            except QueueFull as error:
                self._brake.refused(error)
                raise
            span.set(turns=len(back.turns), offset=back.position.offset, repeat=back.repeated)
        if not back.repeated:
            self._brake.accepted(len(back.turns))
            facts = {"gone": back.gone, "ended": back.ended, "stopping": back.stopping}
            log.info("conversation rewound", conversation=conversation, **facts)
        return rpc.Rewound(back.position, list(back.turns), back.repeated)

    async def _page(self, user: UserId, wanted: rpc.History) -> rpc.Page:
        conversation = ConversationId(wanted.conversation.lower())
        page = await self._confirmed(
            lambda: self._bus.messages.history(conversation, user, before=wanted.before, limit=wanted.limit)
        )
        asked = [rpc.Asked.of(each) for each in page.asked]
        top, more = page.head.position, page.more
        return rpc.Page(
            list(page.messages),
            list(page.open),
            list(map(rpc.Underway.of, page.underway)),
            asked,
            top,
            more,
            page.settings,
        )

    async def _configure(self, user: UserId, wanted: rpc.Configure) -> rpc.Changed:
        changed = await self._bus.conversations.configure(
            ConversationId(wanted.conversation.lower()),
            user,
            agents=None if wanted.agents is None else [AgentName(agent) for agent in wanted.agents],
            answers=wanted.answers,
            double_texting=wanted.double_texting,
        )
        return rpc.Changed(changed.position)

    async def _delete(self, user: UserId, wanted: rpc.Delete) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        deleted = await self._bus.deletion.delete(conversation, user)
        log.info("conversation deleted", conversation=conversation)
        return rpc.Changed(deleted.position)

    async def _add_member(self, by: UserId, wanted: rpc.AddMember) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        added = await self._bus.conversations.add_member(conversation, by, UserId(wanted.user), wanted.role)
        log.info("member added", conversation=conversation)
        return rpc.Changed(added.position)

    async def _remove_member(self, by: UserId, wanted: rpc.RemoveMember) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        removed = await self._bus.conversations.remove_member(conversation, by, UserId(wanted.user))
        log.info("member removed", conversation=conversation)
        return rpc.Changed(removed.position)


def _read(data: bytes, kind: type[Arguments]) -> Arguments:
    """Decode arguments; a wrong one is a BadRequest that names it."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(str(error)) from error


def _compact(answer: msgspec.Raw) -> bytes:
    """An answer as it is kept: it may not hold the line ends that frames are joined by."""
    try:
        return msgspec.json.encode(msgspec.json.decode(answer))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"{error} - at `$.answer`") from error


def _infos(seats: Mapping[ConnectionId, Seat]) -> dict[str, bytes]:
    return {
        connection: codec.client_info(seat.user, connection, seat.info or b"")
        for connection, seat in seats.items()
    }
