"""What nodes write for whoever watches, until it is told: in order, those of one interval together, bounded.

Pure; a part of speech. Policy beyond the bounds: a value too long becomes null, and what comes while
`MOST_WAITING` characters wait is dropped; the next event says of both that something was cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.shared.model.doing import MOST_TOLD, MOST_WRITTEN

MOST_WAITING = 1 << 20
"""Characters of JSON that may wait to be told, while Redis is away or a node writes too fast."""

Batch = tuple[tuple[str, ...], tuple[str, ...], bool]
"""Path, values, and whether something was cut."""


@dataclass(slots=True)
class Written:
    """What waits. ready_s: when more may be told."""

    ready_s: float = 0.0
    _waiting: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    _size: int = 0
    _cut: bool = False

    def add(self, path: tuple[str, ...], value: str) -> None:
        """Take one in, as JSON."""
        if len(value.encode("utf-8", "replace")) > MOST_TOLD:
            value, self._cut = "null", True
        if self._size + len(value) > MOST_WAITING:
            self._cut = True
            return
        self._waiting.append((path, value))
        self._size += len(value)

    def due(self) -> Iterator[float]:
        """When more is to be told, if something waits."""
        if self._waiting:
            yield self.ready_s

    def take(self, now_s: float, interval_s: float) -> Iterator[Batch]:
        """What is due now: at most one event, of values of one path that follow each other."""
        if not self._waiting or now_s < self.ready_s:
            return
        path, size = self._waiting[0][0], 0
        values: list[str] = []
        for of, value in self._waiting:
            if of != path or (values and size + len(value) > MOST_WRITTEN):
                break
            values.append(value)
            size += len(value)
        del self._waiting[: len(values)]
        self._size -= size
        self.ready_s = 0.0 if self._waiting else now_s + interval_s
        cut, self._cut = self._cut, False
        yield path, tuple(values), cut
