"""How much room a span takes while it waits. Ours take about a kilobyte each and count once; what a user's
graph, or a library in it, says may be whole prompts, and counts once more for each kilobyte of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from services.shared.runtime.tracing.recorded import Recorded

USUAL_BYTES = 1024
NUMBER_BYTES = 8


def room(span: Recorded | ReadableSpan) -> int:
    """In spans of the usual size. Only after its end: it is the same whenever it is asked for then."""
    if isinstance(span, Recorded):
        if span.more is None and span.events is None:
            return 1
        said = (span.more, *(event.attributes for event in span.events or ()))
    else:
        said = (span.attributes, *(event.attributes for event in span.events))
    return 1 + sum(map(_bytes_of, said)) // USUAL_BYTES


def _bytes_of(attributes: Mapping[str, Any] | None) -> int:
    return sum(len(key) + _size(value) for key, value in (attributes or {}).items())


def _size(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Sequence):
        return sum(len(each) if isinstance(each, str | bytes) else NUMBER_BYTES for each in value)
    return NUMBER_BYTES
