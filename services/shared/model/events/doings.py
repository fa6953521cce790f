"""What agents do and think beside speaking, and what they ask of people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from services.shared.model.events.base import Event, ToolOutcome


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
