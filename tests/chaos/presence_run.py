"""`make chaos`, second part: presence under 500 devices, judged, with a line for each step.

Exit code 0: every promise of docs/presence.md was kept in the steps played; with `--without` (a control run),
0 when what is expected was found. A failure names the seed and the folder with the history that shows it.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.chaos import report
from tests.chaos.checker import check
from tests.chaos.history import load
from tests.chaos.presence_judge import Judge, Verdict, count_devices
from tests.chaos.presence_people import Size
from tests.chaos.presence_play import STEPS, PresencePlay
from tests.chaos.sabotage import PROTECTIONS

SHOWN = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Play, judge, print; the exit code."""
    given = _arguments().parse_args(argv)
    seed = given.seed or str(random.SystemRandom().randrange(10**6))
    folder = Path(tempfile.mkdtemp(prefix="continuo-presence-"))
    steps = [step for step in STEPS if step in given.steps.split(",")]
    but = f", without {given.without}" if given.without else ""
    print(f"presence: {given.devices} devices, seed {seed}{but}", flush=True)
    began = time.monotonic()
    try:
        verdict = _played(folder, seed, steps, given)
    except Exception:  # noqa: BLE001 - what broke is told with the folder that shows it
        traceback.print_exc()
        return _failed(folder, seed, ["the run broke"])
    print("\n".join(f"  {line}" for line in verdict.lines))
    if given.without:
        return _control_ends(folder, seed, verdict.faults, given)
    if verdict.faults:
        return _failed(folder, seed, verdict.faults)
    if given.results:
        _keep(
            Path(given.results), [f"{count_devices(folder / 'history')} devices, seed {seed}", *verdict.lines]
        )
    shutil.rmtree(folder)
    took_s = time.monotonic() - began
    print(f"presence: {len(steps)} steps, no flap, no ghost, every leave once (seed {seed}, {took_s:.0f} s)")
    return 0


def _played(folder: Path, seed: str, steps: Sequence[str], given: argparse.Namespace) -> Verdict:
    def say(line: str) -> None:
        print(f"  {line}", flush=True)

    playing = PresencePlay(folder, seed, Size.of(given.devices), steps, say)
    asyncio.run(playing.run(given.without))
    verdict = Judge(folder / "history").verdict()
    verdict.faults += [str(each) for each in check(load(folder / "history"))]
    verdict.faults += [f"stuck: {each}" for each in playing.stuck]
    return verdict


def _keep(file: Path, lines: list[str]) -> None:
    """Put the figures beside those of the campaign."""
    report.write(msgspec.structs.replace(report.read(file), presence=lines), file)


def _failed(folder: Path, seed: str, faults: list[str]) -> int:
    for fault in faults[:SHOWN]:
        print(f"FAILED: {fault}")
    print(f"FAILED with {len(faults)} faults and seed {seed}; the history is in {folder}/history")
    return 1


def _control_ends(folder: Path, seed: str, faults: list[str], given: argparse.Namespace) -> int:
    caught = [fault for fault in faults if given.expects in fault]
    for fault in faults[:SHOWN]:
        print(f"  found: {fault}")
    if caught:
        shutil.rmtree(folder)
        print(f"without {given.without}: caught ({len(caught)} times: {given.expects})")
        return 0
    print(f"FAILED: without {given.without} nothing was found that is: {given.expects} (seed {seed})")
    print(f"the history is in {folder}/history")
    return 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", default="", help="the dice; another at each run when not given")
    parser.add_argument("--devices", type=int, default=500, help="how many")
    parser.add_argument("--steps", default=",".join(STEPS), help="only these, with commas")
    parser.add_argument("--without", default="", choices=["", *PROTECTIONS], help="a control run")
    parser.add_argument("--expects", default="", help="what a control run must find in a fault's text")
    parser.add_argument("--results", default="", help="keep the figures in this file, a campaign's")
    return parser


if __name__ == "__main__":
    sys.exit(main())
