"""What a run of the campaign comes to: per fault how often, how long people waited, and what broke.

Pure but for the summary's reader and writer. A violation counts for the last fault that began before it;
those without a time, found in what the house holds at the end, have a row of their own.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from tests.chaos.records import Fault, FaultOver
from tests.chaos.violations import Violation

AT_THE_END = "(found at the end)"
BEFORE_ANY = "(before any fault)"
COLUMNS = ("fault", "times", "pause p50 ms", "pause p99 ms", "violations")


class Row(msgspec.Struct, frozen=True):
    """One fault. pauses_ms: the longest wait of each injection, in the order they were played; p50_ms and
    p99_ms: of these, None when none was measured.
    """

    fault: str
    times: int
    p50_ms: float | None
    p99_ms: float | None
    violations: int
    pauses_ms: list[float] = []


class Broken(msgspec.Struct, frozen=True):
    """A violation as the summary keeps it."""

    kind: str
    conversation: str
    who: str
    detail: str
    t: float | None = None


class Summary(msgspec.Struct, frozen=True):
    """A whole run. seed: several with commas, if it was of several; bars: what was measured against them;
    deeds: what people did beside saying something and was acknowledged, how often by RPC; presence: what
    `presence_run` came to, in lines.
    """

    seed: str
    rows: list[Row]
    violations: list[Broken]
    bars: list[str] = []
    deeds: dict[str, int] = {}
    presence: list[str] = []

    @property
    def faults(self) -> int:
        """How many faults were injected."""
        return sum(row.times for row in self.rows)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all values does not exceed; None of no values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def summarize(
    faults: Iterable[Fault | FaultOver], violations: Sequence[Violation], *, seed: str = ""
) -> Summary:
    """Make the table of a run; faults that came to nothing are not in it."""
    faults = list(faults)
    void = {over.n for over in faults if isinstance(over, FaultOver) and over.target == ""}
    injected = [fault for fault in faults if isinstance(fault, Fault) and fault.n not in void]
    injected.sort(key=lambda fault: fault.t)
    names = {fault.n: fault.fault for fault in injected}
    pauses: dict[str, list[float]] = defaultdict(list)
    for over in faults:
        if isinstance(over, FaultOver) and over.n in names and over.pause_ms is not None:
            pauses[names[over.n]].append(over.pause_ms)
    times = Counter(fault.fault for fault in injected)
    blamed = Counter(_blamed(violation, injected) for violation in violations)
    rows = [_row(fault, times[fault], pauses[fault], blamed[fault]) for fault in sorted({*times, *blamed})]
    broken = [Broken(one.kind, one.conversation, one.who, one.detail, one.t) for one in violations]
    return Summary(seed, rows, broken)


def _blamed(violation: Violation, injected: Sequence[Fault]) -> str:
    if violation.t is None:
        return AT_THE_END
    before = [fault.fault for fault in injected if fault.t <= violation.t]
    return before[-1] if before else BEFORE_ANY


def _row(fault: str, times: int, pauses: Sequence[float], violations: int) -> Row:
    return Row(fault, times, percentile(pauses, 0.5), percentile(pauses, 0.99), violations, list(pauses))


def as_text(summary: Summary) -> str:
    """The table for a terminal, and every violation below it."""
    table = [COLUMNS, *_cells(summary)]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    lines = ["  ".join(_aligned(line, widths)).rstrip() for line in table]
    return "\n".join([*lines, *(f"{one.kind}: {one.detail} ({one.who})" for one in summary.violations)])


def as_markdown(summary: Summary) -> str:
    """The table for a page."""
    head = [f"| {' | '.join(COLUMNS)} |", "|---|" + "---:|" * (len(COLUMNS) - 1)]
    return "\n".join([*head, *(f"| {' | '.join(cells)} |" for cells in _cells(summary))])


def _cells(summary: Summary) -> list[tuple[str, ...]]:
    rows = [
        (row.fault, str(row.times), _ms(row.p50_ms), _ms(row.p99_ms), str(row.violations))
        for row in summary.rows
    ]
    return [*rows, ("all", str(summary.faults), "", "", str(len(summary.violations)))]


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]


def told_of_deeds(summary: Summary) -> str:
    """What people did beside saying something, in a line."""
    each = ", ".join(f"{method} {count}" for method, count in summary.deeds.items())
    return f"{sum(summary.deeds.values())} deeds of people were acknowledged: {each or 'none'}"


def write(summary: Summary, file: Path) -> None:
    """Keep a summary as JSON."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")


def read(file: Path) -> Summary:
    """Read one that `write` kept."""
    return msgspec.json.decode(file.read_bytes(), type=Summary)
