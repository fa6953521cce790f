"""One execution of a turn as a state machine: what happened goes in, what to do comes out.

Driven by worker.py alone. It decides when the thread is read, whether the graph starts or goes on, and the
one end of the execution; it never waits, writes or measures. Every end is an effect of the last
transition, so there is exactly one.

    READING --ThreadRead--> RUNNING --GraphEnded/GraphFailed--> OVER
  GIVING UP --ThreadRead--> OVER (failed, or completed after all)
       any  --CancelAsked--> STOPPING --graph stopped--> CANCELLING --thread read--> OVER (cancelled)
CANCELLING  --the thread is amid a step of this turn--> SETTLING --it is at rest--> OVER (cancelled)
   RUNNING --DrainAsked--> PAUSING --the step under way is done and kept--> OVER (left to another worker)
       any  --HandOverAsked--> YIELDING --graph stopped--> OVER (left to another worker)
       any  --LeaseGone--> OVER (nothing is written any more)

However a turn ends, the thread is read before: a dead attempt may have stored an answer and not told it. But
not once more where whoever read it last died of that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.conversation.core.effects import (
    Effect,
    Finish,
    Leave,
    PauseGraph,
    ReadThread,
    RunGraph,
    SettleThread,
    StopGraph,
    TryAgain,
)
from services.conversation.core.happenings import (
    Begun,
    CancelAsked,
    DrainAsked,
    GraphEnded,
    GraphFailed,
    GraphPaused,
    GraphStopped,
    HandOverAsked,
    Happening,
    LeaseGone,
    ThreadRead,
)
from services.conversation.core.retry import (
    Again,
    Fault,
    GiveUp,
    Patience,
    after_fault,
    exhausted,
    unasked,
)

DELETED = "deleted"
"""Why a turn ended whose messages are no more, as lua/message_delete.lua says it of one that waits."""


class State(StrEnum):
    """Where an execution stands."""

    NEW = "new"
    READING = "reading"
    RUNNING = "running"
    GIVING_UP = "giving up"
    STOPPING = "stopping"
    CANCELLING = "cancelling"
    SETTLING = "settling"
    PAUSING = "pausing"
    YIELDING = "yielding"
    OVER = "over"


@dataclass(slots=True)
class Execution:
    """One execution of a turn. `handle` is its door; `unsaid` amends an end that could not be told whole."""

    patience: Patience
    state: State = State.NEW
    attempts: int = 0
    over: GiveUp | None = None

    def handle(self, happening: Happening) -> list[Effect]:
        """Take one happening in and return the effects to carry out; none for what comes too late."""
        if self.state is State.OVER:
            return []
        transition = _TABLE.get((self.state, type(happening))) or _ANYWHERE.get(type(happening))
        if transition is None:
            raise ValueError(f"{type(happening).__name__} cannot happen while {self.state}")
        self.state, effects = transition(self, happening)
        return effects

    def unsaid(self, end: Finish | TryAgain, fault: Fault, noise: float) -> Finish | TryAgain:
        """Return the end that follows when the last words failed: what was to be said is no success."""
        if isinstance(end, TryAgain) or end.outcome in {"failed", "cancelled"}:
            return end
        [amended] = _fail(self, GraphFailed(fault, noise))[1]
        assert isinstance(amended, Finish | TryAgain)
        return amended


Step = tuple[State, list[Effect]]


def _begin(execution: Execution, happening: Begun) -> Step:
    execution.attempts = happening.attempts
    deadly = happening.attempts > execution.patience.attempts + 1  # who read the thread last died of that
    if happening.back:
        return State.OVER, [Finish("cancelled")]  # whatever the thread holds of it is dropped before
    if happening.cancelling:
        return (State.OVER, [Finish("cancelled")]) if deadly else (State.CANCELLING, [ReadThread()])
    if over := exhausted(happening.attempts, execution.patience):
        if deadly:
            return State.OVER, [_given_up(over)]
        execution.over = over
        return State.GIVING_UP, [ReadThread()]
    return State.READING, [ReadThread()]


def _give_up(execution: Execution, happening: Happening) -> Step:
    """No attempt any more; but the last one may have come to the graph's end."""
    assert execution.over is not None, "set where this state begins"
    if isinstance(happening, ThreadRead) and happening.entered:
        if not happening.unfinished:
            return State.OVER, [Finish("completed")]
        if happening.waiting and not happening.due:
            return State.OVER, [Finish("interrupted")]
    return State.OVER, [_given_up(execution.over)]


def _given_up(over: GiveUp) -> Finish:
    return Finish("failed", over.reason, over.kind)


def _run(_: Execution, happening: ThreadRead) -> Step:
    if happening.void:
        return State.OVER, [_given_up(unasked())]
    if happening.due:
        return State.RUNNING, [RunGraph(resume=True, answering=True)]
    if happening.entered and happening.waiting:
        return State.OVER, [Finish("interrupted")]
    if happening.entered and not happening.unfinished:
        return State.OVER, [Finish("completed")]
    if happening.gone and not happening.entered:
        return State.OVER, [Finish("cancelled", DELETED)]
    return State.RUNNING, [RunGraph(resume=happening.entered, anew=happening.passed)]


def _end(_: Execution, happening: GraphEnded) -> Step:
    return State.OVER, [Finish("interrupted" if happening.interrupted else "completed")]


