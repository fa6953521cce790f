"""`make rollout`: every connection server is replaced while devices talk; the campaign's checker judges.

Exit code 0: nothing was violated, nothing stayed stuck, and where a way promises it no device reconnected
more than once, and each did. A failure names the seed and the folder with the history that shows it;
`python -m tests.chaos.checker <folder>/history` judges that.
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
from tests.rollout.play import Play, Size
from tests.rollout.verdict import broken, refusals, told
from tests.rollout.ways import LONG, SHORT, Way

SHOWN = 40
SIZES = {
    "short": (Size(devices=120, groups=2, newcomers=60), SHORT),
    "long": (Size(devices=500, groups=4, newcomers=150, token_ms=300, pause_s=(20.0, 60.0)), LONG),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Play, judge, measure, print; the exit code."""
    given = _arguments().parse_args(argv)
    size, ways = SIZES[given.form]
    if given.devices:
        size = replace(size, devices=given.devices)
    if given.only:
        ways = tuple(way for way in LONG if way.name in given.only.split(","))
    seed = given.seed or str(random.SystemRandom().randrange(10**6))
    folder = Path(tempfile.mkdtemp(prefix="continuo-rollout-"))
    print(f"{size.devices} devices, seed {seed}, {folder}", flush=True)
    play = Play(folder, seed, size, ways, lambda line: print(f"  {line}", flush=True))
    try:
        asyncio.run(play.run())
        results = judged(folder / "history", seed, size, ways)
    except Exception:  # noqa: BLE001 - what broke is told with the folder that shows it
        traceback.print_exc()
        return _failed(folder, seed, ["the run broke"])
    print("\n".join(map(told, results.ways)))
    faults = [*results.violations, *play.stuck, *(why for way in ways for why in broken(way, results.ways))]
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
    """A run's results from its history."""
    history = load(folder)
    lines = [line for noted in history.devices.values() for line in noted]
    return Results(
        seed=seed,
        devices=len(history.devices),
        rate=size.design().fleet_rate,
        events=sum(isinstance(line, Pub) for line in lines),
        acknowledged=sum(isinstance(line, Acked) for line in lines),
        violations=[str(each) for each in check(history, nothing_fails=True)],
        ways=measured(history, refusals(folder), ways),
    )


def _failed(folder: Path, seed: str, faults: list[str]) -> int:
    for fault in faults[:SHOWN]:
        print(f"FAILED: {fault}")
    print(f"FAILED with {len(faults)} faults and seed {seed}; the history is in {folder}/history")
    return 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make rollout", description=__doc__)
    parser.add_argument("form", choices=SIZES, help="how many devices, and in which ways")
    parser.add_argument("--seed", default="", help="the dice; another at each run when not given")
    parser.add_argument("--devices", type=int, default=0, help="so many instead")
    parser.add_argument("--only", default="", help="only these ways, with commas")
    parser.add_argument("--results", default="", help="keep the figures in this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
