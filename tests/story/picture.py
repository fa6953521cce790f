"""docs/trace.svg, drawn of the spans of docs/trace.jsonl: `python -m tests.story.picture [--check]`.

A line for each span, its parent above it; bars by their time. Pure but for its two files.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from services.local.collected import Collected, Told
from services.local.way import Node, length, tree
from services.shared.runtime.tracing.names import ATTRIBUTES, ERROR, SEND

DOCS = Path(__file__).parents[2] / "docs"
RECORDED, PICTURE = DOCS / "trace.jsonl", DOCS / "trace.svg"
WIDTH, LINE, TOP, FOOT = 1000, 17, 58, 12
NAMES, WHO, BARS, RIGHT, INDENT = 8, 210, 270, 172, 12
"""Where columns begin, from the left; the room for figures at the right; a step of the tree."""
INK, PAPER, GRID, LOST, LINK = "#444", "#fff", "#ddd", "#c0392b", "#8e44ad"
COLOURS = {"connection": "#1f6feb", "conversation": "#2e8b57"}
LEGEND = ((COLOURS["connection"], "connection server"), (COLOURS["conversation"], "worker"), (LOST, "failed"))
KEY_WIDTH = 130
EVENT = ATTRIBUTES["event"].key
LEAST = 1.5
"""The shortest bar that can be seen."""
TICKS = 8
"""Most of them."""


def drawn(spans: Sequence[Told]) -> str:
    """The whole picture of one trace."""
    return _Picture(spans).text()


class _Picture:
    def __init__(self, spans: Sequence[Told]) -> None:
        self._began = min(span.start_ns for span in spans)
        self._took = max(span.end_ns for span in spans) - self._began
        self._rows = [row for root in tree(spans) for row in _walked(root)]
        self._y = {span.id: TOP + (place + 1) * LINE for place, (_, span) in enumerate(self._rows)}

    def text(self) -> str:
        height = TOP + (len(self._rows) + 1) * LINE + FOOT
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" font-family="sans-serif" font-size="11" fill="{INK}">'
        )
        paper = f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>'
        lines = [line for depth, span in self._rows for line in self._line(depth, span)]
        told = [
            head,
            "<g>",
            paper,
            *self._legend(),
            "</g>",
            *self._axis(height),
            *lines,
            *self._links(),
            "</svg>",
        ]
        return "\n".join(told) + "\n"

    def _legend(self) -> Iterator[str]:
        for place, (colour, word) in enumerate(LEGEND):
            x = BARS + place * KEY_WIDTH
            yield f'<rect x="{x}" y="8" width="11" height="11" rx="1.5" fill="{colour}"/>'
            yield f'<text x="{x + 16}" y="18">{word}</text>'
        yield f'<text x="{NAMES}" y="{TOP - 10}" font-weight="bold">span</text>'
        yield f'<text x="{WHO}" y="{TOP - 10}" font-weight="bold">told by</text>'

    def _x(self, at_ns: int) -> float:
        return BARS + (WIDTH - BARS - RIGHT) * (at_ns - self._began) / self._took

    def _line(self, depth: int, span: Told) -> Iterator[str]:
        y, x = self._y[span.id], self._x(span.start_ns)
        wide = max(LEAST, self._x(span.end_ns) - x)
        colour = LOST if span.failed else COLOURS[span.service]
        more = span.facts.get(ERROR) or span.facts.get(EVENT)
        told = length(span.end_ns - span.start_ns) + (f", {more}" if more else "")
        yield f'<text x="{NAMES + depth * INDENT}" y="{y}">{escape(span.name)}</text>'
        yield f'<text x="{WHO}" y="{y}" fill="{colour}">{escape(span.node)}</text>'
        yield f'<rect x="{x:.1f}" y="{y - 10}" width="{wide:.1f}" height="11" rx="1.5" fill="{colour}"/>'
        yield f'<text x="{x + wide + 4:.1f}" y="{y}" font-size="9">{escape(told)}</text>'

    def _axis(self, height: int) -> Iterator[str]:
        for ns in range(0, self._took + 1, _step(self._took)):
            x = f"{self._x(self._began + ns):.1f}"
            yield f'<line x1="{x}" x2="{x}" y1="{TOP - 4}" y2="{height - FOOT}" stroke="{GRID}"/>'
            yield f'<text x="{x}" y="{TOP - 10}" text-anchor="middle">{ns / 1e9:g} s</text>'

    def _links(self) -> Iterator[str]:
        """From a span's beginning to the one that it links to."""
        for _, span in self._rows:
            for _, linked in span.links:
                if linked in self._y:
                    x = self._x(span.start_ns)
                    yield (
                        f'<path d="M{x:.1f} {self._y[span.id] - 10} V{self._y[linked] - 4}" stroke="{LINK}" '
                        'stroke-width="1.5" stroke-dasharray="4 3" fill="none"/>'
                    )
                    yield (
                        f'<text x="{x - 4:.1f}" y="{self._y[span.id] - LINE}" fill="{LINK}" '
                        'text-anchor="end" font-size="9">links to</text>'
                    )


def _walked(node: Node, depth: int = 0) -> Iterator[tuple[int, Told]]:
    yield depth, node.span
    for child in node.below:
        yield from _walked(child, depth + 1)


def _step(took_ns: int) -> int:
    """Between two ticks: 1, 2 or 5 of a power of ten, so that there are not too many."""
    power = 1
    while power * 10 * TICKS < took_ns:
        power *= 10
    return next(each * power for each in (1, 2, 5, 10) if each * power * TICKS >= took_ns)


def of_file(recorded: Path) -> str:
    """The picture of the message that was sent there."""
    collected = Collected(recorded)
    [trace] = {span.trace for span in collected.naming(SEND.name) if span.name == SEND.name}
    [spans] = collected.traces([trace])
    return drawn(spans)


def main() -> int:
    """Write the picture, or with --check say whether it is fresh."""
    text = of_file(RECORDED)
    if "--check" not in sys.argv:
        PICTURE.write_text(text)
        return 0
    if PICTURE.exists() and PICTURE.read_text() == text:
        return 0
    print("docs/trace.svg is not fresh: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
