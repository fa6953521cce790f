"""Turns of one run of the agents' bench: medians, verdict, the page's section. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

FIRST_MS = {1: 10.0, 20: 60.0, 100: 300.0}
"""Median from send to first delta, at most, by turns at a time; of the graph that does not pause."""
OVERHEAD_BYTES = 120.0
"""Bytes of a token's delta beyond its text, at most, on average, at 20 ms a token."""
TOKENS = 100


@dataclass(frozen=True)
class Way:
    """One turn. first, final: seconds from its being sent. said: characters that came as deltas.
    deltas_bytes: what these weighed on the wire; all_bytes: all events of the turn.
    """

    first: float
    final: float
    said: int
    deltas_bytes: int
    all_bytes: int


@dataclass(frozen=True)
class Cell:
    """One graph at one number of turns at a time, bare and served in turns."""

    graph: str
    at_once: int
    bare: tuple[Way, ...]
    served: tuple[Way, ...]

    def first_ms(self, *, served: bool = True) -> float:
        return median(way.first for way in (self.served if served else self.bare)) * 1000

    def final_ms(self, *, served: bool = True) -> float:
        return median(way.final for way in (self.served if served else self.bare)) * 1000

    def overhead(self) -> float:
        """Bytes of deltas beyond their text, a token."""
        said = sum(way.said for way in self.served)
        whole = sum(way.deltas_bytes for way in self.served)
        return (whole - said) * TOKEN_CHARACTERS / said if said else 0.0

    def whole_overhead(self) -> float:
        """The same of all events of a turn, the final text once more included."""
        turns = len(self.served)
        return sum(way.all_bytes for way in self.served) / turns / TOKENS - TOKEN_CHARACTERS


TOKEN_CHARACTERS = 6


@dataclass(frozen=True)
class Run:
    """All cells."""

    cells: tuple[Cell, ...]


def verdict(run: Run) -> Iterator[tuple[str, bool]]:
    """Each target in a line, and whether it is met."""
    for cell in run.cells:
        if cell.graph == "fast":
            took, most = cell.first_ms(), FIRST_MS[cell.at_once]
            told = f"first delta of {cell.at_once} turns at a time: {took:.1f} ms"
            yield f"{told} (target {most:.0f})", took <= most
        else:
            bytes_ = cell.overhead()
            told = f"bytes around a token at 20 ms each, {cell.at_once} turns: {bytes_:.0f}"
            yield f"{told} (target {OVERHEAD_BYTES:.0f})", bytes_ <= OVERHEAD_BYTES


def section(run: Run) -> list[str]:
    """Its lines."""
    return [
        "## Agents",
        "",
        f"A graph of one node whose model says {TOKENS} tokens of {TOKEN_CHARACTERS} characters, without a",
        "pause (`fast`) and with 20 ms before each (`slow`), served to a device of its own for each turn:",
        "from `conversation.send` to the first delta and to the final, in milliseconds, medians. *x* is over",
        "the same graph run bare by `graph.astream` in the driver's process right before, as many turns at a",
        "time. The worker has a core, everything else the other. Every token of every turn came once, in its",
        "place. Bytes: those of the deltas' WebSocket frames beyond the text, and of all events of a turn,",
        "its final included, beyond one text.",
        "",
        "| graph | turns | first delta | x | final | x | bytes a token, deltas | all |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_row, run.cells),
        "",
        "Targets: first delta of `fast` at most "
        + ", ".join(f"{most:.0f} ms at {at_once}" for at_once, most in FIRST_MS.items())
        + f"; of `slow` at most {OVERHEAD_BYTES:.0f} bytes a token.",
        "",
    ]


def _row(cell: Cell) -> str:
    first, final = cell.first_ms(), cell.final_ms()
    over_first, over_final = first / cell.first_ms(served=False), final / cell.final_ms(served=False)
    return (
        f"| {cell.graph} | {cell.at_once} | {first:.1f} | {over_first:.1f} | {final:.1f} | {over_final:.2f}"
        f" | {cell.overhead():.0f} | {cell.whole_overhead():.0f} |"
    )
