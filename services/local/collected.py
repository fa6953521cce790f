"""Spans as a file keeps them to which every process appends: an OTLP/JSON `ExportTraceServiceRequest` a line.

Called by `continuo trace`. It reads line by line and decodes only those that name what is looked for: the
file is large. A line that is not whole (its writer is at it, or died), or says what no service writes, is
passed over; what would move a terminal is shown as a question mark. Must never import OpenTelemetry: the
command works where no service is installed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from services.local.ending import LocalError
from services.local.kept_traces import older

FAILED = 2
PREFIX = "continuo-"
"""Of a service's name as OpenTelemetry has it."""

Fact = str | int | float | bool | list["Fact"] | None

_Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]*$")]
_Nanos = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Up to the year 2262."""


class NoTracesError(LocalError):
    """There is no such file; the message says how one comes to be."""


@dataclass(frozen=True, slots=True)
class Told:
    """One span. Ids are hexadecimal; no parent is an empty text; times are nanoseconds since 1970."""

    trace: str
    id: str
    parent: str
    name: str
    service: str
    """`connection` and so on."""
    node: str
    """Which process of it."""
    start_ns: int
    end_ns: int
    facts: dict[str, Fact]
    """Attributes by OpenTelemetry's names."""
    links: tuple[tuple[str, str], ...]
    """(trace, span) each."""
    failed: bool


class _Values(msgspec.Struct, frozen=True):
    values: list["_Value"] = []


class _Value(msgspec.Struct, frozen=True, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | None = None
    double_value: float | None = None
    array_value: _Values | None = None


class _Word(msgspec.Struct, frozen=True):
    key: str
    value: _Value = _Value()


class _Link(msgspec.Struct, rename="camel"):
    trace_id: _Hex
    span_id: _Hex


class _Status(msgspec.Struct, frozen=True):
    code: int = 0


class _Span(msgspec.Struct, rename="camel"):
    trace_id: _Hex
    span_id: _Hex
    name: str
    start_time_unix_nano: _Nanos
    end_time_unix_nano: _Nanos
    parent_span_id: _Hex = ""
    attributes: list[_Word] = []
    links: list[_Link] = []
    status: _Status = _Status()


class _Scope(msgspec.Struct):
    spans: list[_Span] = []


class _Resource(msgspec.Struct, frozen=True):
    attributes: list[_Word] = []


class _OfResource(msgspec.Struct, rename="camel"):
    resource: _Resource = _Resource()
    scope_spans: list[_Scope] = []


class _Request(msgspec.Struct, rename="camel"):
    resource_spans: list[_OfResource] = []


_DECODER = msgspec.json.Decoder(_Request, strict=False)  # not strict: the format has large numbers as texts


class Collected:
    """What a file holds, with the part of it that was moved away.

    Raises NoTracesError if there is neither.
    """

    def __init__(self, path: Path) -> None:
        # The newer part first: what is moved away while we read is then read twice, and not missed.
        self.parts = [part for part in (path, older(path)) if part.exists()]
        if not self.parts:
            raise NoTracesError(
                f"there are no traces in {path}: `continuo up` writes them there, from the first message on; "
                "elsewhere services do with CONTINUO_TRACES=file and CONTINUO_TRACES_FILE"
            )

    def naming(self, *words: str) -> list[Told]:
        """The spans of all lines that hold one of these words, by their starts, each once."""
        found: dict[bytes, None] = {}
        for part in self.parts:
            with part.open("rb") as lines:
                found |= dict.fromkeys(_holding(lines, [word.encode() for word in words]))
        spans = [span for line in found for span in _read(line)]
        return sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))

    def traces_of(self, attribute: str, value: str) -> list[list[Told]]:
        """All traces with a span of which this is so, the oldest first, and each with its spans."""
        named = [span for span in self.naming(value) if span.facts.get(attribute) == value]
        return self.traces(span.trace for span in named)

    def traces(self, ids: Iterable[str]) -> list[list[Told]]:
        """The spans of each of these traces."""
        wanted = dict.fromkeys(ids)
        spans = self.naming(*wanted) if wanted else []
        return [[span for span in spans if span.trace == trace] for trace in wanted]


def _holding(lines: Iterable[bytes], words: list[bytes]) -> Iterator[bytes]:
    for line in lines:
        if any(word in line for word in words):
            yield line


def _read(line: bytes) -> Iterator[Told]:
    try:
        request = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    for resource in request.resource_spans:
        whose = _facts(resource.resource.attributes)
        for span in (one for scope in resource.scope_spans for one in scope.spans):
            yield Told(
                span.trace_id,
                span.span_id,
                span.parent_span_id,
                _shown(span.name),
                str(whose.get("service.name", "")).removeprefix(PREFIX),
                str(whose.get("service.instance.id", "")),
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                _facts(span.attributes),
                tuple((link.trace_id, link.span_id) for link in span.links),
                span.status.code == FAILED,
            )


def _facts(words: Iterable[_Word]) -> dict[str, Fact]:
    return {word.key: _plain(word.value) for word in words}


def _plain(value: _Value) -> Fact:
    if value.string_value is not None:
        return _shown(value.string_value)
    if value.array_value is not None:
        return [_plain(one) for one in value.array_value.values]
    numbers = (value.bool_value, value.int_value, value.double_value)
    return next((number for number in numbers if number is not None), None)


def _shown(text: str) -> str:
    """A graph's own spans are called as its author likes."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
