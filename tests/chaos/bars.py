"""How long people may wait at most: the design's bars, in seconds, for a share of some faults' injections.

Pure. The pauses include a busy machine's own; a bar counts as missed only by twice its length.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.chaos.records import Fault, FaultOver
from tests.chaos.report import percentile


@dataclass(frozen=True, slots=True)
class Bar:
    """what: in words. faults: globs of those it holds for. share: of the injections. limit_s: their pause."""

    what: str
    faults: tuple[str, ...]
    share: float
    limit_s: float


BARS = (
    Bar("a dead worker's answer goes on", ("worker.kill", "step.[4567].*"), 0.95, 10.0),
    Bar("an unplanned failover", ("redis.master.*",), 0.95, 10.0),
    Bar("a planned failover", ("redis.failover.planned",), 0.95, 3.0),
)
"""By the design: a worker streams again within 10 s (p95), a planned failover pauses about 3 s; an unplanned
one takes the Sentinels down-after (2 s) and an election, and devices and workers come back behind it. A dead
worker's pause is the silence of the turn it had, which ends when another attempt is told of."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A bar and what was measured against it."""

    bar: Bar
    pause_s: float
    injections: int

    @property
    def missed(self) -> bool:
        """Whether it was missed by so much that no busy machine explains it."""
        return self.pause_s > 2 * self.bar.limit_s

    def __str__(self) -> str:
        share, bar = f"p{100 * self.bar.share:.0f}", self.bar
        return f"{bar.what}: {share} {self.pause_s:.1f} s of {self.injections} (bar {bar.limit_s:.0f} s)"


def measure(faults: Iterable[Fault | FaultOver]) -> list[Measured]:
    """Hold the pauses to every bar that some fault belongs to."""
    faults = list(faults)
    names = {fault.n: fault.fault for fault in faults if isinstance(fault, Fault)}
    overs = [over for over in faults if isinstance(over, FaultOver)]
    found = []
    for bar in BARS:
        pauses = [
            over.pause_ms / 1000
            for over in overs
            if over.pause_ms is not None and any(fnmatchcase(names[over.n], glob) for glob in bar.faults)
        ]
        if (pause_s := percentile(pauses, bar.share)) is not None:
            found.append(Measured(bar, pause_s, len(pauses)))
    return found
