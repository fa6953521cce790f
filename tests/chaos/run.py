"""`make chaos`: rounds of faults on the whole house, judged by what they left behind; prints the table.

Exit code 0: nothing was violated, nothing stayed stuck, and enough of the faults came to pass; with
`--without` (a control run), 0 when the checker caught that a protection was missing. A failure names the seed
and the folder with the history that shows it; `python -m tests.chaos.checker <folder>/history` judges that,
and `--again <folder...>` all rounds below some folders, of one run or several.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from tests.chaos import report
from tests.chaos.bars import measure
from tests.chaos.campaign import Round
from tests.chaos.checker import check
from tests.chaos.faults import FAULTS, deck
from tests.chaos.history import HistoryError, load
from tests.chaos.pauses import with_pauses
from tests.chaos.records import Done, Fault, FaultOver
from tests.chaos.sabotage import PROTECTIONS
from tests.chaos.violations import Violation
from tests.support import node

SHOWN = 40
"""Violations printed; all of them are in the history."""


@dataclass
class Run:
    """What all rounds came to."""

    seed: str
    faults: list[Fault | FaultOver] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)
    """Acknowledged ones, by RPC."""
    broke: str = ""
    """The error that ended it early."""

    def add(self, folder: Path, stuck: list[str], number: int, *, nobody_disconnected: bool = False) -> None:
        """Judge a round by its folder."""
        history = load(folder / "history")
        self.faults += with_pauses(history, number)
        lines = [line for noted in history.devices.values() for line in noted]
        self.deeds.update(line.method for line in lines if isinstance(line, Done))
        found = check(history, nobody_disconnected=nobody_disconnected, nothing_fails=True)
        for violation in found[:SHOWN]:
            print(f"round {number}: {violation}", flush=True)
        for each in history.replaced:
            print(f"round {number}: {each.master}, unhurt, was replaced by the Sentinels: {each.during}")
        self.violations += found
        self.stuck += stuck

    def summary(self) -> report.Summary:
        """The table."""
        summary = report.summarize(self.faults, self.violations, seed=self.seed)
        bars = [str(each) for each in measure(self.faults)]
        return msgspec.structs.replace(summary, bars=bars, deeds=dict(sorted(self.deeds.items())))

    def caught(self, expected: str) -> bool:
        """Whether a violation of one of the expected kinds was found; of any, when none is named."""
        kinds = {violation.kind.value for violation in self.violations}
        return bool(kinds & {*expected.split(",")} if expected else kinds)

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations and not self.stuck and not self.broke


def main(argv: Sequence[str] | None = None) -> int:
    """Play, judge, print; the exit code."""
    given = _arguments().parse_args(argv)
    if given.again:
        return _again(given)
    node.install()
    seed = given.seed or str(random.SystemRandom().randrange(10**6))
    home = Path(tempfile.mkdtemp(prefix="continuo-chaos-"))
    run = Run(seed)
    for number in range(1, given.rounds + 1):
        print(f"round {number} of {given.rounds}, seed {seed}{_but(given.without)}", flush=True)
        try:
            _play(run, home / f"round-{number}", number, given)
        except Exception as error:  # noqa: BLE001 - the rounds before it are judged all the same
            run.broke = traceback.format_exception_only(error)[-1].strip()
            break
        if given.without and run.caught(given.expects):
            break
    return _end(run, home, given)


def _play(run: Run, folder: Path, number: int, given: argparse.Namespace) -> None:
    dice = f"{run.seed} {number}"
    names = deck(given.faults, random.Random(f"deck {dice}"), chosen(given.only))
    playing = Round(folder, dice, names, given.without, wanders=not given.nobody_disconnected)
    outcome = asyncio.run(playing.run(lambda line: print(line, flush=True)))
    run.add(folder, outcome.stuck, number, nobody_disconnected=given.nobody_disconnected)


def _again(given: argparse.Namespace) -> int:
    """Judge what was recorded; a fault that ended stuck is noted in the history."""
    run = Run(given.seed)
    rounds = [history.parent for each in given.again for history in sorted(Path(each).rglob("history"))]
    if not rounds:
        raise SystemExit("no history is below these folders")
    for number, folder in enumerate(rounds, 1):
        try:
            run.add(folder, [], number, nobody_disconnected=given.nobody_disconnected)
        except (HistoryError, OSError) as error:
            raise SystemExit(f"{folder}: {error}") from error
    run.stuck += [
        f"fault {one.n}" for one in run.faults if isinstance(one, FaultOver) and one.note == "stuck"
    ]
    return _end(run, None, given)


def _end(run: Run, home: Path | None, given: argparse.Namespace) -> int:
    summary = run.summary()
    print("\n".join(report.as_text(summary).splitlines()[: len(summary.rows) + 2 + SHOWN]))
    print(report.told_of_deeds(summary))
    for stuck in run.stuck:
        print(f"stuck: {stuck}")
    if run.broke:
        print(f"the round broke: {run.broke}")
    if given.without and home:
        return _control_ends(run, home, given)
    measured = measure(run.faults)
    for each in measured:
        print(each)
    if given.results:
        report.write(summary, Path(given.results))
    wanted = given.at_least or (int(0.8 * given.faults * given.rounds) if home else 0)
    missed = [each.bar.what for each in measured if each.missed]
    if run.clean and summary.faults >= wanted and not missed:
        if home:
            shutil.rmtree(home)
        print(f"{summary.faults} faults, no violation (seed {run.seed})")
        return 0
    if missed:
        print(f"waited more than twice as long as the bar: {', '.join(missed)}")
    if summary.faults < wanted:
        print(f"only {summary.faults} faults came to pass, {wanted} are needed")
    print(f"FAILED with seed {run.seed}; the histories are in {home or ', '.join(given.again)}")
    return 1


def _control_ends(run: Run, home: Path, given: argparse.Namespace) -> int:
    kinds = ", ".join(sorted({violation.kind.value for violation in run.violations})) or "nothing"
    if run.caught(given.expects) and not run.broke:
        shutil.rmtree(home)
        print(f"without {given.without}: caught ({kinds})")
        return 0
    wanted = given.expects or "any violation"
    print(f"FAILED: without {given.without} {kinds} was found, not {wanted} (seed {run.seed})")
    print(f"the histories are in {home}")
    return 1


def chosen(patterns: str) -> list[str]:
    """The faults that globs name, all without any. Raises SystemExit for a glob that names none."""
    wanted: list[str] = []
    for pattern in patterns.split(",") if patterns else ["*"]:
        found = [name for name in FAULTS if fnmatchcase(name, pattern)]
        if not found:
            raise SystemExit(f"no fault is called {pattern}; there are {', '.join(FAULTS)}")
        wanted += found
    return wanted


def _but(without: str) -> str:
    return f", without {without}" if without else ""


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", default="", help="the dice; another at each run when not given")
    parser.add_argument("--faults", type=int, default=32, help="faults of a round")
    parser.add_argument("--rounds", type=int, default=1, help="rounds, each on a house of its own")
    parser.add_argument("--only", default="", help="only these faults, by globs with commas")
    parser.add_argument("--without", default="", choices=["", *PROTECTIONS], help="a control run")
    parser.add_argument("--expects", default="", help="a control run must find one of these, with commas")
    parser.add_argument("--again", nargs="+", default=[], help="judge recorded rounds below these folders")
    parser.add_argument("--nobody-disconnected", action="store_true", help="a lost connection is a violation")
    parser.add_argument("--at-least", type=int, default=0, help="faults that must have come to pass")
    parser.add_argument("--results", default="", help="keep the figures in this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
