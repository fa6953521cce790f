"""Time as a port: the shells take a `Clock`, tests hand in a `FakeClock`, cores take plain numbers.

Only this module reads the system's clocks.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What a part may ask about time: wall time for people and records, `monotonic` for durations."""

    def now_ms(self) -> int:
        """Wall time in milliseconds since 1970; may jump."""
        ...

    def now_ns(self) -> int:
        """Wall time in nanoseconds since 1970, for spans; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()


class FakeClock:
    """A clock that stands still until a test moves it; both readings move together."""

    def __init__(self, now_ms: int = 1_700_000_000_000, monotonic: float = 1_000.0) -> None:
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._moved_ms = 0.0

    def now_ms(self) -> int:
        return self._now_ms + int(self._moved_ms)

    def now_ns(self) -> int:
        return self._now_ms * 1_000_000 + int(self._moved_ms * 1_000_000)

    def monotonic(self) -> float:
        return self._monotonic + self._moved_ms / 1000

    def advance(self, seconds: float) -> None:
        """Move on. Raises ValueError for a step back: use `jump_wall` to test a wall clock that was set."""
        if seconds < 0:
            raise ValueError(f"time moves forward; got {seconds} s")
        self._moved_ms += seconds * 1000

    def jump_wall(self, milliseconds: int) -> None:
        """Set the wall clock forward or back, as NTP would; `monotonic` does not notice."""
        self._now_ms += milliseconds
