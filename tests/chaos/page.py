"""docs/failure-modes.md, made of what the campaign measured: `python -m tests.chaos.page [--check]`.

The figures are those of the last `make chaos-long`, kept in docs/failure-modes.json; what faults mean to
users stands in `modes`.
"""

import sys
from pathlib import Path

from tests.chaos import report
from tests.chaos.faultpoints import POINTS
from tests.chaos.faults import FAULTS
from tests.chaos.modes import MODES, mode_of

HOUSE = Path(__file__).parents[2]
FIGURES = HOUSE / "docs/failure-modes.json"
PAGE = HOUSE / "docs/failure-modes.md"
LONG = 200
"""Faults of the long form, at least."""
FAILOVERS = ("redis.master.", "redis.failover.")
"""Their pauses are listed one by one."""

HEAD = """# Failure modes

Made by `make docs` from [failure-modes.json](failure-modes.json), which `make chaos-long` writes, and
from [tests/chaos/modes.py](../tests/chaos/modes.py); change it there.

The campaign runs two connection processes, two workers, presence, and Redis with two replicas and three
Sentinels, each a process of its own behind links that can be cut; three users, each with two devices on
the official Python client and one on the official JavaScript client, and two devices more, in processes of
their own, talk in three conversations all the while, and in one for people alone. They also edit, delete,
react, read, type, rename and rewind, invite guests who come and go, and change their roles; many do the same
twice.
One fault after the other is played, drawn at random; then [the checker](../tests/chaos/README.md)
compares what every device was handed with what the house holds. `make chaos-controls` takes out one
protection at a time and must be caught.

The *pause* is the longest silence of any device about one thing it was owed (the acknowledgement of a
message, news of a turn that runs, news of any turn while messages are queued) while the fault was on, the
time a fault was held on purpose included: a process frozen for 6 s makes those wait who depend on it. It
holds for this machine, two cores that run everything at once.
"""

PROMISE = """
## What cannot be promised

With `CONTINUO_ACKS=replica` the loss or the isolation of the master alone loses nothing that was
acknowledged, and shows nothing that is taken back later. Lost is what only the lost copies held: when the
master goes together with the only replica that was up to date, when a master is isolated together with
that replica and goes on confirming to itself, or when all copies are lost. With `CONTINUO_ACKS=master` a
failover can take back what was acknowledged and shown during the last moments of the old master; devices
are told by a reset (`recovered: false`), never left in silence. A code path of a graph runs at least
once: a node whose writes were durably stored does not run again, one that was under way does; tools get
the task's id as an idempotency key. A worker whose interpreter is blocked for longer than the lease by
code that holds its lock loses the conversation to another one.
"""


def page(summary: report.Summary) -> str:
    """The whole page."""
    rows = {row.fault: row for row in summary.rows}
    parts = [
        HEAD,
        _measured(summary),
        _table(summary),
        _pauses(summary),
        _presence(summary),
        "## What users see\n",
        _meanings(rows),
        PROMISE.strip(),
    ]
    return "\n".join(parts) + "\n"


def _measured(summary: report.Summary) -> str:
    found = len(summary.violations)
    told = "no violation" if not found else f"{found} violations"
    lines = [f"{summary.faults} faults (seed {summary.seed}): {told}."]
    if summary.deeds:
        lines.append(f"{report.told_of_deeds(summary)}.")
    return "## What was measured\n\n" + "\n\n".join(lines) + "\n"


def _table(summary: report.Summary) -> str:
    return report.as_markdown(summary) + "\n"


PRESENCE = """## Presence

The second half of `make chaos` (`tests/chaos/presence_run.py`) has 500 devices on the same house that say
nothing, and people of whom some do not come back; one fault after the other is played. Leaves and ghosts are
timed by the presence service's own notes of its rounds, and by the play's looks at Redis, never by when a
device got to hear of them. A limit is the promised time and what the machine took from the service in that
interval: of each of its rounds, how much more than a second it ended behind the one before, and 5 s more
behind a stall of over two seconds, after which leaves wait until every server was heard anew. A user who was
said to have left and was away for less than the grace, by its own devices' notes, is a violation, however
busy the machine is; of those who were away for longer at most 2 % are excused. In the end tokens are revoked,
and it is timed how long connections live that came with them.
"""


def _presence(summary: report.Summary) -> str:
    lines = [f"* {line}" for line in summary.presence]
    return PRESENCE + ("\n" + "\n".join(lines) + "\n" if lines else "")


def unplayed(summary: report.Summary) -> list[str]:
    """The kinds of faults that were never played."""
    played = {row.fault for row in summary.rows if row.times}
    return sorted(set(FAULTS) - played)


def lacking(summary: report.Summary) -> list[str]:
    """What the figures lack to be those of the long form, which has at least 200 faults, of every kind."""
    short = [f"only {summary.faults} faults"] if summary.faults < LONG else []
    return [*short, *(f"no {fault}" for fault in unplayed(summary))]


def _pauses(summary: report.Summary) -> str:
    parts = [*(f"* {bar}" for bar in summary.bars)]
    failovers = [row for row in summary.rows if row.pauses_ms and row.fault.startswith(FAILOVERS)]
    parts += [f"* `{row.fault}`, every pause: {_seconds(row.pauses_ms)} s" for row in failovers]
    if missing := unplayed(summary):
        parts.append(f"* not played in this run: {', '.join(f'`{fault}`' for fault in missing)}")
    return "".join(f"{part}\n" for part in parts)


def _seconds(pauses_ms: list[float]) -> str:
    return ", ".join(f"{pause / 1000:.1f}" for pause in sorted(pauses_ms))


def _meanings(rows: dict[str, report.Row]) -> str:
    lines = ["| fault | what happens | what users see | metric | shown by |", "|---|---|---|---|---|"]
    for mode in MODES:
        metrics = ", ".join(f"`continuo_{name}`" for name in mode.metrics)
        played = sum(row.times for name, row in rows.items() if _is_of(name, mode.faults))
        shown = [f"`{test}`" for test in mode.tests]
        tests = ", ".join([*shown, f"`make chaos` ({played} times)"] if played else shown)
        lines.append(f"| `{mode.faults}` | {mode.what} | {mode.seen} | {metrics} | {tests} |")
    steps = [
        f"`step.{point.name}`: {'after' if point.after else 'before'} `{point.target}`" for point in POINTS
    ]
    return "\n".join([*lines, "", "The fault points: " + "; ".join(steps) + ".", ""])


def _is_of(fault: str, faults: str) -> bool:
    try:
        return mode_of(fault).faults == faults
    except LookupError:
        return False


def main() -> int:
    """Write the page, or with --check say whether it is fresh."""
    text = page(report.read(FIGURES))
    if "--check" not in sys.argv:
        PAGE.write_text(text)
        return 0
    if PAGE.read_text() == text:
        return 0
    print("docs/failure-modes.md is not fresh: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
