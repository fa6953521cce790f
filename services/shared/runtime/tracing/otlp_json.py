"""Spans as OTLP/JSON: one `ExportTraceServiceRequest` a line, as the protocol's own page wants it: ids in
hexadecimal digits, which plain protobuf JSON would write in base64, and kinds as numbers.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

IDS = ("traceId", "spanId", "parentSpanId")


def line(spans: Sequence[ReadableSpan]) -> bytes:
    """The request and the line's end."""
    said = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for one in _with_ids(said):
        for name in IDS:
            if name in one:
                one[name] = base64.b64decode(one[name]).hex()
    return msgspec.json.encode(said) + b"\n"


def _with_ids(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every span of a request, and every link."""
    for resource in request.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield span
                yield from span.get("links", ())
