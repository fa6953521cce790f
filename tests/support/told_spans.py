"""Spans as they arrived, in plain words: by trace, as a tree, and those whose parent is missing.

Made from protobuf requests (`Spans.take`) or from a file of OTLP/JSON lines (`Spans.read`), which are parsed
here without the code that wrote them.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.waiting import eventually

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")


@dataclass(frozen=True)
class Told:
    """One span as a collector has it. Ids are hexadecimal; no parent is an empty text."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    service: str
    """`continuo-connection` and so on."""
    node: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any] = field(hash=False)
    links: tuple[tuple[str, str], ...] = ()
    """(trace, span) each."""
    events: tuple[str, ...] = ()
    failed: bool = False
    remote_parent: bool = False

    @property
    def late(self) -> bool:
        """Whether it says that it was kept afterwards."""
        return self.attributes.get("continuo.sampled") == "late"

    @property
    def error(self) -> str:
        """Why it failed, by its own word."""
        return str(self.attributes.get("error.type", ""))


@dataclass
class Node:
    """A span and what was begun below it, by their starts."""

    span: Told
    children: list["Node"] = field(default_factory=list)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Told]]:
        """This and all below, as they would be printed."""
        yield depth, self.span
        for child in self.children:
            yield from child.walk(depth + 1)


class Spans:
    """All that was told so far."""

    def __init__(self) -> None:
        self.all: list[Told] = []

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Add what a protobuf request holds."""
        self.all += _of_protobuf(request)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What a file of OTLP/JSON lines holds; none: nothing."""
        spans = cls()
        if path.exists():
            for line in path.read_text().splitlines():
                spans.all += _of_json(json.loads(line))
        return spans

    def of(self, trace: str) -> list[Told]:
        """The spans of a trace, by their starts."""
        return sorted((one for one in self.all if one.trace == trace), key=lambda one: one.start_ns)

    def named(self, name: str, trace: str = "") -> list[Told]:
        """The spans of that name, in all traces or in one."""
        return [one for one in self.all if one.name == name and trace in ("", one.trace)]

    def traces(self) -> set[str]:
        """The ids of all traces."""
        return {one.trace for one in self.all}

    def tree(self, trace: str) -> list[Node]:
        """The trace's roots with all below them; a span without its parent is a root here."""
        spans = self.of(trace)
        nodes = {one.id: Node(one) for one in spans}
        roots = []
        for one in spans:
            above = nodes.get(one.parent)
            (above.children if above else roots).append(nodes[one.id])
        return roots

    def drawn(self, trace: str) -> str:
        """The tree for people: a line per span, indented."""
        lines = (
            f"{'  ' * depth}{one.name} [{one.service}] {(one.end_ns - one.start_ns) / 1e6:.1f} ms"
            + (f" failed: {one.error}" if one.failed else "")
            for root in self.tree(trace)
            for depth, one in root.walk()
        )
        return "\n".join(lines)

    def orphans(self, trace: str) -> list[Told]:
        """Spans that name a parent which did not arrive."""
        known = {one.id for one in self.all if one.trace == trace}
        return [one for one in self.of(trace) if one.parent and one.parent not in known]

    def twice(self, trace: str) -> list[str]:
        """Ids that more than one span has."""
        ids = [one.id for one in self.of(trace)]
        return sorted({one for one in ids if ids.count(one) > 1})

    async def until(self, condition: Callable[[Self], Any], within_s: float = 20.0) -> Any:
        """Wait for a condition on what was told; its first true value."""
        return await eventually(lambda: condition(self), within_s=within_s)


def _of_protobuf(request: ExportTraceServiceRequest) -> Iterator[Told]:
    for resource in request.resource_spans:
        named = {one.key: _value(one.value) for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Told(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    KINDS[span.kind],
                    str(named.get("service.name", "")),
                    str(named.get("service.instance.id", "")),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    {one.key: _value(one.value) for one in span.attributes},
                    tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    tuple(event.name for event in span.events),
                    span.status.code == 2,
                    bool(span.flags & 0x200),
                )


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None


def _of_json(request: dict[str, Any]) -> Iterator[Told]:
    for resource in request["resourceSpans"]:
        named = _said(resource["resource"]["attributes"])
        for span in (one for scope in resource["scopeSpans"] for one in scope["spans"]):
            yield Told(
                span["traceId"],
                span["spanId"],
                span.get("parentSpanId", ""),
                span["name"],
                KINDS[span["kind"]],
                str(named.get("service.name", "")),
                str(named.get("service.instance.id", "")),
                int(span["startTimeUnixNano"]),
                int(span["endTimeUnixNano"]),
                _said(span.get("attributes", ())),
                tuple((link["traceId"], link["spanId"]) for link in span.get("links", ())),
                tuple(event["name"] for event in span.get("events", ())),
                span.get("status", {}).get("code") == 2,
                bool(span.get("flags", 0) & 0x200),
            )


def _said(attributes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {one["key"]: _plain(one["value"]) for one in attributes}


def _plain(value: dict[str, Any]) -> Any:
    ((kind, plain),) = value.items()
    if kind == "intValue":
        return int(plain)
    if kind == "arrayValue":
        return [_plain(one) for one in plain.get("values", ())]
    return plain
