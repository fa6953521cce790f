"""Who may do what in a conversation: the one table. docs/permissions.md is made from it.

Called by the bus, which hands a script the roles that may, so that it judges in the same step as the deed;
and by the connection pods for what they read. Nothing else knows who may. Pure.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.shared.model.errors import NotMember, Refused
from services.shared.model.ids import is_service


class Role(StrEnum):
    """What somebody is in a conversation."""

    OWNER = "owner"
    MEMBER = "member"
    READER = "reader"
    AGENT = "agent"
    SERVICE = "service"


GIVEN = (Role.OWNER, Role.MEMBER, Role.READER)
"""Roles a person can have; agents have theirs by the conversation's settings, services by their name."""


class Operation(StrEnum):
    """What can be done in a conversation, by the name that refusals tell."""

    SUBSCRIBE = "subscribe"
    PRESENCE = "presence"
    LIST = "conversation.list"
    HISTORY = "conversation.history"
    CHECKPOINTS = "conversation.checkpoints"
    READ = "conversation.read"
    SEND = "conversation.send"
    TYPING = "conversation.typing"
    REACT = "message.react"
    EDIT = "message.edit"
    ERASE = "message.delete"
    ERASE_OTHERS = "message.delete (others)"
    VERSIONS = "message.versions"
    VERSIONS_OTHERS = "message.versions (others)"
    ANSWER = "conversation.answer"
    CANCEL = "conversation.cancel"
    REWIND = "conversation.rewind"
    REWIND_OTHERS = "conversation.rewind (others)"
    ADD = "conversation.members.add"
    ADD_OWNER = "conversation.members.add (owner)"
    REMOVE = "conversation.members.remove"
    LEAVE = "conversation.leave"
    INVITE = "conversation.members.invite"
    INVITE_OWNER = "conversation.members.invite (owner)"
    ROLE = "conversation.members.role"
    MEMBERS = "conversation.members.list"
    RENAME = "conversation.rename"
    MUTE = "conversation.mute"
    ARCHIVE = "conversation.archive"
    CONFIGURE = "conversation.configure"
    DELETE = "conversation.delete"


@dataclass(frozen=True, slots=True)
class Permission:
    """One row: who may, and what it is in words."""

    operation: Operation
    roles: tuple[Role, ...]
    meaning: str


_OWNERS = (Role.OWNER, Role.SERVICE)
_MEMBERS = (Role.OWNER, Role.MEMBER, Role.SERVICE)
_READERS = (Role.OWNER, Role.MEMBER, Role.READER, Role.SERVICE)
# What one does for oneself needs a user.
_MEMBERS_THEMSELVES = (Role.OWNER, Role.MEMBER)
_READERS_THEMSELVES = (Role.OWNER, Role.MEMBER, Role.READER)

TABLE: tuple[Permission, ...] = (
    Permission(Operation.SUBSCRIBE, _READERS_THEMSELVES, "Follow it: all its events, and be seen there"),
    Permission(Operation.PRESENCE, _READERS, "See who is there (`presence`, `presence_stats`)"),
    Permission(Operation.LIST, _READERS_THEMSELVES, "Have it in one's list"),
    Permission(Operation.MEMBERS, _READERS, "See who is in it, as what"),
    Permission(Operation.HISTORY, _READERS, "Read what was said (also the command `history`)"),
    Permission(Operation.CHECKPOINTS, _READERS, "See how far one can go back"),
    Permission(Operation.READ, _READERS_THEMSELVES, "Say how far one has read"),
    Permission(Operation.SEND, _MEMBERS, "Say something (also the command `publish`)"),
    Permission(Operation.TYPING, _MEMBERS_THEMSELVES, "Be seen to type"),
    Permission(Operation.REACT, _MEMBERS_THEMSELVES, "Put reactions to messages"),
    Permission(Operation.EDIT, _MEMBERS, "Say in other words what one said"),
    Permission(Operation.ERASE, _MEMBERS, "Delete what one said"),
    Permission(Operation.ERASE_OTHERS, _OWNERS, "Delete what anybody said, agents, too"),
    Permission(Operation.VERSIONS, _MEMBERS, "See what one said before one changed it"),
    Permission(Operation.VERSIONS_OTHERS, _OWNERS, "See what anybody said before it was changed"),
    Permission(Operation.ANSWER, _MEMBERS, "Answer what an agent asks"),
    Permission(Operation.CANCEL, _MEMBERS, "Stop what agents do"),
    Permission(Operation.REWIND, _MEMBERS, "Go back to what one said, unless another person spoke since"),
    Permission(Operation.REWIND_OTHERS, _OWNERS, "Go back to what anybody said, whoever spoke since"),
    Permission(Operation.ADD, _MEMBERS, "Let a member or a reader in"),
    Permission(Operation.ADD_OWNER, _OWNERS, "Let an owner in"),
    Permission(Operation.INVITE, _MEMBERS, "Ask somebody to become a member or a reader"),
    Permission(Operation.INVITE_OWNER, _OWNERS, "Ask somebody to become an owner"),
    Permission(Operation.ROLE, _OWNERS, "Give a member another role"),
    Permission(Operation.REMOVE, _OWNERS, "Put somebody out, or take an invitation back"),
    Permission(Operation.LEAVE, _READERS_THEMSELVES, "Leave (also `conversation.members.remove` of oneself)"),
    Permission(Operation.RENAME, _MEMBERS, "Give it another title"),
    Permission(Operation.MUTE, _READERS_THEMSELVES, "Mute it for oneself"),
    Permission(Operation.ARCHIVE, _READERS_THEMSELVES, "Put it away for oneself"),
    Permission(Operation.CONFIGURE, _OWNERS, "Say who answers, and how"),
    Permission(Operation.DELETE, _OWNERS, "End it, for all and for good"),
)
"""Every operation, in the order of the page."""

_ROLES = {row.operation: row.roles for row in TABLE}


def may(role: str, operation: Operation) -> bool:
    """Whether one who has this role may; a role of a later release may nothing."""
    return role in _ROLES[operation]


def allowed(operation: Operation) -> str:
    """The row as scripts take it (lua/may.lua): ",<role>,<role>, <operation>"."""
    return f",{','.join(_ROLES[operation])}, {operation}"


def check(role: str | None, operation: Operation, user: str, where: str) -> None:
    """Let one of this role pass. Raises NotMember (None: a stranger, or no such conversation), Refused; as
    lua/may.lua words it.
    """
    if role is None:
        raise NotMember(f"there is no {where}" if is_service(user) else f"{user} is not a member of {where}")
    if not may(role, operation):
        raise Refused(f"the role {role} may not do {operation}")


def check_user(actor: str, deed: str) -> None:
    """Let a user do what only users do, in no conversation. Raises Refused for a service."""
    if is_service(actor):
        raise Refused(f"the role {Role.SERVICE} may not do {deed}")
