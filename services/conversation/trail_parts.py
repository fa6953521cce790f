"""What a trail is made of: a node, a call of a model or a tool, a write into the thread, each as one span and
its share of the metrics.

Made by `trail`, told by the graph's room as its `Doing`, from the loop and from threads.
"""

from collections.abc import Callable
from dataclasses import dataclass

from services.conversation.core.overdue import Overdue
from services.conversation.graph.watch import Fact
from services.shared.model.errors import LeaseLost
from services.shared.runtime.clock import Clock
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Span, Tracing, spans
from services.shared.runtime.tracing.names import SpanRow

DEFAULT_SLOW_S = 30.0


@dataclass(frozen=True, slots=True)
class Instruments:
    """What trails are told by. slow_s: a turn that takes longer is kept. failovers: how many there were."""

    tracing: Tracing
    metrics: Metrics
    clock: Clock
    slow_s: float = DEFAULT_SLOW_S
    failovers: Callable[[], int] = lambda: 0


class Part:
    """A span of the attempt as the graph's room fills it: what has no place in its row is left out."""

    def __init__(self, row: SpanRow, span: Span, heard: Callable[[], None]) -> None:
        """`heard`: hears of each sign of life."""
        self.row = row
        self.span = span
        self.heard = heard
        self._over = False
        heard()

    def set(self, **facts: Fact) -> None:
        self.span.set(**{fact: value for fact, value in facts.items() if fact in self.row.attributes})

    def failed(self, error: str, kind: str) -> None:  # noqa: ARG002 - for those that count
        self.span.fail(error)

    def over(self) -> None:
        if not self._over:
            self._over = True
            self.heard()
            self.ended()
            self.span.end()

    def ended(self) -> None:
        """Count it."""


class ToolCall(Part):
    """A call of a tool."""

    def __init__(self, span: Span, with_: Instruments, name: str, overdue: Overdue) -> None:
        super().__init__(spans.TOOL, span, lambda: None)
        self._overdue = overdue
        overdue.tools += 1
        self._with = with_
        self._named = with_.metrics.named(name)
        self._began = with_.clock.monotonic()

    def failed(self, error: str, kind: str) -> None:
        super().failed(error, kind)
        self._with.metrics.tool_call_errors.labels(tool=self._named, kind=kind).inc()

    def ended(self) -> None:
        self._overdue.tools -= 1
        self._overdue.heard = self._with.clock.monotonic()
        seconds = self._with.clock.monotonic() - self._began
        self._with.metrics.tool_call_seconds.labels(tool=self._named).observe(seconds, self.span.exemplar)


class ModelCall(Part):
    """A call of a model."""

    def __init__(self, span: Span, with_: Instruments, name: str, heard: Callable[[], None]) -> None:
        super().__init__(spans.CHAT, span, heard)
        self._metrics = with_.metrics
        self._named = with_.metrics.named(name)
        self._now = with_.clock.monotonic
        self._began = self._now()
        self._first: float | None = None
        self._wrote = 0

    def chunk(self) -> None:
        self.heard()
        if self._first is None:
            self._first = self._now()
            seconds = self._first - self._began
            self.span.set(first_chunk_s=seconds)
            self._metrics.model_first_chunk_seconds.labels(model=self._named).observe(
                seconds, self.span.exemplar
            )

    def set(self, **facts: Fact) -> None:
        super().set(**facts)
        if isinstance(wrote := facts.get("output_tokens"), int):
            self._wrote = wrote

    def failed(self, error: str, kind: str) -> None:
        super().failed(error, kind)
        self._metrics.model_call_errors.labels(model=self._named, kind=kind).inc()

    def ended(self) -> None:
        now, exemplar = self._now(), self.span.exemplar
        self._metrics.model_call_seconds.labels(model=self._named).observe(now - self._began, exemplar)
        since_s = now - (self._began if self._first is None else self._first)
        if self._wrote > 1 and since_s > 0:
            self._metrics.model_tokens_per_second.labels(model=self._named).observe(
                (self._wrote - 1) / since_s, exemplar
            )


class ThreadWrite(Part):
    """A write into the thread."""

    def __init__(self, span: Span, metrics: Metrics, kind: str, size: int, heard: Callable[[], None]) -> None:
        super().__init__(spans.WRITE_THREAD, span, heard)
        self._bytes = metrics.checkpoint_bytes.labels(kind=kind)
        self._size = size
        self._failed = False

    def failed(self, error: str, kind: str) -> None:
        super().failed(error, kind)
        self._failed = True
        if error == LeaseLost.__name__:  # nothing was written: a stopped execution, or another's conversation
            self.span.drop()

    def ended(self) -> None:
        if not self._failed:
            self._bytes.observe(self._size, self.span.exemplar)
