"""The tracing room: the only one that imports `opentelemetry`. Shells get one `Tracing` from their
composition root and name spans by the rows of the one table, `spans`:

    with tracing.span(spans.ACCEPT, conversation=conversation, message=message) as span:
        ...                      # what is begun in here without a parent becomes a child
        span.set(turns=2)
        record.trace = span.traceparent

    span = tracing.begin(spans.DELIVER, event.trace, started_ns=first)   # explicit ends, never current
    span.end(last)

Nothing of it may hold up a message: a span is recorded in memory, a thread of its own sends it.
"""

from services.shared.runtime.tracing import names as spans
from services.shared.runtime.tracing.context import exemplar_of as exemplar_of
from services.shared.runtime.tracing.context import is_sampled as is_sampled
from services.shared.runtime.tracing.context import of_attempt as of_attempt
from services.shared.runtime.tracing.context import trace_id as trace_id
from services.shared.runtime.tracing.settings import TracingSettings as TracingSettings
from services.shared.runtime.tracing.span import NOTHING as NOTHING
from services.shared.runtime.tracing.span import Fact as Fact
from services.shared.runtime.tracing.span import Span as Span
from services.shared.runtime.tracing.tracing import Tracing as Tracing

__all__ = [
    "Tracing",
    "TracingSettings",
    "Span",
    "Fact",
    "NOTHING",
    "spans",
    "exemplar_of",
    "of_attempt",
    "trace_id",
]
