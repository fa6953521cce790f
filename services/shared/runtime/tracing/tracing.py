"""What shells are handed to trace with. As it stands here it is off, and every call costs next to nothing;
`Tracing.open` gives one that records where the settings say so. Neither ever raises into a shell.

OpenTelemetry is imported only where tracing is on: it takes 20 to 40 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from services.shared.runtime.clock import Clock, SystemClock
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing.names import SpanRow
from services.shared.runtime.tracing.settings import TracingSettings
from services.shared.runtime.tracing.span import NOTHING, Fact, Span

log = get_logger(__name__)


class Tracing:
    """A process's tracing, switched off."""

    on = False
    """Whether spans are recorded: for what costs something to find out before it can be said."""

    @staticmethod
    async def open(
        settings: TracingSettings, *, service: str, node: str, metrics: Metrics, clock: Clock | None = None
    ) -> Tracing:
        """Tracing as the settings want it. Where it cannot be set up it is off: no process dies of that."""
        if settings.into == "off":
            return Tracing.off()
        from services.shared.runtime.tracing.recorder import Recorder  # noqa: PLC0415

        try:
            return Recorder.start(settings, service, node, metrics, clock or SystemClock())
        except Exception:  # whatever is wrong with an exporter or its variables: messages come first
            log.exception("tracing could not be opened and is off")
            return Tracing.off()

    @staticmethod
    def off() -> Tracing:
        """Tracing that is switched off."""
        return Tracing()

    async def close(self) -> None:
        """Send what has ended, for a few seconds at the most."""
        await self._shut()  # by way of the object: composition roots hand on this function, `Tracing.close`

    async def _shut(self) -> None:
        """Nothing is open."""

    @property
    def current(self) -> str:
        """The traceparent of the span that this code runs in; empty: none."""
        return ""

    def span(self, row: SpanRow, parent: str = "", links: Sequence[str] = (), **facts: Fact) -> Span:
        """A span for a `with` block. `parent` is a traceparent; without one it is a child of the current
        span, and where there is none, or it has ended, the root of a new trace. `links` are traceparents;
        empty ones are passed over.
        """
        return NOTHING

    def begin(
        self,
        row: SpanRow,
        parent: str = "",
        links: Sequence[str] = (),
        *,
        started_ns: int = 0,
        **facts: Fact,
    ) -> Span:
        """A span that lasts until its `end`, whoever calls that; never current. Times are nanoseconds since
        1970: with both given, something is told that is over.
        """
        return NOTHING

    @contextmanager
    def inside(self, span: Span) -> Iterator[Span]:
        """Make a begun span current for a block, which does not end it."""
        yield span

    def keep(self, traceparent: str, why: str) -> None:
        """Keep the trace though it was not sampled: send what is held of it, and what still comes."""

    def of_client(self, traceparent: str) -> tuple[str, tuple[str, ...]]:
        """(parent, links) of the root that a client's own traceparent stands before, as the settings say."""
        return "", ()
