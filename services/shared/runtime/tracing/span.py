"""What a shell holds while something is traced. As it stands here it does nothing: tracing is off.

The one that records is `recorded.Recorded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

Fact = str | int | float | bool | Sequence[str] | None
"""An attribute's value; None: not said."""


class Span:
    """One span, begun. As a block it is the parent of what is begun within, and ends with the block: as
    failed where an exception leaves it, by the exception's kind.
    """

    __slots__ = ()

    @property
    def traceparent(self) -> str:
        """Its W3C context, to be carried elsewhere; empty while tracing is off."""
        return ""

    @property
    def trace(self) -> str:
        """Its trace's id, 32 hexadecimal digits; empty while tracing is off."""
        return ""

    @property
    def exemplar(self) -> dict[str, str] | None:
        """What a histogram's exemplar carries: the trace's id where it is sampled, else None."""
        return None

    def set(self, **facts: Fact) -> None:
        """Say more of it; keys are those of `names.ATTRIBUTES`. After its end nothing is taken any more."""

    def fail(self, reason: str) -> None:
        """Mark it as failed by a code or a kind, never by a text of others. The first reason counts."""

    def link(self, traceparent: str) -> None:
        """Link it to another span; what is no traceparent is passed over."""

    def end(self, ended_ns: int = 0) -> None:
        """End it, now or at a time in nanoseconds since 1970. A second end does nothing."""

    def drop(self) -> None:
        """End it unsaid: another process tells it in its place."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        return None


NOTHING = Span()
"""The span of who does not trace."""
