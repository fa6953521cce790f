"""RPCs about who is in a conversation."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.model.members import Invitation, Member
from services.shared.wire import codes
from services.shared.wire.rpc.fields import Id, Role, User
from services.shared.wire.rpc.method import MEMBERS_ONLY, Changed, Method


class AddMember(msgspec.Struct):
    """Arguments of `conversation.members.add`."""

    conversation: Id
    user: User
    role: Role = "member"


class RemoveMember(msgspec.Struct):
    """Arguments of `conversation.members.remove`."""

    conversation: Id
    user: User


class Invite(msgspec.Struct):
    """Arguments of `conversation.members.invite`."""

    conversation: Id
    user: User
    role: Role = "member"


class Accept(msgspec.Struct):
    """Arguments of `conversation.members.accept`."""

    conversation: Id


class Decline(msgspec.Struct):
    """Arguments of `conversation.members.decline`."""

    conversation: Id


class Leave(msgspec.Struct):
    """Arguments of `conversation.leave`."""

    conversation: Id


class InvitationsOf(msgspec.Struct):
    """Arguments of `conversation.invitations`."""


class Invited(msgspec.Struct):
    """Result of `conversation.invitations`."""

    invitations: list[Invitation]


class ChangeRole(msgspec.Struct):
    """Arguments of `conversation.members.role`."""

    conversation: Id
    user: User
    role: Role


class MembersOf(msgspec.Struct):
    """Arguments of `conversation.members.list`."""

    conversation: Id
    after: User | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class MembersPage(msgspec.Struct):
    """Result of `conversation.members.list`."""

    members: list[Member]
    more: bool


METHODS: dict[str, Method] = {
    "conversation.members.invite": Method(
        Invite,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Ask a user to become a member: `member.invited`, also on that user's `#user`. Until the user"
        " accepts, it sees nothing of the conversation but its title. A repeat is harmless and keeps the"
        " role; so is asking a member. 1,000 may be asked at once.",
    ),
    "conversation.members.accept": Method(
        Accept,
        Changed,
        (*MEMBERS_ONLY, codes.TOO_MANY_REQUESTS),
        "Become a member as one was asked to: `member.joined`, `by` who asked. A repeat is harmless. 103: one"
        " is not asked, or not any more.",
    ),
    "conversation.members.decline": Method(
        Decline,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Do not: `member.declined`. A repeat is harmless. 403: one is a member already.",
    ),
    "conversation.invitations": Method(
        InvitationsOf, Invited, (), "What the caller is asked into and has not answered, the newest first."
    ),
    "conversation.members.add": Method(
        AddMember,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Let a user in, invited or not. A repeat is harmless, and keeps the role.",
    ),
    "conversation.members.remove": Method(
        RemoveMember,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Put a user out (owners), or leave (oneself); the user's subscriptions end. Of one who is only"
        " invited the invitation ends (`member.declined`, `by` the owner).",
    ),
    "conversation.members.role": Method(
        ChangeRole,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Give a member another role (owners): `member.changed`, also on that user's `#user`. It holds at"
        " once. A repeat is harmless. The last owner stays one.",
    ),
    "conversation.members.list": Method(
        MembersOf,
        MembersPage,
        (*MEMBERS_ONLY, codes.REFUSED),
        "Members, by user id, in pages: the next one is asked for with the last one's id as `after`.",
    ),
    "conversation.leave": Method(
        Leave,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Leave: `member.left`; one's subscriptions end. A repeat is harmless.",
    ),
}
