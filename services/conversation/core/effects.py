"""What an execution of a turn has to do: the effects that core/turn hands out. Carried out by worker.py; pure
values.
"""

from dataclasses import dataclass

from services.shared.model.events import Outcome


@dataclass(frozen=True, slots=True)
class ReadThread:
    """Look into the thread and answer with ThreadRead or GraphFailed."""


@dataclass(frozen=True, slots=True)
class SettleThread:
    """Close the step that the thread is amid of: keep what it has of it, drop what is still to be done; then
    read it and answer with ThreadRead or GraphFailed.
    """


@dataclass(frozen=True, slots=True)
class RunGraph:
    """Start the graph: with the turn's messages, or (`resume`) from where the thread stands. `anew`: with
    the messages once more, behind what the thread holds by now. `answering`: with the turn's answer.
    """

    resume: bool
    anew: bool = False
    answering: bool = False


@dataclass(frozen=True, slots=True)
class StopGraph:
    """Cancel the graph's task, or the reading; answer with GraphStopped."""


@dataclass(frozen=True, slots=True)
class PauseGraph:
    """Have the graph stop behind the step under way; answer with GraphPaused, or with its end."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Say what is durably in the thread, then end the turn; this is the turn's one end. kind: of a failed
    one, a word for why. unheard: the thread never got the turn's messages.
    """

    outcome: Outcome
    reason: str = ""
    kind: str = ""
    unheard: bool = False


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Take back what this attempt left unfinished, pause, and begin the turn anew under the same lease."""

    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Write nothing more: the turn is, or shall be, another worker's. whole: say first what the thread
    holds; nothing is half done.
    """

    whole: bool = False


Effect = ReadThread | SettleThread | RunGraph | StopGraph | PauseGraph | Finish | TryAgain | Leave
