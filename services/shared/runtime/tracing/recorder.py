"""Tracing that records: where a span stands, whether its trace is sampled, and the parts that carry it on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan

from services.shared.runtime import logging
from services.shared.runtime.clock import Clock
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import context, exporters, foreign
from services.shared.runtime.tracing.hold import FATES, Hold
from services.shared.runtime.tracing.names import LATE, SpanRow
from services.shared.runtime.tracing.recorded import Face, Origin, Recorded
from services.shared.runtime.tracing.room import room
from services.shared.runtime.tracing.sender import WHYS, Exporter, Sender
from services.shared.runtime.tracing.settings import TracingSettings
from services.shared.runtime.tracing.span import Fact, Span
from services.shared.runtime.tracing.tracing import Tracing

Item = Recorded | ReadableSpan
"""A span of ours, or one that a user's graph made by OpenTelemetry's own API."""


class Recorder(Tracing):
    """A process's tracing, switched on."""

    on = True

    def __init__(
        self,
        settings: TracingSettings,
        resource: Resource,
        exporter: Exporter[ReadableSpan],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        most = settings.traces_buffer_spans
        fates = {fate: metrics.traces_spans.labels(fate=fate) for fate in FATES}
        dropped = {why: metrics.traces_dropped.labels(why=why) for why in WHYS}
        self._clients = settings.traces_clients
        self._sampler = foreign.Ratio(settings.traces_ratio)
        self._resource = resource
        self._random = random.Random()  # noqa: S311 - ids have to differ, not to be secret
        self._sender: Sender[tuple[Item, bool]] = Sender(
            _Readable(exporter, resource),
            lambda why, count: dropped[why].inc(count),
            most=most,
            tick=self._look,
            room=lambda going: room(going[0]),
        )
        self._hold: Hold[Item] = Hold(
            lambda spans, late: self._sender.put([(span, late) for span in spans]),
            lambda fate, count: fates[fate].inc(count),
            clock,
            most=most,
            age_s=settings.traces_buffer_s,
            room=room,
        )
        self._now_ns, self._end = clock.now_ns, self._hold.end
        metrics.traces_held.set_function(lambda: len(self._hold))
        metrics.traces_queued.set_function(lambda: len(self._sender))

    @staticmethod
    def start(settings: TracingSettings, service: str, node: str, metrics: Metrics, clock: Clock) -> Recorder:
        """Set it up and start its thread. Raises whatever the exporters have against their variables."""
        resource = described(service, node)
        recorder = Recorder(settings, resource, exporters.opened(settings), metrics, clock)
        recorder._begin()
        return recorder

    def _begin(self) -> None:
        self._sender.start()
        foreign.install(self._resource, self._sampler, self._hold)
        logging.name_traces(current_trace)

    async def _shut(self) -> None:
        """Send what has ended."""
        logging.name_traces(None)
        foreign.remove()
        await self._sender.close()

    @property
    def current(self) -> str:
        """The traceparent of the span that this code runs in; empty: none."""
        now = _current()
        return context.write(now.trace, now.span, sampled=now.sampled) if now else ""

    def span(self, row: SpanRow, parent: str = "", links: Sequence[str] = (), **facts: Fact) -> Span:
        """See `Tracing.span`."""
        return self._record(row, parent, links, 0, facts)

    def begin(
        self,
        row: SpanRow,
        parent: str = "",
        links: Sequence[str] = (),
        *,
        started_ns: int = 0,
        **facts: Fact,
    ) -> Span:
        """See `Tracing.begin`."""
        return self._record(row, parent, links, started_ns, facts)

    @contextmanager
    def inside(self, span: Span) -> Iterator[Span]:
        """See `Tracing.inside`."""
        if not isinstance(span, Recorded):
            yield span
            return
        token = otel_context.attach(otel.set_span_in_context(Face(span)))
        try:
            yield span
        finally:
            otel_context.detach(token)

    def keep(self, traceparent: str, why: str) -> None:
        """See `Tracing.keep`."""
        found = context.read(traceparent)
        if why and found and not found.sampled:
            self._hold.keep(found.trace)

    def of_client(self, traceparent: str) -> tuple[str, tuple[str, ...]]:
        """See `Tracing.of_client`."""
        if self._clients == "ignore" or context.read(traceparent) is None:
            return "", ()
        return (traceparent, ()) if self._clients == "parent" else ("", (traceparent,))

    def _record(
        self, row: SpanRow, parent: str, links: Sequence[str], started_ns: int, facts: dict[str, Fact]
    ) -> Recorded:
        before = context.read(parent) if parent else _current()
        span = self._span_id(row, facts)
        if before is None:
            trace = self._random.getrandbits(context.TRACE_BITS) or 1
            origin = Origin(trace, span, 0, False, self._sampler.samples(trace))
        else:
            remote = not self._hold.is_open(before.span)
            origin = Origin(before.trace, span, before.span, remote, before.sampled)
        self._hold.begin(span, origin.parent, origin.trace, sampled=origin.sampled)
        return Recorded(row, origin, links, facts, self._now_ns, self._end, started_ns)

    def _span_id(self, row: SpanRow, facts: dict[str, Fact]) -> int:
        if row.identified_by and (known := facts.get(row.identified_by)):
            return context.attempt_span(str(known))
        return self._random.getrandbits(context.SPAN_BITS) or 1

    def _look(self) -> None:
        self._hold.expire()


class _Readable:
    """An exporter for what is recorded: makes it readable, in the sending thread."""

    def __init__(self, exporter: Exporter[ReadableSpan], resource: Resource) -> None:
        self._exporter = exporter
        self._resource = resource
        self.shutdown = exporter.shutdown

    def export(self, spans: Sequence[tuple[Item, bool]]) -> str:
        """See `Exporter.export`."""
        return self._exporter.export([self._readable(span, late) for span, late in spans])

    def _readable(self, span: Item, late: bool) -> ReadableSpan:
        if isinstance(span, Recorded):
            return span.readable(self._resource, late=late)
        return foreign.marked(span, LATE, "late") if late else span


def described(service: str, node: str) -> Resource:
    """Which process it is; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say more, or otherwise."""
    said: dict[str, Any] = {"service.name": f"continuo-{service}", "service.namespace": "continuo"}
    said |= {"service.instance.id": node, "service.version": _version()}
    told = OTELResourceDetector().detect()
    return Resource.create({**said, **told.attributes})


def current_trace() -> str:
    """The id of the trace that this code runs in; empty: none."""
    now = _current()
    return f"{now.trace:032x}" if now else ""


def _current() -> context.Context | None:
    span = otel.get_current_span()
    if isinstance(span, Face):  # a task that outlives the span it was started in is not in it any more
        return span.recorded.origin.context() if span.is_recording() else None
    now = span.get_span_context()
    return context.Context(now.trace_id, now.span_id, now.trace_flags.sampled) if now.is_valid else None


def _version() -> str:
    try:
        return metadata.version("continuo-server")
    except metadata.PackageNotFoundError:
        return "unknown"
