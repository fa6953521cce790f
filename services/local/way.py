"""A message's way as a tree with times: the spans of one trace, a line each, as a person reads them.

Called by `continuo trace`. Pure. A line says when the span began, counted from the trace's first moment, how
long it took, which process it was, what it says of itself, and whether it failed, links to another, or was
kept late. A span whose parent is not there stands beside the root and says so; so do those that are, by a
damaged file, below themselves.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.local.collected import Fact, Told
from services.shared.model.ids import is_uuid
from services.shared.runtime.tracing.names import ATTRIBUTES, ERROR, LATE

MS = 1_000_000
MESSAGE = ATTRIBUTES["message"].key
CODE = ATTRIBUTES["code"].key
CONVERSATION = ATTRIBUTES["conversation"].key
TURN = ATTRIBUTES["turn"].key
_WORDS = {attribute.key: word for word, attribute in ATTRIBUTES.items()}
"""What an attribute is called here, short: as the code calls it."""
_AT_THE_TOP = (MESSAGE, CONVERSATION, TURN)
"""Said once, above the tree; on a line only where it is another's."""
_ID_DIGITS = 4


@dataclass(slots=True)
class Node:
    """A span and what was begun below it, by their starts."""

    span: Told
    below: list["Node"] = field(default_factory=list)


def tree(spans: Iterable[Told]) -> list[Node]:
    """The roots, by their starts: spans without a parent among these, and those that are below themselves."""
    nodes = {span.id: Node(span) for span in sorted(spans, key=lambda one: (one.start_ns, -one.end_ns))}
    roots: list[Node] = []
    for node in nodes.values():
        above = nodes.get(node.span.parent)
        (above.below if above and not _is_below_itself(node, nodes) else roots).append(node)
    return roots


def _is_below_itself(node: Node, nodes: Mapping[str, Node]) -> bool:
    above, passed = nodes.get(node.span.parent), set[str]()
    while above and above is not node and above.span.id not in passed:
        passed.add(above.span.id)
        above = nodes.get(above.span.parent)
    return above is node


def drawn(spans: Sequence[Told], others: Iterable[Told] = ()) -> list[str]:
    """The lines for one trace, which has a span at least.

    others: spans of other traces; those that link to this one are told at the end.
    """
    return _Drawing(spans).lines(others)


def length(nanoseconds: int) -> str:
    """For people: three digits or four, in milliseconds or seconds."""
    ms = nanoseconds / MS
    if ms >= 10_000:
        return f"{ms / 1000:.1f} s"
    if ms >= 1000:
        return f"{ms / 1000:.2f} s"
    return f"{ms:.0f} ms" if ms >= 100 else f"{ms:.1f} ms"


def moment(nanoseconds: int) -> str:
    """When, in UTC."""
    return f"{datetime.fromtimestamp(nanoseconds / 1e9, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"


