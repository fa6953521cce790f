"""Who is there, what people do with messages, and what becomes of the conversation itself."""

from dataclasses import dataclass, field
from typing import ClassVar

from services.shared.model.events.base import Event


@dataclass(frozen=True, slots=True)
class MemberJoined(Event):
    """A user became a member; on `#user` it tells that user's devices of the conversation."""

    type: ClassVar[str] = "member.joined"
    conversation: str
    user: str
    by: str
    role: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class MemberInvited(Event):
    """A user is asked to become a member; on `#user` it tells that user's devices, with the title."""

    type: ClassVar[str] = "member.invited"
    conversation: str
    user: str
    by: str
    role: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class MemberDeclined(Event):
    """An invitation ended without a member: the user declined it, or `by` took it back; also on `#user`."""

    type: ClassVar[str] = "member.declined"
    conversation: str
    user: str
    by: str


@dataclass(frozen=True, slots=True)
class MemberChanged(Event):
    """A member has another role; on `#user` it tells that user's devices."""

    type: ClassVar[str] = "member.changed"
    conversation: str
    user: str
    by: str
    role: str


@dataclass(frozen=True, slots=True)
class MemberLeft(Event):
    """A user is no longer a member."""

    type: ClassVar[str] = "member.left"
    conversation: str
    user: str
    by: str


@dataclass(frozen=True, slots=True)
class MessageMentioned(Event):
    """`user` named this one in a message; only on `#user`."""

    type: ClassVar[str] = "message.mentioned"
    conversation: str
    message: str
    user: str
    seq: int


@dataclass(frozen=True, slots=True)
class MessageEdited(Event):
    """`user`, who said it, says it in other words: `text` replaces what it said. `edits`: how often by
    now.
    """

    type: ClassVar[str] = "message.edited"
    conversation: str
    message: str
    user: str
    text: str
    edits: int


@dataclass(frozen=True, slots=True)
class MessageDeleted(Event):
    """A message says nothing any more; its place stays, without a text and without reactions."""

    type: ClassVar[str] = "message.deleted"
    conversation: str
    message: str
    by: str


@dataclass(frozen=True, slots=True)
class MessageReacted(Event):
    """`user` put a reaction to a message, or (`on` false) took it back."""

    type: ClassVar[str] = "message.reacted"
    conversation: str
    message: str
    user: str
    reaction: str
    on: bool


@dataclass(frozen=True, slots=True)
class ReceiptRead(Event):
    """A user has read up to message number `seq`; `unread` more are kept. Also on that user's `#user`. Who
    says something has read all before it, without a receipt.
    """

    type: ClassVar[str] = "receipt.read"
    conversation: str
    user: str
    seq: int
    unread: int


@dataclass(frozen=True, slots=True)
class Typing(Event):
    """A user is typing, or not any more. It has no offset and is kept nowhere; without another one it is over
    after `expires_ms`.
    """

    type: ClassVar[str] = "typing"
    conversation: str
    user: str
    typing: bool
    expires_ms: int


@dataclass(frozen=True, slots=True)
class PresenceChanged(Event):
    """Somebody came or went where many are present: how many users and connections are there now. It has no
    offset and is kept nowhere; it stands for the joins and leaves that are not told one by one there.
    """

    type: ClassVar[str] = "presence.changed"
    conversation: str
    users: int
    connections: int


@dataclass(frozen=True, slots=True)
class ConversationUpdated(Event):
    """The conversation itself changed. `title` is its title now; of the rest there is what changed. Another
    title is told on `#user`, too, to members' devices where there are at most 100.
    """

    type: ClassVar[str] = "conversation.updated"
    conversation: str
    title: str
    by: str | None = None
    agents: list[str] | None = None
    answers: dict[str, str] | None = None
    double_texting: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationRewound(Event):
    """`by` took the conversation back to `message`: the messages `gone` are no more, all with a number
    (`seq`) from `since` on, nor is what else was told of `turns`. What is unfinished of these is retracted as
    they end. `text`: what `message` says now, where that was changed.
    """

    type: ClassVar[str] = "conversation.rewound"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    message: str
    by: str
    since: int
    gone: list[str]
    turns: list[str]
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationMarked(Event):
    """Only on `#user`: what this user made of a conversation for itself, on whatever device. `muted`: until
    when, in milliseconds since 1970; 0 not at all, null for good.
    """

    type: ClassVar[str] = "conversation.marked"
    conversation: str
    muted: int | None
    archived: bool


@dataclass(frozen=True, slots=True)
class ConversationDeleted(Event):
    """The conversation is over: this is its last event, and every subscription ends behind it. `by` is absent
    where it was deleted because nobody wrote in it for long.
    """

    type: ClassVar[str] = "conversation.deleted"
    conversation: str
    by: str | None = None
