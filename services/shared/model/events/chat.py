"""What is said, and the turns that answer it."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from services.shared.model.events.base import Event, Keep, Outcome


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
