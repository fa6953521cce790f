"""Where spans wait: for their local root to end, and then, if their trace is not sampled, to be kept.

A local root is a span whose parent is not open here. It and what was begun below it are a tree; a tree leaves
as a whole, so a process that dies leaves no span without its parent. What is not sampled waits by trace for
`keep`, and expires. Both together are bounded by a number of spans of the usual size: the oldest of what
waits for `keep` goes first, then the oldest of what waits for its root, early if it is sampled. Knows nothing
of OpenTelemetry. Called from any thread; never calls back but into `ship` and `count`, which must not call in
here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from services.shared.runtime.clock import Clock

Item = TypeVar("Item")
Fate = Literal["sampled", "late", "early", "expired", "overflow"]
FATES: tuple[Fate, ...] = ("sampled", "late", "early", "expired", "overflow")
LOST = frozenset({"expired", "overflow"})


class _Tree(Generic[Item]):
    """Spans of one local root."""

    __slots__ = ("left", "root", "sampled", "spans", "trace")

    def __init__(self, trace: int, root: int, *, sampled: bool) -> None:
        self.trace = trace
        self.root = root
        self.sampled = sampled
        self.spans: list[Item] = []
        self.left = False


class Hold(Generic[Item]):
    """The open trees and what waits to be kept. `ship(spans, late)` takes what leaves."""

    def __init__(
        self,
        ship: Callable[[list[Item], bool], None],
        count: Callable[[Fate, int], None],
        clock: Clock,
        *,
        most: int,
        age_s: float,
        room: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        """`room`: for how many of the `most` a span counts; always the same number for the same span."""
        self._ship = ship
        self._count = count
        self._clock = clock
        self._most = most
        self._age_s = age_s
        self._room = room
        self._lock = threading.RLock()
        """Taken anew by who holds it: a generator that is cleared away in here may end its spans."""
        self._open: dict[int, _Tree[Item]] = {}
        """By the ids of open spans."""
        self._holding: OrderedDict[_Tree[Item], None] = OrderedDict()
        """Trees with ended spans and an open root."""
        self._waiting: OrderedDict[int, tuple[float, list[Item]]] = OrderedDict()
        """Unsampled spans by trace, until when; oldest first."""
        self._kept: OrderedDict[int, float] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        """The room that is taken by what is held."""
        return self._held

    def is_open(self, span: int) -> bool:
        """Whether the span has begun here and not ended."""
        return span in self._open

    def begin(self, span: int, parent: int, trace: int, *, sampled: bool) -> None:
        """A span has begun; `parent` 0: none. Needs no lock: a tree that leaves meanwhile lets it follow."""
        tree = self._open.get(parent)
        if tree is None or tree.left or tree.trace != trace:
            tree = _Tree(trace, span, sampled=sampled)
        self._open[span] = tree
        if len(self._open) > self._most:
            with self._lock:
                self._open.pop(next(iter(self._open)), None)

    def end(self, span: int, item: Item | None) -> None:
        """A span has ended; without an `item` nothing is told of it."""
        with self._lock:
            tree = self._open.pop(span, None)
            if tree is None:
                self._count("overflow", 1)
                return
            if item is not None:
                tree.spans.append(item)
                self._held += self._room(item)
            if tree.left or span == tree.root:
                self._leave(tree)
            elif tree.spans:
                self._holding[tree] = None
            while self._held > self._most:
                self._make_room()

    def keep(self, trace: int) -> None:
        """Ship what waits of a trace, and for a while what comes of it later."""
        until = self._clock.monotonic() + self._age_s
        with self._lock:
            self._kept[trace] = until
            self._kept.move_to_end(trace)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
            if waited := self._waiting.pop(trace, None):
                self._go("late", waited[1], late=True)

    def expire(self) -> None:
        """Let go of what has waited long enough. Called once in a while."""
        now = self._clock.monotonic()
        with self._lock:
            while self._waiting and next(iter(self._waiting.values()))[0] <= now:
                self._go("expired", self._waiting.popitem(last=False)[1][1])
            while self._kept and next(iter(self._kept.values())) <= now:
                self._kept.popitem(last=False)

    def _leave(self, tree: _Tree[Item]) -> None:
        tree.left = True
        self._holding.pop(tree, None)
        spans, tree.spans = tree.spans, []
        if not spans:
            return
        if tree.sampled:
            self._go("sampled", spans)
        elif tree.trace in self._kept:
            self._go("late", spans, late=True)
        elif tree.trace in self._waiting:
            self._waiting[tree.trace][1].extend(spans)
        else:
            self._waiting[tree.trace] = (self._clock.monotonic() + self._age_s, spans)

    def _make_room(self) -> None:
        if self._waiting:
            self._go("overflow", self._waiting.popitem(last=False)[1][1])
            return
        tree, _ = self._holding.popitem(last=False)
        spans, tree.spans = tree.spans, []
        kept = tree.trace in self._kept
        self._go("early" if tree.sampled or kept else "overflow", spans, late=not tree.sampled)

    def _go(self, fate: Fate, spans: list[Item], *, late: bool = False) -> None:
        self._held -= sum(map(self._room, spans))
        self._count(fate, len(spans))
        if fate not in LOST:
            self._ship(spans, late)
