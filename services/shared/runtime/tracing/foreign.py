"""Spans that a user's graph, or a library in it, makes by OpenTelemetry's own API: they join the trace in
which they run.

OpenTelemetry knows one provider per process, set once. `install` sets one that hands on to the open tracing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, TraceState

from services.shared.runtime.logging import get_logger
from services.shared.runtime.tracing.hold import Hold

log = get_logger(__name__)


class Ratio(Sampler):
    """Records every span; samples a trace at its root by its id, elsewhere as its parent says."""

    def __init__(self, ratio: float) -> None:
        self._bound = TraceIdRatioBased.get_bound_for_rate(ratio)

    def samples(self, trace: int) -> bool:
        """Whether a trace that begins here is sampled: the same word from every process of this ratio."""
        return trace & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """As OpenTelemetry asks it."""
        parent = otel.get_current_span(parent_context).get_span_context()
        sampled = parent.trace_flags.sampled if parent.is_valid else self.samples(trace_id)
        decision = Decision.RECORD_AND_SAMPLE if sampled else Decision.RECORD_ONLY
        return SamplingResult(decision, attributes, parent.trace_state if parent.is_valid else None)

    def get_description(self) -> str:
        """For those who print samplers."""
        return "ContinuoRatio"


class Joined(SpanProcessor):
    """Puts such spans into the hold, beside ours."""

    def __init__(self, hold: Hold[Any]) -> None:
        self._hold = hold

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """A span has begun."""
        own, parent = span.get_span_context(), span.parent
        self._hold.begin(
            own.span_id, parent.span_id if parent else 0, own.trace_id, sampled=own.trace_flags.sampled
        )

    def on_end(self, span: ReadableSpan) -> None:
        """It has ended."""
        own = span.get_span_context()
        if own is not None:
            self._hold.end(own.span_id, span)


class Shared(otel.TracerProvider):
    """The process's provider: the open tracing's, or none."""

    def __init__(self) -> None:
        self.now: otel.TracerProvider = otel.NoOpTracerProvider()

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> otel.Tracer:
        """A tracer of the tracing that is open now."""
        return self.now.get_tracer(
            instrumenting_module_name, instrumenting_library_version, schema_url, attributes
        )


_SHARED = Shared()


def install(resource: Resource, sampler: Sampler, hold: Hold[Any]) -> None:
    """Have spans of others recorded from now on."""
    provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(Joined(hold))
    _SHARED.now = provider
    if otel.get_tracer_provider() is not _SHARED:
        otel.set_tracer_provider(_SHARED)
    if otel.get_tracer_provider() is not _SHARED:
        log.warning("another tracer provider is set, spans of graphs go there")


def remove() -> None:
    """Have them recorded no more."""
    _SHARED.now = otel.NoOpTracerProvider()


def marked(span: ReadableSpan, key: str, value: str) -> ReadableSpan:
    """The span with one attribute more."""
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes={**(span.attributes or {}), key: value},
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
