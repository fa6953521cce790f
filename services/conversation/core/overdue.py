"""Whether an execution goes on for too long, or has fallen silent: nothing was heard of its graph.

Pure. Its signs come by `trail`, the worker asks. A tool may work for as long as it likes without a word, so
there is no silence while one does.
"""

from dataclasses import dataclass
from math import inf

from services.conversation.core.retry import Fault, FaultKind


@dataclass(slots=True)
class Overdue:
    """One execution's time. whole_s: it may last so long, idle_s: be silent so long; 0: for ever."""

    whole_s: float
    idle_s: float
    began: float = 0.0
    heard: float = 0.0
    tools: int = 0

    def begin(self, now: float) -> None:
        """The graph starts."""
        self.began = self.heard = now

    def due(self, now: float) -> float:
        """When to ask next, at the earliest; infinity: never."""
        silent = inf
        if self.idle_s:
            silent = (now if self.tools else self.heard) + self.idle_s
        return min(silent, self.began + self.whole_s if self.whole_s else inf)

    def fault(self, now: float) -> Fault | None:
        """Why it is to end; None: it is not."""
        if self.whole_s and now >= self.began + self.whole_s:
            return Fault(FaultKind.TIMEOUT, f"it lasted more than {self.whole_s:g} s")
        if self.idle_s and not self.tools and now >= self.heard + self.idle_s:
            return Fault(FaultKind.TIMEOUT, f"nothing came of it for {self.idle_s:g} s")
        return None