def _cancelled(execution: Execution, happening: ThreadRead) -> Step:
    """What a step left half done would be dropped by the next turn, also what nodes had already written."""
    if happening.entered and happening.unfinished:
        return State.SETTLING, [SettleThread()]
    return _settled(execution, happening)


def _settled(_: Execution, happening: ThreadRead) -> Step:
    return State.OVER, [Finish("cancelled", unheard=not happening.heard)]


def _fail(execution: Execution, happening: GraphFailed) -> Step:
    verdict = after_fault(happening.fault, execution.attempts, execution.patience, happening.noise)
    if isinstance(verdict, Again):
        return State.OVER, [TryAgain(verdict.delay_s, f"{happening.fault.kind}: {happening.fault.detail}")]
    return State.OVER, [Finish("failed", verdict.reason, verdict.kind)]


def _to(state: State, *effects: Effect) -> Callable[[Execution, Any], Step]:
    return lambda _execution, _happening: (state, list(effects))


_TABLE: dict[tuple[State, type], Callable[[Execution, Any], Step]] = {
    (State.NEW, Begun): _begin,
    (State.NEW, CancelAsked): _to(State.NEW),  # begin will tell it again
    (State.NEW, DrainAsked): _to(State.OVER, Leave()),
    (State.NEW, HandOverAsked): _to(State.OVER, Leave()),
    (State.NEW, LeaseGone): _to(State.OVER, Leave()),
    (State.READING, ThreadRead): _run,
    (State.READING, GraphFailed): _fail,
    # what a dead attempt left in the thread is still told
    (State.READING, CancelAsked): _to(State.CANCELLING),
    (State.GIVING_UP, ThreadRead): _give_up,
    (State.GIVING_UP, GraphFailed): _give_up,
    (State.GIVING_UP, CancelAsked): _to(State.GIVING_UP),
    (State.GIVING_UP, DrainAsked): _to(State.GIVING_UP),  # it ends when its thread is read
    (State.RUNNING, GraphEnded): _end,
    (State.RUNNING, GraphFailed): _fail,
    (State.RUNNING, DrainAsked): _to(State.PAUSING, PauseGraph()),
    (State.PAUSING, GraphPaused): _to(State.OVER, Leave(whole=True)),
    (State.PAUSING, GraphEnded): _end,
    (State.PAUSING, GraphFailed): _fail,
    (State.PAUSING, DrainAsked): _to(State.PAUSING),
    # However it stops, it may have stored its answer, or not even its question: the thread tells.
    (State.STOPPING, GraphStopped): _to(State.CANCELLING, ReadThread()),
    (State.STOPPING, GraphEnded): _to(State.STOPPING),
    (State.STOPPING, GraphFailed): _to(State.STOPPING),
    (State.STOPPING, GraphPaused): _to(State.STOPPING),
    (State.STOPPING, ThreadRead): _to(State.STOPPING),
    (State.STOPPING, CancelAsked): _to(State.STOPPING),
    (State.STOPPING, DrainAsked): _to(State.STOPPING),
    (State.STOPPING, HandOverAsked): _to(State.STOPPING),
    (State.CANCELLING, ThreadRead): _cancelled,
    (State.CANCELLING, GraphStopped): _to(State.CANCELLING),
    (State.CANCELLING, GraphEnded): _to(State.CANCELLING),  # it did not listen, and was left behind
    (State.CANCELLING, GraphPaused): _to(State.CANCELLING),
    (State.CANCELLING, GraphFailed): _to(State.OVER, Finish("cancelled")),
    (State.CANCELLING, CancelAsked): _to(State.CANCELLING),
    (State.CANCELLING, DrainAsked): _to(State.CANCELLING),
    (State.CANCELLING, HandOverAsked): _to(State.CANCELLING),  # it ends when its thread is read
    (State.SETTLING, ThreadRead): _settled,
    (State.SETTLING, GraphFailed): _to(State.OVER, Finish("cancelled")),
    (State.SETTLING, CancelAsked): _to(State.SETTLING),
    (State.SETTLING, DrainAsked): _to(State.SETTLING),
    (State.SETTLING, HandOverAsked): _to(State.SETTLING),
    (State.YIELDING, GraphStopped): _to(State.OVER, Leave()),
    (State.YIELDING, GraphEnded): _end,  # it came to its end in time
    (State.YIELDING, GraphFailed): _to(State.OVER, Leave()),
    (State.YIELDING, GraphPaused): _to(State.OVER, Leave(whole=True)),  # it came there in time
    (State.YIELDING, ThreadRead): _to(State.OVER, Leave()),
    (State.YIELDING, CancelAsked): _to(State.STOPPING),
    (State.YIELDING, DrainAsked): _to(State.YIELDING),
    (State.YIELDING, HandOverAsked): _to(State.YIELDING),
}

_ANYWHERE: dict[type, Callable[[Execution, Any], Step]] = {
    CancelAsked: _to(State.STOPPING, StopGraph()),
    DrainAsked: _to(State.YIELDING, StopGraph()),  # nothing was begun that a step could end
    HandOverAsked: _to(State.YIELDING, StopGraph()),
    LeaseGone: _to(State.OVER, StopGraph(), Leave()),
}
