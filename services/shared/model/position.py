"""Where a reader stands in a journal, and whether a journal can take it on from there.

Epochs are leader epochs: each belongs to one Redis master's time in office, and the journal's head keeps
where each began (`forks`). A position from before a fork stays good; one that only the lost master knew does
not (see docs/architecture.md).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """A reader has seen everything up to and including `offset`, as `epoch`'s master wrote it."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Fork:
    """From offset `first` on, entries were written in `epoch`."""

    epoch: str
    first: int


@dataclass(frozen=True, slots=True)
class Head:
    """The top of a journal: what it holds and which epochs wrote it.

    top: offset of the newest entry, 0 when nothing was ever written.
    low: the highest offset that retention dropped, deltas aside; a reader below it has missed something.
    forks: ascending, never empty; the last one is the current epoch.
    low_delta: the highest offset of a delta that retention dropped. Who reads the unfinished messages whole
    has missed nothing; who follows their deltas from below it has, as long as one is unfinished.
    """

    top: int
    low: int
    forks: tuple[Fork, ...]
    low_delta: int = 0

    @property
    def position(self) -> Position:
        """Where a reader stands who has seen it all."""
        return Position(self.forks[-1].epoch, self.top)


NOWHERE = Head(0, 0, (Fork("-", 1),))
"""The head of a journal that does not exist: nobody's position is of its epoch."""


def last_offset(head: Head, epoch: str) -> int | None:
    """Return the last offset that `epoch` is known to have written (0 if none), or None for an epoch not of
    this journal.
    """
    ends = [*(fork.first - 1 for fork in head.forks[1:]), head.top]
    known = [end for fork, end in zip(head.forks, ends, strict=True) if fork.epoch == epoch]
    return known[-1] if known else None


def serves(head: Head, position: Position) -> bool:
    """Tell whether a reader at `position` can be taken on without missing or re-reading anything."""
    last = last_offset(head, position.epoch)
    return last is not None and head.low <= position.offset <= last


def forks_from_text(text: str) -> tuple[Fork, ...]:
    """Read the head's `forks` field: `epoch=first,epoch=first,...`."""
    pairs = (part.rsplit("=", 1) for part in text.split(",") if part)
    return tuple(Fork(epoch, int(first)) for epoch, first in pairs)
