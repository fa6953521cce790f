"""Members and invitations as they are told of. Pure."""

from dataclasses import dataclass

from services.shared.model.ids import ConversationId, UserId


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a conversation. `read`: the `seq` of the last message this user has read, 0 for none."""

    user: UserId
    role: str
    read: int = 0


@dataclass(frozen=True, slots=True)
class MembersPage:
    """Some members, by user id. more: there are others behind them. replid: the Redis replication id it was
    read under.
    """

    members: tuple[Member, ...]
    more: bool
    replid: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """A user is asked into a conversation, `by` whom, as what. time: when, in milliseconds since 1970."""

    conversation: ConversationId
    title: str
    role: str
    by: UserId
    time: int


@dataclass(frozen=True, slots=True)
class Invitations:
    """A user's invitations, the newest first. replid: the Redis replication id all of it was read under;
    empty when that changed meanwhile.
    """

    invitations: tuple[Invitation, ...]
    replid: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What a user made of a conversation for itself. muted: until when, in milliseconds since 1970; 0 not at
    all, None for good.
    """

    muted: int | None = 0
    archived: bool = False
