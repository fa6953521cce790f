"""RPCs about who is there, done on the bus. Called by deeds.py."""

from services.connection.arguments import Calls
from services.connection.inbound_ports import Bus
from services.shared.model.ids import ConversationId, UserId
from services.shared.wire import rpc


class PresenceCalls:
    """Who is there, and when others were."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def calls(self) -> Calls:
        """Each by its name."""
        return {"conversation.presence": self._page}

    async def _page(self, user: UserId, wanted: rpc.PresenceOf) -> rpc.PresencePage:
        # presence may be a little late, so it needs no replica's word
        conversation, after = ConversationId(wanted.conversation.lower()), wanted.after or ""
        page = await self._bus.attendees.page(conversation, user, after=after, limit=wanted.limit)
        return rpc.PresencePage(list(page.users), page.more, page.totals)
