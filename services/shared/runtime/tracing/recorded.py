"""A span that is recorded: as little as can be while it runs, all that OpenTelemetry wants when it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Any, NamedTuple, Self

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from services.shared.runtime.tracing import context
from services.shared.runtime.tracing.names import ATTRIBUTES, ERROR, LATE, SpanRow
from services.shared.runtime.tracing.span import Fact, Span

SCOPE = InstrumentationScope("continuo")
KINDS = {kind.name: kind for kind in SpanKind}


class Origin(NamedTuple):
    """Where a span stands."""

    trace: int
    span: int
    parent: int
    """0: none."""
    remote: bool
    """Whether the parent is another process's, or over."""
    sampled: bool

    def context(self) -> context.Context:
        """What its children have to know."""
        return context.Context(self.trace, self.span, self.sampled)


class Recorded(Span):
    """See `Span`. `ended` is called once, with the span, or with None in its place when it is dropped."""

    __slots__ = (
        "_ended",
        "_facts",
        "_links",
        "_now_ns",
        "_token",
        "ended_ns",
        "error",
        "events",
        "more",
        "origin",
        "row",
        "started_ns",
    )

    def __init__(
        self,
        row: SpanRow,
        origin: Origin,
        links: Sequence[str],
        facts: dict[str, Fact],
        now_ns: Callable[[], int],
        ended: Callable[[int, Recorded | None], None],
        started_ns: int,
    ) -> None:
        self.row = row
        self.origin = origin
        self.started_ns = started_ns or now_ns()
        self.ended_ns = 0
        self.error = ""
        self.more: dict[str, Any] | None = None
        """What a user's graph says of it, by names of its own."""
        self.events: list[Event] | None = None
        self._facts = facts
        self._links = links
        self._token: Token[otel_context.Context] | None = None
        self._now_ns = now_ns
        self._ended = ended

    @property
    def traceparent(self) -> str:
        return context.write(self.origin.trace, self.origin.span, sampled=self.origin.sampled)

    @property
    def trace(self) -> str:
        return f"{self.origin.trace:032x}"

    @property
    def exemplar(self) -> dict[str, str] | None:
        return {"trace_id": self.trace} if self.origin.sampled else None

    def set(self, **facts: Fact) -> None:
        if not self.ended_ns:
            self._facts.update(facts)

    def fail(self, reason: str) -> None:
        if not self.ended_ns and not self.error:
            self.error = reason

    def link(self, traceparent: str) -> None:
        if not self.ended_ns:
            self._links = (*self._links, traceparent)

    def end(self, ended_ns: int = 0) -> None:
        if not self.ended_ns:
            self.ended_ns = max(ended_ns or self._now_ns(), self.started_ns)
            self._ended(self.origin.span, self)

    def drop(self) -> None:
        if not self.ended_ns:
            self.ended_ns = self.started_ns
            self._ended(self.origin.span, None)

    def __enter__(self) -> Self:
        self._token = otel_context.attach(otel.set_span_in_context(Face(self)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        if self._token is not None:
            otel_context.detach(self._token)
            self._token = None
        if kind is not None:
            self.fail(kind.__name__)
        self.end()

    def context(self) -> SpanContext:
        """As OpenTelemetry names it."""
        return _context(self.origin.trace, self.origin.span, sampled=self.origin.sampled, remote=False)

    def readable(self, resource: Resource, *, late: bool) -> ReadableSpan:
        """As exporters want it. Only after its end."""
        trace, _, parent, remote, sampled = self.origin
        return ReadableSpan(
            name=self._title(),
            context=self.context(),
            parent=_context(trace, parent, sampled=sampled, remote=remote) if parent else None,
            resource=resource,
            attributes=self._attributes(late=late),
            events=self.events or (),
            links=[Link(one) for one in map(linked, self._links) if one],
            kind=KINDS[self.row.kind],
            status=Status(StatusCode.ERROR, self.error) if self.error else Status(),
            start_time=self.started_ns,
            end_time=self.ended_ns,
            instrumentation_scope=SCOPE,
        )

    def _title(self) -> str:
        if self.row.named_by is None:
            return self.row.name
        word, key = self.row.named_by
        return f"{word} {named}" if (named := self._facts.get(key)) else word

    def _attributes(self, *, late: bool) -> dict[str, Any]:
        said: dict[str, Any] = {**(self.more or {}), **dict(self.row.always)}
        said.update((_key(fact), value) for fact, value in self._facts.items() if value is not None)
        if self.error:
            said[ERROR] = self.error
        if late:
            said[LATE] = "late"
        return said


class Face(otel.Span):
    """A recorded span as a user's graph meets it: to say something of, never to end. It knows the span, the
    span does not know it: what was sent is freed at once.
    """

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded

    def end(self, end_time: int | None = None) -> None:
        """Nothing: who began the span ends it."""

    def get_span_context(self) -> SpanContext:
        return self.recorded.context()

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if self.is_recording():
            self.recorded.more = {**(self.recorded.more or {}), **attributes}

    def set_attribute(self, key: str, value: Any) -> None:
        self.set_attributes({key: value})

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        if self.is_recording():
            event = Event(name, attributes, timestamp)
            self.recorded.events = [*(self.recorded.events or ()), event]

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        self.recorded.link(f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}")

    def update_name(self, name: str) -> None:
        """Nothing: the table names spans."""

    def is_recording(self) -> bool:
        return not self.recorded.ended_ns

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        code = status.status_code if isinstance(status, Status) else status
        if code is StatusCode.ERROR:
            self.recorded.fail("graph")

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Its kind only: its text may be anybody's."""
        self.add_event("exception", {"exception.type": type(exception).__name__}, timestamp)


def linked(traceparent: str) -> SpanContext | None:
    """The context of another process's span; None for no traceparent."""
    found = context.read(traceparent)
    return _context(found.trace, found.span, sampled=found.sampled, remote=True) if found else None


def _context(trace: int, span: int, *, sampled: bool, remote: bool) -> SpanContext:
    return SpanContext(trace, span, remote, TraceFlags(int(sampled)))


def _key(fact: str) -> str:
    known = ATTRIBUTES.get(fact)
    return known.key if known else f"continuo.{fact}"
