"""`make rollout`: every connection server is replaced while devices talk; the campaign's checker judges.

Exit code 0: nothing was violated, nothing stayed stuck, the servers closed no faster than their fleet's
budget lets them, and where a way promises it no device reconnected more than once, and each did, and no
handshake was refused. With `--without` (a control run) 0 when all that is expected was found. A failure
names the seed and the folder with the history that shows it; `python -m tests.chaos.checker <folder>/history`
judges that.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from tests.chaos.checker import check
from tests.chaos.history import load
from tests.chaos.records import Acked, Pub
from tests.rollout.measure import Results, measured
from tests.rollout.paced import told_by_servers
from tests.rollout.play import Play, Size
from tests.rollout.sabotage import PROTECTIONS
from tests.rollout.verdict import broken, refusals, told
from tests.rollout.ways import CONTROL, SHORT, WHOLE, Way

SHOWN = 40
SHOWN_OF_A_CONTROL = 5
SIZES = {
    "control": (Size(devices=60, groups=1, newcomers=30, pause_s=(5.0, 15.0), pod_share=1.0), CONTROL),
    "short": (Size(devices=120, groups=2, newcomers=60), SHORT),
    "whole": (Size(devices=500, groups=4, newcomers=150, token_ms=300, pause_s=(20.0, 60.0)), WHOLE),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Play, judge, measure, print; the exit code."""
    given = _arguments().parse_args(argv)
    size, ways = SIZES[given.form]
    if given.devices:
        size = replace(size, devices=given.devices)
    if given.only:
        ways = tuple(way for way in WHOLE if way.name in given.only.split(","))
    seed = given.seed or str(random.SystemRandom().randrange(10**6))
    folder = Path(tempfile.mkdtemp(prefix="continuo-rollout-"))
    but = f", without {given.without}" if given.without else ""
    print(f"{size.devices} devices, seed {seed}{but}, {folder}", flush=True)
    play = Play(folder, seed, size, ways, lambda line: print(f"  {line}", flush=True), given.without)
    try:
        asyncio.run(play.run())
        results = judged(folder, seed, size, ways)
    except Exception:  # noqa: BLE001 - what broke is told with the folder that shows it
        traceback.print_exc()
        return _failed(folder, seed, ["the run broke"])
    print("\n".join(map(told, results.ways)))
    faults = [*results.violations, *play.stuck, *(why for way in ways for why in broken(way, results.ways))]
    if given.without:
        return _control_ends(folder, seed, faults, given)
    if faults:
        return _failed(folder, seed, faults)
    if given.results:
        Path(given.results).write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    shutil.rmtree(folder)
    print(
        f"no violation in {results.events} events and {results.acknowledged} acknowledgements"
        f" of {results.devices} devices (seed {seed})"
    )
    return 0


def judged(folder: Path, seed: str, size: Size, ways: Sequence[Way]) -> Results:
    """A run's results from its history and its servers' logs."""
    history, rate = load(folder / "history"), size.design().fleet_rate
    lines = [line for noted in history.devices.values() for line in noted]
    return Results(
        seed=seed,
        devices=len(history.devices),
        rate=rate,
        events=sum(isinstance(line, Pub) for line in lines),
        acknowledged=sum(isinstance(line, Acked) for line in lines),
        violations=[str(each) for each in check(history, nothing_fails=True)],
        ways=measured(history, refusals(folder / "history"), ways, told_by_servers(folder / "logs"), rate),
    )


def _failed(folder: Path, seed: str, faults: list[str]) -> int:
    for fault in faults[:SHOWN]:
        print(f"FAILED: {fault}")
    print(f"FAILED with {len(faults)} faults and seed {seed}; the history is in {folder}/history")
    return 1


def _control_ends(folder: Path, seed: str, faults: list[str], given: argparse.Namespace) -> int:
    """A control run succeeds when each thing that is expected stands in some fault."""
    unseen = [each for each in given.expects.split(",") if not any(each in fault for fault in faults)]
    for fault in faults[:SHOWN_OF_A_CONTROL]:
        print(f"  found: {fault}")
    if unseen:
        print(f"FAILED: without {given.without} nothing was found that is: {', '.join(unseen)} (seed {seed})")
        print(f"the history is in {folder}/history")
        return 1
    shutil.rmtree(folder)
    print(f"without {given.without}: caught ({given.expects})", flush=True)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make rollout", description=__doc__)
    parser.add_argument("form", choices=SIZES, help="how many devices, and in which ways")
    parser.add_argument("--seed", default="", help="the dice; another at each run when not given")
    parser.add_argument("--devices", type=int, default=0, help="so many instead")
    parser.add_argument("--only", default="", help="only these ways, with commas")
    parser.add_argument("--without", default="", choices=["", *PROTECTIONS], help="a control run")
    parser.add_argument("--expects", default="", help="what a control run must find, all of it, with commas")
    parser.add_argument("--results", default="", help="keep the figures in this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
