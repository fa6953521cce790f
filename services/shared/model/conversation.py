"""Conversations as readers see them: kept messages, unfinished ones, pages of history, summaries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.shared.model.asking import Question
from services.shared.model.ids import AgentName, AttemptId, ConversationId, MessageId, TurnId, UserId
from services.shared.model.position import Head, Position


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A complete message. Exactly one of `user` and `agent` is set; `seq` is its place in the conversation,
    from 1. `reply_to`: the message it replies to; `mentions`: the members it names by `@`. `edits`:
    how often its text was changed; `deleted`: it has no text any more. `reactions`: reaction -> who put it.
    """

    id: MessageId
    user: UserId | None
    agent: AgentName | None
    text: str
    seq: int
    created_ms: int
    turn: TurnId | None = None
    reply_to: MessageId | None = None
    mentions: tuple[UserId, ...] = ()
    edits: int = 0
    deleted: bool = False
    reactions: Mapping[str, tuple[UserId, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """What a message said before it was changed. `until`: when that was, in milliseconds since 1970."""

    text: str
    until: int


@dataclass(frozen=True, slots=True)
class Versions:
    """What a message said before, the oldest first. replid: the Redis replication id it was read under."""

    versions: tuple[Version, ...]
    replid: str


@dataclass(frozen=True, slots=True)
class Edited:
    """A message has another text. position: of its event, of a repeat where the journal stands. `edits`: how
    often it was changed.
    """

    position: Position
    edits: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """An unfinished message with its whole text so far; `at` is that text's length in UTF-16 code units."""

    message: MessageId
    agent: AgentName
    turn: TurnId
    attempt: AttemptId
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Underway:
    """What is streamed and not over, beside messages; `text` is the whole of it so far, `at` its length in
    UTF-16 code units: of a call of a tool (kind `tool`: `call`, `name`) its arguments' JSON, of reasoning
    (kind `reasoning`: `message`) what was thought; of an agent within the agent (kind `subagent`: `subagent`)
    what was said in there.
    """

    kind: str
    agent: AgentName
    turn: TurnId
    attempt: AttemptId
    text: str
    at: int
    call: str = ""
    name: str = ""
    message: str = ""
    subagent: str = ""
    path: tuple[str, ...] = ()


WhenAnswers = Literal["always", "mention", "never"]
"""When an agent answers: whatever is said, only where it is mentioned, not at all."""
DoubleTexting = Literal["enqueue", "reject", "interrupt", "rollback"]
"""What becomes of a message to an agent that is at work, and of that work."""
ENQUEUE: DoubleTexting = "enqueue"


@dataclass(frozen=True, slots=True)
class Settings:
    """Who answers in a conversation, and how. answers: agent -> when; an agent that is not in it answers
    always. Words of a later release may be among them.
    """

    agents: tuple[AgentName, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    double_texting: str = ENQUEUE


@dataclass(frozen=True, slots=True)
class ReadUpTo:
    """How far a user has read: up to message number `seq`, and `unread` messages are kept above it."""

    seq: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """A user's reading is noted. position: of its event, of a repeat where the journal stands."""

    position: Position
    read: ReadUpTo
    repeated: bool


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Messages (newest last), read in one atomic step with the journal's head and what was unfinished then.

    more: whether older messages exist before the first of this page. replid: the Redis replication id it was
    read under. asked: all that agents waited for, as it was asked.
    """

    messages: tuple[KeptMessage, ...]
    head: Head
    open: tuple[OpenMessage, ...]
    more: bool
    replid: str
    asked: tuple[Question, ...] = ()
    settings: Settings = field(default_factory=Settings)
    underway: tuple[Underway, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation in a user's list. `role` is that user's; `agents` are all in it, `members` the first 100
    by user id, of `member_count` (0: told by a server of an earlier release). `muted`: until when, in
    milliseconds since 1970, 0 not at all, null for good; it and `archived` are the user's own. `read`: the
    number of the last message the user has read, `unread`: how many are kept above it.
    """

    id: ConversationId
    title: str
    agents: tuple[AgentName, ...]
    role: str
    members: tuple[UserId, ...]
    created_ms: int
    answers: Mapping[str, str] = field(default_factory=dict)
    double_texting: str = ENQUEUE
    muted: int | None = 0
    archived: bool = False
    read: int = 0
    unread: int = 0
    member_count: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """A user's conversations, newest first. replid: the Redis replication id all of it was read under; empty
    when that changed meanwhile.
    """

    conversations: tuple[Summary, ...]
    replid: str


@dataclass(frozen=True, slots=True)
class Appended:
    """An event stands in the journal at `position`."""

    position: Position


@dataclass(frozen=True, slots=True)
class Created:
    """A conversation exists. `repeated` tells that it did before this call."""

    conversation: ConversationId
    position: Position
    repeated: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message is kept and will not be lost. `position` is the first acceptance's, also on a repeat.

    superseded: turns that waited and ended, to make way; stopping: those that ran and were asked to stop; 0
    on a repeat.
    """

    message: MessageId
    position: Position
    turns: tuple[TurnId, ...]
    repeated: bool
    superseded: int = 0
    stopping: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry: kind `e` (event) or `d` (delta), and the JSON body devices get."""

    offset: int
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """One atomic read of a journal: authoritative for everything after `since` up to `head.top`.

    replid: the Redis replication id it was read under; role: the asking user's role, None if not a member.
    exists: False when there is no such conversation. whole: False when more was wanted than one reply may
    hold, and `entries` end before `head.top`. sessions: if asked for, traceparents of the user's sessions
    that left the conversation lately, the last one first. asked: all that agents wait for, as it was asked.
    settings: a conversation's. open: unfinished messages, underway: what else is streamed. read: how far the
    asking member has read.
    """

    exists: bool
    head: Head
    replid: str
    role: str | None
    since: int
    entries: tuple[Entry, ...]
    open: tuple[OpenMessage, ...]
    whole: bool = True
    sessions: tuple[str, ...] = ()
    asked: tuple[Question, ...] = ()
    settings: Settings = field(default_factory=Settings)
    underway: tuple[Underway, ...] = ()
    read: ReadUpTo = ReadUpTo()