class _Drawing:
    def __init__(self, spans: Sequence[Told]) -> None:
        self._by_id = {span.id: span for span in spans}
        self._spans = list(self._by_id.values())
        self._began = min(span.start_ns for span in spans)
        self._about = {key: _first(self._spans, key) for key in _AT_THE_TOP}
        nodes = defaultdict(set)
        for span in spans:
            nodes[span.service].add(span.node)
        self._several = {service for service, named in nodes.items() if len(named) > 1}

    def lines(self, others: Iterable[Told]) -> list[str]:
        rows = [row for root in tree(self._spans) for row in self._rows(root)]
        wide = max(len(name) for _, _, name, _ in rows)
        table = [f"{at:>9}  {took:>8}  {name:<{wide}}  {more}".rstrip() for at, took, name, more in rows]
        heads = f"{'offset':>9}  {'took':>8}  {'span':<{wide}}  by, and what it says"
        return [*self._head(), "", heads, *table, *self._linked_from(others)]

    def _head(self) -> Iterator[str]:
        said = [f"{_WORDS[key]} {value}" for key, value in self._about.items() if value]
        yield ", ".join(said) or "no message"
        trace = self._spans[0].trace
        took = max(span.end_ns for span in self._spans) - self._began
        processes = len({(span.service, span.node) for span in self._spans})
        yield (
            f"trace {trace}, from {moment(self._began)} for {length(took)}: "
            f"{len(self._spans)} spans of {processes} processes"
        )

    def _rows(self, root: Node) -> Iterator[tuple[str, str, str, str]]:
        due = [(root, "", "")]
        while due:
            node, here, under = due.pop()
            yield self._row(node.span, here)
            for child in reversed(node.below):
                last = child is node.below[-1]
                due.append((child, under + ("└ " if last else "├ "), under + ("  " if last else "│ ")))

    def _row(self, span: Told, here: str) -> tuple[str, str, str, str]:
        return (
            length(span.start_ns - self._began),
            length(span.end_ns - span.start_ns),
            here + span.name,
            "  ".join((self._whose(span), *self._said(span), *self._marks(span))),
        )

    def _whose(self, span: Told) -> str:
        if span.service not in self._several:
            return span.service
        node = span.node[-_ID_DIGITS:] if is_uuid(span.node) else span.node
        return f"{span.service} {node.removeprefix(span.service + '-')}"

    def _said(self, span: Told) -> Iterator[str]:
        for key, word in _WORDS.items():
            value = span.facts.get(key)
            if value is not None and value != self._about.get(key):
                yield f"{word}={self._short(_text(value))}"

    def _short(self, text: str) -> str:
        conversation = self._about[CONVERSATION]
        return text.replace(str(conversation), "...") if conversation else text

    def _marks(self, span: Told) -> Iterator[str]:
        if span.failed:
            yield f"FAILED: {span.facts.get(ERROR, 'it does not say why')}"
        if span.facts.get(LATE) == "late":
            yield "kept late"
        for trace, id_ in span.links:
            yield "LINK to " + self._named(trace, id_)
        if span.parent and span.parent not in self._by_id:
            yield "PARENT not here: it has not ended yet, or was told elsewhere"

    def _named(self, trace: str, id_: str) -> str:
        linked = self._by_id.get(id_) if trace == self._spans[0].trace else None
        if linked:
            return f"{linked.name} at {length(linked.start_ns - self._began)}"
        return f"trace {trace}"

    def _linked_from(self, others: Iterable[Told]) -> Iterator[str]:
        mine = self._spans[0].trace
        for span in others:
            if span.trace != mine and any(trace == mine for trace, _ in span.links):
                yield f"linked from {span.name} of trace {span.trace}, {moment(span.start_ns)}"


def _first(spans: Iterable[Told], key: str) -> Fact:
    return next((span.facts[key] for span in spans if key in span.facts), None)


def _text(value: Fact) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def latest(spans: Iterable[Told], most: int) -> dict[str, Told]:
    """By their ids the latest messages that were sent, the last one last: each as it was acknowledged, and
    not as it was refused later, where somebody used its id once more.
    """
    sent: dict[str, Told] = {}
    for span in spans:
        message = str(span.facts.get(MESSAGE, ""))
        if message and (message not in sent or not _refused(span)):
            sent[message] = span
    return dict(list(sent.items())[-most:])


def _refused(span: Told) -> bool:
    return bool(span.failed or span.facts.get(CODE))


def _replied(span: Told) -> str:
    code = span.facts.get(CODE)
    return f"refused ({_text(code)})" if code else "acknowledged"


def listed(sent: Mapping[str, Told], traces: Iterable[Sequence[Told]]) -> list[str]:
    """Lines for messages: when, which, how long until the sender had the reply, until all was over.

    traces: theirs, as far as they go until now.
    """
    over = {spans[0].trace: max(span.end_ns for span in spans) for spans in traces if spans}
    return [
        f"{moment(span.start_ns)}  {message}  {_replied(span)} in {length(span.end_ns - span.start_ns):>8}"
        f"  over in {length(over.get(span.trace, span.end_ns) - span.start_ns):>8}"
        + (f"  FAILED: {span.facts.get(ERROR, '')}" if span.failed else "")
        for message, span in sent.items()
    ]
