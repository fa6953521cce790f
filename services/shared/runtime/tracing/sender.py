"""The thread that sends. Who hands spans over never waits: the queue is bounded, and what finds no room in
it, is not taken by the collector, or is left at the end is let go of and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Literal, Protocol, TypeVar

from services.shared.runtime.logging import get_logger
from services.shared.runtime.own_threads import joined

BATCH = 128
"""Spans sent at once. Few, for while a batch is encoded the event loop waits for the interpreter."""
BATCH_ROOM = 2048
"""And no more than the room of so many, some 2 MB, unless one alone takes it: collectors refuse 4 MB."""
PAUSE_S = 0.5
"""How long spans are gathered for a batch, and how often `tick` is called."""
END_WITHIN_S = 2.0
"""What the end of a process waits for the collector to take what is left."""

Why = Literal["full", "failed", "ended"]
WHYS: tuple[Why, ...] = ("full", "failed", "ended")
Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)

log = get_logger(__name__)


class Exporter(Protocol[Item_contra]):
    """Where spans go. May be slow and may raise: it is called from the sending thread only."""

    def export(self, spans: Sequence[Item_contra]) -> str:
        """Hand them over; why they were not taken, empty if they were."""
        ...

    def shutdown(self) -> None:
        """Break off what is under way, from another thread; does not wait for it."""
        ...


class Sender(Generic[Item]):
    """A bounded queue, and the thread that empties it into an exporter."""

    def __init__(
        self,
        exporter: Exporter[Item],
        dropped: Callable[[Why, int], None],
        *,
        most: int,
        tick: Callable[[], None] = lambda: None,
        room: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        """`room`: for how many of the `most` a span counts."""
        self._exporter = exporter
        self._dropped = dropped
        self._most = most
        self._tick = tick
        self._room = room
        self._queue: deque[Item] = deque()
        self._taken = 0
        """The room of what is in the queue."""
        self._awake = threading.Condition()
        self._ending = False
        self._sending = 0
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)

    def start(self) -> None:
        """Start the thread. It never keeps the process from ending."""
        self._thread.start()

    def __len__(self) -> int:
        """Spans on their way."""
        return len(self._queue) + self._sending

    def put(self, spans: Sequence[Item]) -> None:
        """Have spans sent: all of them, or none if there is no room."""
        room = sum(map(self._room, spans))
        with self._awake:
            why: Why | None = "ended" if self._ending else None
            if self._taken + room > self._most:
                why = why or "full"
            if why is None:
                self._queue.extend(spans)
                self._taken += room
                if len(self._queue) >= BATCH:
                    self._awake.notify()
        if why:
            self._dropped(why, len(spans))

    async def close(self, within_s: float = END_WITHIN_S) -> None:
        """Send what is queued, for so long at the most, and end."""
        with self._awake:
            self._ending = True
            self._awake.notify()
        await joined(self._thread, within_s)
        with self._awake:
            left, self._sending = len(self), 0
            self._queue.clear()
            self._taken = 0
        self._exporter.shutdown()
        if left:
            self._dropped("ended", left)
            log.warning("traces left unsent", spans=left)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._send(batch)
            self._tick()

    def _next(self) -> list[Item] | None:
        """What is sent next: nothing, when it is only time to look around; None at the end."""
        with self._awake:
            if not self._ending and len(self._queue) < BATCH:
                self._awake.wait(PAUSE_S)
            if self._ending and not self._queue:
                return None
            batch = self._batch()
            self._sending = len(batch)
            return batch

    def _batch(self) -> list[Item]:
        batch, taken = list[Item](), 0
        while self._queue and len(batch) < BATCH:
            room = self._room(self._queue[0])
            if batch and taken + room > BATCH_ROOM:
                break
            batch.append(self._queue.popleft())
            taken += room
        self._taken -= taken
        return batch

    def _send(self, spans: list[Item]) -> None:
        try:
            trouble = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - a fault of an exporter is one more way not to take them
            trouble = type(error).__name__
        with self._awake:
            unsaid, self._sending = self._sending, 0
        if not unsaid:
            return  # the end came meanwhile, and counted them
        if trouble:
            self._dropped("failed", unsaid)
        if trouble and not self._trouble:
            log.warning("traces not taken", why=trouble)
        if self._trouble and not trouble:
            log.info("traces taken again")
        self._trouble = trouble
