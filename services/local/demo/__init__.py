"""`continuo demo`: three demonstrations against freshly started services; says what it did and saw.

Called by the command line. Each demonstration is a module with `run(stage) -> faults`; an empty list means
that it held. Must never be kinder than a user would be: it looks only at what devices were shown and what
history says.
"""

import argparse
import tempfile
from pathlib import Path

from services.local.demo import consistency, devices, resume
from services.local.demo.stage import Stage
from services.local.ending import ending_in_a_line, stops_on_signals

DEMONSTRATIONS = {
    "consistency": consistency.run,
    "resume": resume.run,
    "devices": devices.run,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(DEMONSTRATIONS)
    parser.add_argument("which", nargs="*", type=_known, help=f"one or more of {names} (default: all)")


def _known(name: str) -> str:
    if name not in DEMONSTRATIONS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(DEMONSTRATIONS)}")
    return name


def run(given: argparse.Namespace) -> int:
    return ending_in_a_line("demo", _demo(given.which or list(DEMONSTRATIONS)))


async def _demo(chosen: list[str]) -> int:
    failed = []
    async with stops_on_signals():
        with tempfile.TemporaryDirectory(prefix="continuo-demo-") as folder:
            async with Stage(Path(folder), print) as stage:
                for name in chosen:
                    print(f"\n== {name}", flush=True)
                    faults = await DEMONSTRATIONS[name](stage)
                    for fault in faults:
                        print(f"  FAILED: {fault}", flush=True)
                    print(f"== {name}: {'failed' if faults else 'held'}", flush=True)
                    failed += [name] if faults else []
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nall held")
    return 1 if failed else 0
