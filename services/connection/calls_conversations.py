"""RPCs about conversations as a whole, done on the bus. Called by deeds.py."""

from collections.abc import Callable

from services.connection.arguments import Calls
from services.connection.inbound_ports import Bus
from services.connection.shown import Shown
from services.shared.model.ids import AgentName, ConversationId, UserId
from services.shared.runtime.logging import get_logger
from services.shared.wire import rpc

log = get_logger(__name__)


class ConversationCalls:
    """What can be done with a conversation."""

    def __init__(self, bus: Bus, shown: Shown, new_id: Callable[[], str]) -> None:
        """`new_id`: makes a UUIDv7, for conversations whose creator names none."""
        self._bus = bus
        self._shown = shown
        self._new_id = new_id

    def calls(self) -> Calls:
        """Each by its name."""
        return {
            "conversation.create": self._create,
            "conversation.list": self._list,
            "conversation.configure": self._configure,
            "conversation.rename": self._rename,
            "conversation.delete": self._delete,
        }

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
        listing = await self._shown.confirmed(lambda: self._bus.conversations.listing(user, wanted.limit))
        return rpc.Listed(list(listing.conversations))

    async def _configure(self, user: UserId, wanted: rpc.Configure) -> rpc.Changed:
        changed = await self._bus.conversations.configure(
            ConversationId(wanted.conversation.lower()),
            user,
            agents=None if wanted.agents is None else [AgentName(agent) for agent in wanted.agents],
            answers=wanted.answers,
            double_texting=wanted.double_texting,
        )
        return rpc.Changed(changed.position)

    async def _rename(self, user: UserId, wanted: rpc.Rename) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        renamed = await self._bus.conversations.rename(conversation, user, wanted.title)
        return rpc.Changed(renamed.position)

    async def _delete(self, user: UserId, wanted: rpc.Delete) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        deleted = await self._bus.deletion.delete(conversation, user)
        log.info("conversation deleted", conversation=conversation)
        return rpc.Changed(deleted.position)
