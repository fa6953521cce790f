"""RPCs about what is said in a conversation, done on the bus. Called by deeds.py."""

from services.connection.arguments import Calls, compact
from services.connection.inbound_ports import Brake, Bus
from services.connection.shown import Shown
from services.shared.model.conversation import Accepted
from services.shared.model.errors import QueueFull
from services.shared.model.ids import ConversationId, MessageId, TurnId, UserId
from services.shared.runtime.tracing import Tracing, spans
from services.shared.wire import rpc
from services.shared.wire.mentions import mentions, named


class MessageCalls:
    """What can be said, answered, stopped and read."""

    def __init__(self, bus: Bus, shown: Shown, brake: Brake, tracing: Tracing) -> None:
        self._bus = bus
        self._shown = shown
        self._brake = brake
        self._tracing = tracing

    def calls(self) -> Calls:
        """Each by its name."""
        return {
            "conversation.send": self.send,
            "conversation.cancel": self._cancel,
            "conversation.answer": self._answer,
            "conversation.history": self._page,
        }

    async def send(self, user: UserId, said: rpc.Send) -> rpc.Sent:
        """Say something, by RPC or by a client's `publish`."""
        conversation = ConversationId(said.conversation.lower())
        message, full = MessageId(said.id.lower()), self._brake.full
        try:
            kept = await self._accept(conversation, user, message, said, overloaded=full)
        except QueueFull as error:
            self._brake.refused(error)
            raise
        if not kept.repeated:
            self._brake.accepted(len(kept.turns))
        return rpc.Sent(kept.message, kept.position, list(kept.turns), kept.repeated)

    async def _accept(
        self,
        conversation: ConversationId,
        user: UserId,
        message: MessageId,
        said: rpc.Send,
        *,
        overloaded: bool,
    ) -> Accepted:
        accept, text = self._bus.messages.accept, said.text
        with self._tracing.span(spans.ACCEPT, conversation=conversation, message=message) as span:
            kept = await accept(
                conversation,
                user,
                message,
                text,
                reply_to=(said.reply_to or "").lower(),
                mentions=mentions(text),
                named=named(text),
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
        answer, answer_id = compact(given.answer), given.id.lower()
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

    async def _page(self, user: UserId, wanted: rpc.History) -> rpc.Page:
        conversation = ConversationId(wanted.conversation.lower())
        page = await self._shown.confirmed(
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
