"""RPCs about who is in a conversation, done on the bus. Called by inbound.py."""

from services.connection.arguments import Calls
from services.connection.inbound_ports import Bus
from services.shared.model.ids import ConversationId, UserId
from services.shared.runtime.logging import get_logger
from services.shared.wire import rpc

log = get_logger(__name__)


class MemberCalls:
    """Who comes and goes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def calls(self) -> Calls:
        """Each by its name."""
        return {
            "conversation.members.add": self._add,
            "conversation.members.remove": self._remove,
        }

    async def _add(self, by: UserId, wanted: rpc.AddMember) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        added = await self._bus.conversations.add_member(conversation, by, UserId(wanted.user), wanted.role)
        log.info("member added", conversation=conversation)
        return rpc.Changed(added.position)

    async def _remove(self, by: UserId, wanted: rpc.RemoveMember) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        removed = await self._bus.conversations.remove_member(conversation, by, UserId(wanted.user))
        log.info("member removed", conversation=conversation)
        return rpc.Changed(removed.position)
