"""A span's context as W3C's `traceparent`, read and written; and the ids of attempts' spans. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

SAMPLED = 1
SPAN_BITS = 64
TRACE_BITS = 128

_SAMPLED_END = f"-{SAMPLED:02x}"

_SHAPE = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.{0,400})?", re.ASCII)


class Context(NamedTuple):
    """Which trace, which span of it, and whether it is sampled."""

    trace: int
    span: int
    sampled: bool


def read(traceparent: str) -> Context | None:
    """The context; None for what is none. What clients sent may be passed in."""
    found = _SHAPE.fullmatch(traceparent)
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return None
    context = Context(int(trace, 16), int(span, 16), bool(int(flags, 16) & SAMPLED))
    return context if context.trace and context.span else None


def write(trace: int, span: int, *, sampled: bool) -> str:
    """The traceparent of a span."""
    return f"00-{trace:032x}-{span:016x}-{int(sampled):02x}"


def trace_id(traceparent: str) -> str:
    """The trace's id in 32 hexadecimal digits; empty for what is no traceparent."""
    context = read(traceparent)
    return f"{context.trace:032x}" if context else ""


def is_sampled(traceparent: str) -> bool:
    """Whether its trace is. Of our own traceparents: it looks at no more than it needs."""
    return traceparent.endswith(_SAMPLED_END)


def exemplar_of(traceparent: str) -> dict[str, str] | None:
    """What a histogram's exemplar carries: the trace's id where it is sampled, else None. Of our own."""
    return {"trace_id": traceparent[3:35]} if is_sampled(traceparent) else None


def attempt_span(attempt: str) -> int:
    """The id of an attempt's span: nothing has to be stored to link to it."""
    return int.from_bytes(hashlib.sha256(attempt.encode()).digest()[: SPAN_BITS // 8]) or 1


def of_attempt(traceparent: str, attempt: str) -> str:
    """The traceparent of an attempt's span in the trace of `traceparent`; empty where either is empty."""
    context = read(traceparent)
    if context is None or not attempt:
        return ""
    return write(context.trace, attempt_span(attempt), sampled=context.sampled)
