"""Who is asked into a conversation, what members may there, and who they are.

Called by the connection pods for the RPCs; adding and removing is `conversations`' business. What the user's
own partition must learn is written to the outbox in the same script, as there; so `invitations` follows by
the relay's few milliseconds.
"""

from collections.abc import Sequence

from services.shared.bus import replies
from services.shared.bus.conversations import AT_ONCE, MOST_LEFT, check
from services.shared.bus.floor import Floor
from services.shared.bus.scripts import Arg, Call, Reply, script
from services.shared.model.conversation import Appended
from services.shared.model.errors import BadRequest
from services.shared.model.events import MemberChanged, MemberDeclined, MemberInvited
from services.shared.model.ids import ConversationId, UserId, is_user
from services.shared.model.members import Invitation, Invitations, Member, MembersPage
from services.shared.model.permissions import GIVEN, Operation, Role, allowed, check_user
from services.shared.wire.envelopes import encode_event

MOST_INVITED = 1000
"""Users who are invited to one conversation and have not answered."""
PAGE = 1000
"""Members of a page, at most."""


class Members:
    """Invited, changed, told of."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def invite(self, conversation: str, by: str, user: str, role: str = Role.MEMBER) -> Appended:
        """Ask `user` to become a member. A repeat is harmless, and keeps the role; so is asking a member.

        Raises NotMember (`by` is none), Refused (`by` may not, or too many are asked), BadRequest,
        QueueFull, NotReplicated, BusUnavailable.
        """
        check(conversation, by, users=(user,))
        _check_role(role)
        operation = Operation.INVITE_OWNER if role == Role.OWNER else Operation.INVITE
        event = encode_event(MemberInvited(conversation, user, by, role))
        args: list[Arg] = [by, user, role, event, allowed(operation), MOST_INVITED]
        return await self._change("member_invite", conversation, args)

    async def accept(self, conversation: str, user: str) -> Appended:
        """Become a member as one was asked to. A repeat is harmless. Raises NotMember (nobody asked),
        Refused (a service), BadRequest, QueueFull, NotReplicated, BusUnavailable.
        """
        check_user(user, "conversation.members.accept")
        check(conversation, users=(user,))
        return await self._change("member_accept", conversation, [user])

    async def decline(self, conversation: str, user: str) -> Appended:
        """Do not become a member. A repeat is harmless, as long as it is known. Raises NotMember (nobody
        asked), Refused (a member already, or a service), BadRequest, QueueFull, NotReplicated,
        BusUnavailable.
        """
        check_user(user, "conversation.members.decline")
        check(conversation, users=(user,))
        event = encode_event(MemberDeclined(conversation, user, user))
        return await self._change("member_decline", conversation, [user, event, MOST_LEFT])

    async def change_role(self, conversation: str, by: str, user: str, role: str) -> Appended:
        """Give a member another role, and have its devices told. A repeat is harmless.

        Raises NotMember (`by` is none), Refused (`by` may not, or nobody would own it), BadRequest (also for
        one who is no member), QueueFull, NotReplicated, BusUnavailable.
        """
        check(conversation, by, users=(user,))
        _check_role(role)
        event = encode_event(MemberChanged(conversation, user, by, role))
        args: list[Arg] = [by, user, role, event, allowed(Operation.ROLE)]
        return await self._change("member_role", conversation, args)

    async def page(self, conversation: str, user: str, *, after: str = "", limit: int = 100) -> MembersPage:
        """Up to `limit` members behind the one named `after`, by user id in the order of its bytes. A page
        costs what it holds. Raises NotMember, Refused, BadRequest, BusUnavailable.
        """
        check(conversation, user)
        if not 1 <= limit <= PAGE:
            raise BadRequest(f"limit is {limit}; it must be 1 to {PAGE}")
        at = self._floor.keys.conversation(conversation)
        args: list[Arg] = [user, conversation, allowed(Operation.MEMBERS), after, limit]
        keys = [at.members, at.read, at.names]
        _, replid, more, flat = await self._floor.scripts.run("members", keys, args)
        members = tuple(_member(*flat[index : index + 3]) for index in range(0, len(flat), 3))
        return MembersPage(members, bool(more), replid.decode())

    async def invitations(self, user: str) -> Invitations:
        """What a user is invited to, the newest first. Raises BadRequest, Refused (a service),
        BusUnavailable.
        """
        check_user(user, "conversation.invitations")
        if not is_user(user):
            raise BadRequest(f"{user!r} is not a user id")
        at = self._floor.keys.user(user)
        replid, found, _ = await self._floor.scripts.run("listed", [at.invitations, at.marks])
        ids = [each.decode() for each in found]
        answers: list[Reply] = []
        for first in range(0, len(ids), AT_ONCE):
            calls = [self._invitation_call(each, user) for each in ids[first : first + AT_ONCE]]
            answers += await self._floor.scripts.batch(calls)
        asked = [
            _invitation(cid, answer) for cid, answer in zip(ids, answers, strict=True) if len(answer) > 1
        ]
        asked.sort(key=lambda each: (each.time, each.conversation), reverse=True)
        same = all(answer[0] == replid for answer in answers)
        return Invitations(tuple(asked), replid.decode() if same else "")

    async def _change(self, name: str, conversation: str, args: Sequence[Arg]) -> Appended:
        at = self._floor.keys.conversation(conversation)
        names = [*at.appending, at.members, at.shared.outbox, at.left, at.invited]
        told = [*self._floor.settings.journal_args(), conversation, *args]
        reply = await self._floor.scripts.acknowledged(name, *self._floor.audited(names, told, at.shared))
        return replies.appended(reply)

    def _invitation_call(self, conversation: str, user: str) -> Call:
        at = self._floor.keys.conversation(conversation)
        return Call(script("invitation"), [at.head, at.invited], [user])


def _member(user: bytes, role: bytes, read: bytes) -> Member:
    return Member(UserId(user.decode()), role.decode(), int(read or 0))


def _invitation(conversation: str, reply: Reply) -> Invitation:
    _, role, by, time, title = reply
    return Invitation(
        ConversationId(conversation), title.decode(), role.decode(), UserId(by.decode()), int(time)
    )


def _check_role(role: str) -> None:
    if role not in GIVEN:
        raise BadRequest(f"{role!r} is not a role; roles are {', '.join(GIVEN)}")
