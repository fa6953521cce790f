"""RPCs that go back in a conversation, done on the bus. Called by deeds.py."""

from services.connection.arguments import Calls
from services.connection.inbound_ports import Brake, Bus
from services.connection.shown import Shown
from services.shared.model.errors import QueueFull
from services.shared.model.ids import AgentName, ConversationId, UserId
from services.shared.runtime.logging import get_logger
from services.shared.runtime.tracing import Tracing, spans
from services.shared.wire import rpc
from services.shared.wire.mentions import mentions

log = get_logger(__name__)


class RewindCalls:
    """How far one can go back, and going there."""

    def __init__(self, bus: Bus, shown: Shown, brake: Brake, tracing: Tracing) -> None:
        self._bus = bus
        self._shown = shown
        self._brake = brake
        self._tracing = tracing

    def calls(self) -> Calls:
        """Each by its name."""
        return {
            "conversation.checkpoints": self._checkpoints,
            "conversation.rewind": self._rewind,
        }

    async def _checkpoints(self, user: UserId, wanted: rpc.CheckpointsOf) -> rpc.Ways:
        conversation, agent = ConversationId(wanted.conversation.lower()), AgentName(wanted.agent)
        found = await self._shown.confirmed(
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
