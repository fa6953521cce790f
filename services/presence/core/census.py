"""The census: what each node says it holds, how old that is, and what all hold together.

Called by `beats` once a look, for the pages, Redis, metrics and /health. A node that is gone, or silent for
too long, stays for a minute as what was known last, marked stale, and counts in no sum: it must never be
taken for a node with nothing.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.presence.core.roster import CONDEMNED
from services.shared.model.ids import NodeId
from services.shared.model.presence import Beat, Look

STALE_MS = 10_000
"""Numbers older than that may be wrong."""
FORGET_MS = 60_000
"""A node of which nothing was heard for so long is told of no more."""


@dataclass(frozen=True, slots=True)
class Count:
    """What one node said last, `age_ms` ago. gone: it is struck off, or being cleared away."""

    numbers: Mapping[str, int]
    age_ms: int
    gone: bool = False

    @property
    def stale(self) -> bool:
        """Whether it counts no more."""
        return self.gone or self.age_ms > STALE_MS


@dataclass(frozen=True, slots=True)
class Census:
    """All counts, by node."""

    counts: Mapping[NodeId, Count]

    @property
    def nodes(self) -> int:
        """How many count."""
        return sum(not count.stale for count in self.counts.values())

    @property
    def totals(self) -> Mapping[str, int]:
        """The sums of those that count, by the name the nodes gave each number."""
        totals: Counter[str] = Counter()
        for count in self.counts.values():
            if not count.stale:
                totals.update(count.numbers)
        return dict(totals)

    def later(self, elapsed_ms: int) -> "Census":
        """The same some time later, when nothing new was heard."""
        return Census({node: _older(count, elapsed_ms) for node, count in self.counts.items()})


NOBODY = Census({})


def take(before: Census, seen: Look, elapsed_ms: int) -> Census:
    """The census after another look, `elapsed_ms` after the one before."""
    counts = {
        node: _counted(before.counts.get(node), beat, seen, elapsed_ms) for node, beat in seen.beats.items()
    }
    for node, count in before.counts.items():
        if node not in counts:
            counts[node] = replace(_older(count, elapsed_ms), gone=True)
    return Census({node: count for node, count in counts.items() if count.age_ms <= FORGET_MS})


def _counted(before: Count | None, beat: Beat, seen: Look, elapsed_ms: int) -> Count:
    known = _older(before, elapsed_ms) if before else Count({}, 0)
    if beat.mark == CONDEMNED:
        return replace(known, gone=True)
    return Count(beat.census or known.numbers, max(0, seen.now_ms - beat.mark))


def _older(count: Count, elapsed_ms: int) -> Count:
    return replace(count, age_ms=count.age_ms + max(0, elapsed_ms))
