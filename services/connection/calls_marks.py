"""RPCs by which a user makes something of a conversation for itself alone. Called by deeds.py."""

from services.connection.arguments import Calls
from services.connection.inbound_ports import Bus
from services.shared.model.ids import ConversationId, UserId
from services.shared.wire import rpc


class MarkCalls:
    """Muted, archived."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def calls(self) -> Calls:
        """Each by its name."""
        return {"conversation.mute": self._mute, "conversation.archive": self._archive}

    async def _mute(self, user: UserId, wanted: rpc.Mute) -> rpc.Marked:
        conversation = ConversationId(wanted.conversation.lower())
        marks = await self._bus.marks.mute(conversation, user, wanted.until)
        return rpc.Marked(marks.muted, marks.archived)

    async def _archive(self, user: UserId, wanted: rpc.Archive) -> rpc.Marked:
        conversation = ConversationId(wanted.conversation.lower())
        marks = await self._bus.marks.archive(conversation, user, archived=wanted.archived)
        return rpc.Marked(marks.muted, marks.archived)
