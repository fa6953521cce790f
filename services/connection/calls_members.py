"""RPCs about who is in a conversation, done on the bus. Called by deeds.py."""

from services.connection.arguments import Calls
from services.connection.inbound_ports import Bus
from services.connection.shown import Shown
from services.shared.model.ids import ConversationId, UserId
from services.shared.runtime.logging import get_logger
from services.shared.wire import rpc

log = get_logger(__name__)


class MemberCalls:
    """Who comes and goes."""

    def __init__(self, bus: Bus, shown: Shown) -> None:
        self._bus = bus
        self._shown = shown

    def calls(self) -> Calls:
        """Each by its name."""
        return {
            "conversation.members.add": self._add,
            "conversation.members.remove": self._remove,
            "conversation.members.invite": self._invite,
            "conversation.members.accept": self._accept,
            "conversation.members.decline": self._decline,
            "conversation.invitations": self._invitations,
            "conversation.members.role": self._change_role,
            "conversation.members.list": self._page,
            "conversation.leave": self._leave,
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

    async def _leave(self, user: UserId, wanted: rpc.Leave) -> rpc.Changed:
        return await self._remove(user, rpc.RemoveMember(wanted.conversation, user))

    async def _invite(self, by: UserId, wanted: rpc.Invite) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        invited = await self._bus.members.invite(conversation, by, UserId(wanted.user), wanted.role)
        log.info("member invited", conversation=conversation)
        return rpc.Changed(invited.position)

    async def _accept(self, user: UserId, wanted: rpc.Accept) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        accepted = await self._bus.members.accept(conversation, user)
        log.info("invitation accepted", conversation=conversation)
        return rpc.Changed(accepted.position)

    async def _decline(self, user: UserId, wanted: rpc.Decline) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        declined = await self._bus.members.decline(conversation, user)
        log.info("invitation declined", conversation=conversation)
        return rpc.Changed(declined.position)

    async def _invitations(self, user: UserId, _: rpc.InvitationsOf) -> rpc.Invited:
        found = await self._shown.confirmed(lambda: self._bus.members.invitations(user))
        return rpc.Invited(list(found.invitations))

    async def _change_role(self, by: UserId, wanted: rpc.ChangeRole) -> rpc.Changed:
        conversation = ConversationId(wanted.conversation.lower())
        changed = await self._bus.members.change_role(conversation, by, UserId(wanted.user), wanted.role)
        log.info("role changed", conversation=conversation)
        return rpc.Changed(changed.position)

    async def _page(self, user: UserId, wanted: rpc.MembersOf) -> rpc.MembersPage:
        conversation, after = ConversationId(wanted.conversation.lower()), wanted.after or ""
        page = await self._shown.confirmed(
            lambda: self._bus.members.page(conversation, user, after=after, limit=wanted.limit)
        )
        return rpc.MembersPage(list(page.members), page.more)
