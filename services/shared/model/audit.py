"""The audit log: who did what, and who was denied. Entries as they are written and read. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What was done. Readers take an action they do not know for one of a later release."""

    CONNECTED = "connected"
    JOINED = "joined"
    """One of the user's connections follows the conversation."""
    LEFT = "left"
    """It follows it no more."""
    CREATED = "created"
    SENT = "sent"
    ANSWERED = "answered"
    """What an agent asked; the target is the interrupt."""
    CANCELLED = "cancelled"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    REWOUND = "rewound"
    """A conversation was taken back to a message, the target; what came of it is gone."""
    CONFIGURED = "configured"
    """Who answers, and how, was changed."""
    MEMBER_ADDED = "member.added"
    MEMBER_INVITED = "member.invited"
    MEMBER_DECLINED = "member.declined"
    """By the user, or by whoever took the invitation back."""
    MEMBER_CHANGED = "member.changed"
    """A member has another role."""
    RENAMED = "renamed"
    MEMBER_REMOVED = "member.removed"
    """By an owner; or the user left: actor and target are the same then."""
    DELETED = "deleted"
    """By an owner; without an actor by the house, as nobody had used it for long."""
    REVOKED = "revoked"
    """A token is taken no more, or those a user was issued before a time; the target says which."""
    DISCONNECTED = "disconnected"
    """All connections of a user, the target, were ended."""
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry; what does not apply is empty. Ids, names of methods and codes only: nothing anybody said.

    time_ms: since 1970, by Redis' clock. target: whom or what it was done to: a user, a message, a turn; of a
    denial what was asked for. trace: its id. code: what a denial was answered with, 0 of a deed. times: how
    often the same was denied, counted since the entry before.
    """

    action: str
    actor: str = ""
    conversation: str = ""
    target: str = ""
    connection: str = ""
    trace: str = ""
    code: int = 0
    times: int = 1
    time_ms: int = 0
