"""What follows when a graph fails: the same turn again after a pause, or its end with a reason a person
can read.

Called by core/turn. Never looks at exceptions: the graph's room says which kind of fault it was
(graph/faults.py).
"""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """Why a graph stopped, as far as trying again is concerned."""

    BUSY = "busy"
    """The model's provider asked for patience (429, overloaded)."""
    UNREACHABLE = "unreachable"
    """The model did not answer: no connection, a timeout, a 5xx."""
    STORE = "store"
    """The thread could not be read or written just now."""
    REFUSED = "refused"
    """The provider rejects the request itself (4xx): a key, a name or an input is wrong."""
    INCOMPLETE = "incomplete"
    """The model's answer ended amid what a tool was to be given; asked again it would write as much."""
    UNSAID = "unsaid"
    """What the agent said could not be written into the conversation."""
    BROKEN = "broken"
    """The agent's own code raised."""
    TIMEOUT = "timeout"
    """It took longer than it may, or fell silent."""
    ABSENT = "absent"
    """No graph here answers under the agent's name."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure of one attempt; `detail` is short, and never holds message text."""

    kind: FaultKind
    detail: str


@dataclass(frozen=True, slots=True)
class Again:
    """Run the turn again after `delay_s` seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the turn as failed; people read the reason. kind: one word for it, in metrics and dead letters: a
    FaultKind, or one of those below.
    """

    reason: str
    kind: str


POISONED = "poisoned"
"""Each worker that took the turn died in the middle of it."""
UNASKED = "unasked"
"""It brings an answer to what its agent's thread does not wait for."""
UNREADABLE = "unreadable"
"""The turn's record, or a message it answers, can't be read."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a worker goes on with one turn.

    attempts: executions of a turn, over all workers, before it is given up. first_s, longest_s: pauses
    before the second and before later tries, doubling from one to the other.
    """

    attempts: int = 5
    first_s: float = 0.5
    longest_s: float = 15.0


_TRIES = {
    FaultKind.BUSY: 4,
    FaultKind.UNREACHABLE: 4,
    FaultKind.STORE: 5,
    FaultKind.UNSAID: 3,
    FaultKind.REFUSED: 1,
    FaultKind.INCOMPLETE: 1,
    FaultKind.BROKEN: 1,
    FaultKind.TIMEOUT: 1,
    FaultKind.ABSENT: 1,
}
_PHRASES = {
    FaultKind.BUSY: "the language model is overloaded",
    FaultKind.UNREACHABLE: "the language model could not be reached",
    FaultKind.STORE: "the conversation's memory could not be read or written",
    FaultKind.UNSAID: "the answer could not be written into the conversation",
    FaultKind.REFUSED: "the language model refused the request",
    FaultKind.INCOMPLETE: "the language model's answer is not whole",
    FaultKind.BROKEN: "the agent failed",
    FaultKind.TIMEOUT: "the agent took too long",
    FaultKind.ABSENT: "there is no such agent",
}


def after_fault(fault: Fault, attempts: int, patience: Patience, noise: float) -> Again | GiveUp:
    """Decide about attempt number `attempts` (from 1) that failed; `noise` in [0, 1) spreads the pauses."""
    if attempts < min(_TRIES[fault.kind], patience.attempts):
        pause = min(patience.longest_s, patience.first_s * 2 ** (attempts - 1))
        return Again(pause * (0.5 + noise / 2))
    return GiveUp(_sentence(fault, attempts), fault.kind)


def exhausted(attempts: int, patience: Patience) -> GiveUp | None:
    """Tell whether an attempt of this number may no longer run: its predecessors all died without a word."""
    if attempts <= patience.attempts:
        return None
    return GiveUp(
        f"gave up after {attempts - 1} attempts: each worker that took this turn stopped in the middle of it",
        POISONED,
    )


def unasked() -> GiveUp:
    """What is said of an answer that nothing waits for: the thread was lost, or is another by now."""
    return GiveUp("what was answered is not asked any more", UNASKED)


def unreadable() -> GiveUp:
    """What is said of a turn whose record makes no sense: trying again would find the same."""
    return GiveUp("the turn or a message it answers could not be read", UNREADABLE)


def _sentence(fault: Fault, attempts: int) -> str:
    tried = f", tried {attempts} times" if attempts > 1 else ""
    return f"{_PHRASES[fault.kind]} ({fault.detail}{tried})"
