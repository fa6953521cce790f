"""What can happen in a conversation: one frozen class per journal event.

The field names are the JSON names devices see. `type` is fixed per class; `time` (milliseconds) is added by
the script that appends the event, from the Redis master's clock, so all events of a conversation share one
clock.

`trace` is the W3C traceparent of the span that accepted the message, absent where nobody traces. It is the
first field and so stands directly behind `type`: a connection pod finds it without parsing the event.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Outcome = Literal["completed", "failed", "cancelled", "interrupted"]
"""How a turn can end."""
ToolOutcome = Literal["completed", "failed", "cancelled"]
"""How a call of a tool can end."""
Keep = Literal["failed", "slow", "fault"]
"""Why a turn's trace is kept whatever was sampled."""


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events; `type` names the kind on the wire."""

    type: ClassVar[str]


@dataclass(frozen=True, slots=True)
class MessageCreated(Event):
    """A person said something, complete. `seq` is its number in the conversation; events of earlier releases
    have none. `reply_to`: the message it replies to; `mentions`: the members it names by `@`.
    """

    type: ClassVar[str] = "message.created"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    message: str
    user: str
    text: str
    reply_to: str | None = None
    mentions: list[str] | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class MessageStarted(Event):
    """An agent began to speak; deltas follow until it is completed or retracted."""

    type: ClassVar[str] = "message.started"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    message: str
    agent: str
    turn: str
    attempt: str


@dataclass(frozen=True, slots=True)
class MessageDelta(Event):
    """More text of an unfinished message. `at` is where it goes, in UTF-16 code units from the start of the
    message.
    """

    type: ClassVar[str] = "message.delta"
    message: str
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class MessageCompleted(Event):
    """An agent's message is finished; `text` is the whole of it and replaces what was streamed. `seq` as of
    what people say.
    """

    type: ClassVar[str] = "message.completed"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    message: str
    agent: str
    turn: str
    attempt: str
    text: str
    usage: dict[str, Any] | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class MessageRetracted(Event):
    """What `attempt` had said in this message is void; devices remove it."""

    type: ClassVar[str] = "message.retracted"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    message: str
    turn: str
    attempt: str
    reason: str


@dataclass(frozen=True, slots=True)
class TurnStarted(Event):
    """A worker began an attempt at a turn."""

    type: ClassVar[str] = "turn.started"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    turn: str
    attempt: str
    agent: str
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TurnFinished(Event):
    """A turn has its one and only end. `usage`: what its models counted, in all calls of all attempts; absent
    where none counted.
    """

    type: ClassVar[str] = "turn.finished"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    turn: str
    attempt: str
    outcome: Outcome
    reason: str | None = None
    usage: dict[str, int] | None = None
    keep: Keep | None = None


@dataclass(frozen=True, slots=True)
class ToolStarted(Event):
    """A tool is about to be called: a model writes the arguments, or it runs already. `call` is this call's
    own id; `path` names the nodes it is within, where that is a subgraph.
    """

    type: ClassVar[str] = "tool.started"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    agent: str
    turn: str
    attempt: str
    call: str
    name: str
    path: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class ToolDelta(Event):
    """More of the JSON text of a call's arguments, placed as a message's."""

    type: ClassVar[str] = "tool.delta"
    call: str
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolFinished(Event):
    """A call is over. `arguments` (JSON text) replaces what was streamed; it and `result` are 16 KiB at the
    most, `cut` tells that one was longer. `cancelled`: it was stopped, never run, or its worker died.
    """

    type: ClassVar[str] = "tool.finished"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    agent: str
    turn: str
    attempt: str
    call: str
    name: str
    arguments: str
    outcome: ToolOutcome
    result: str | None = None
    cut: bool | None = None
    path: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class ReasoningStarted(Event):
    """A model thinks before it speaks or calls. `message` is an id of the thought's own, which ends as a
    message's does: completed or retracted; it is in no history.
    """

    type: ClassVar[str] = "reasoning.started"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    message: str
    agent: str
    turn: str
    attempt: str
    path: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class ReasoningDelta(Event):
    """More of it, placed as a message's."""

    type: ClassVar[str] = "reasoning.delta"
    message: str
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningCompleted(Event):
    """The thought is over; `text` is the whole of it, up to 64 KiB (`cut` where it was longer)."""

    type: ClassVar[str] = "reasoning.completed"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    message: str
    agent: str
    turn: str
    attempt: str
    text: str
    cut: bool | None = None
    path: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class SubagentStarted(Event):
    """A graph within the agent's graph is at work; `path` names the nodes it is, from the top. `subagent` is
    an id of this run's own.
    """

    type: ClassVar[str] = "subagent.started"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    agent: str
    turn: str
    attempt: str
    subagent: str
    path: Sequence[str]


@dataclass(frozen=True, slots=True)
class SubagentDelta(Event):
    """More of what models within it say, placed as a message's; up to 64 KiB of one run. What comes into the
    conversation of it comes as a message, too, whole.
    """

    type: ClassVar[str] = "subagent.delta"
    subagent: str
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class SubagentFinished(Event):
    """It has ended. `cancelled`: it was stopped, waits for a person, or its worker died. `cut`: it said more
    than was streamed.
    """

    type: ClassVar[str] = "subagent.finished"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    agent: str
    turn: str
    attempt: str
    subagent: str
    outcome: ToolOutcome
    path: Sequence[str]
    cut: bool | None = None


@dataclass(frozen=True, slots=True)
class AgentCustom(Event):
    """What the graph's nodes wrote with `get_stream_writer`, in order; those of one moment in one event. A
    value over 16 KiB is null, and `cut` tells so. `path`: the nodes they are within, in a subgraph.
    """

    type: ClassVar[str] = "agent.custom"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    agent: str
    turn: str
    attempt: str
    values: Sequence[Any]
    cut: bool | None = None
    path: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class InputRequested(Event):
    """An agent waits for a person's answer to `value`; its turn finishes `interrupted`. Answer it with
    `conversation.answer`. `schema`: JSON Schema of the answer, where the graph gave one.
    """

    type: ClassVar[str] = "input.requested"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    turn: str
    agent: str
    interrupt: str
    value: Any
    schema: Any = None


@dataclass(frozen=True, slots=True)
class InputAnswered(Event):
    """What an agent asked in `turn` waits for nobody any more: `user` answered it (a turn of the answer's own
    id goes on with it), or it was withdrawn, by what `user` did where that is known.
    """

    type: ClassVar[str] = "input.answered"
    trace: str | None = field(default=None, kw_only=True)
    conversation: str
    turn: str
    agent: str
    interrupt: str
    outcome: Literal["answered", "withdrawn"]
    user: str | None = None
    answer: Any = None


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
    """A member has another role."""

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
    """The conversation itself changed. `title` is its title now; of the rest there is what changed."""

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
