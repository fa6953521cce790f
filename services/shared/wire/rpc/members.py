"""RPCs about who is in a conversation."""

import msgspec

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


METHODS: dict[str, Method] = {
    "conversation.members.add": Method(
        AddMember,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Let a user in. A repeat is harmless.",
    ),
    "conversation.members.remove": Method(
        RemoveMember,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Put a user out (owners), or leave (oneself); the user's subscriptions end.",
    ),
}
