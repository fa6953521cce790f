"""What happens to an execution of a turn: the events that core/turn takes in. Made by worker.py; pure."""

from dataclasses import dataclass

from services.conversation.core.retry import Fault


@dataclass(frozen=True, slots=True)
class Begun:
    """The turn is ours; `attempts` counts this execution and those before it, but for what was handed over;
    `cancelling` tells that somebody already asked to stop it, `back` that nothing of it is to stay.
    """

    attempts: int
    cancelling: bool
    back: bool = False


@dataclass(frozen=True, slots=True)
class ThreadRead:
    """The thread was read. entered: this turn's messages are in it. unfinished: the graph has steps left
    to do. passed: they are in it from a turn that failed, and the thread has gone on without an answer.
    waiting: it stands still until a person answers. due: the turn brings an answer to that; void: it brings
    one to what is not asked. heard: they are in its state, and not only to come there. gone: all of them were
    deleted since.
    """

    entered: bool
    unfinished: bool
    passed: bool = False
    waiting: bool = False
    due: bool = False
    void: bool = False
    heard: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class GraphEnded:
    """The graph came to its end, or stopped to wait for a person (`interrupted`)."""

    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class GraphFailed:
    """The thread could not be read, or the graph raised; `noise` in [0, 1) spreads the pause before
    another try.
    """

    fault: Fault
    noise: float


@dataclass(frozen=True, slots=True)
class GraphStopped:
    """The graph's task has ended because we stopped it."""


@dataclass(frozen=True, slots=True)
class GraphPaused:
    """The graph stopped between two steps because it was asked to; the thread holds all it did."""


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """A member wants this turn to stop."""


@dataclass(frozen=True, slots=True)
class DrainAsked:
    """This worker has to go soon: another one shall take the turn up behind the step under way."""


@dataclass(frozen=True, slots=True)
class HandOverAsked:
    """This worker has to go now; another one shall take the turn up where the thread stands."""


@dataclass(frozen=True, slots=True)
class LeaseGone:
    """Another worker owns the conversation."""


Happening = (
    Begun
    | ThreadRead
    | GraphEnded
    | GraphFailed
    | GraphStopped
    | GraphPaused
    | CancelAsked
    | DrainAsked
    | HandOverAsked
    | LeaseGone
)
