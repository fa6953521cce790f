"""Fuzz what clients can reach: `python -m tests.fuzz.run 60 [seed]` runs for 60 s and counts the lives.

Lives take turns: a watched session (session.py), a socket's frames (frames.py). One that fails is printed
with its lane and seed, which repeat it; the exit code is then 1.
"""

import sys
import time
import traceback
from collections.abc import Callable

from tests.fuzz import frames, session

LANES: dict[str, Callable[[int], None]] = {"session": session.live_once, "frames": frames.live_once}


def passes(lane: str, seed: int) -> bool:
    """Live once; False and a printed report when a rule was broken or anything was raised."""
    try:
        LANES[lane](seed)
    except Exception:  # noqa: BLE001 - the root: whatever was raised is the finding
        print(f"{lane}, seed {seed}:\n{traceback.format_exc()}")
        return False
    return True


def main(seconds: float, seed: int) -> int:
    """Run until the time is over; the first failures are enough."""
    passed = failed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end and failed < 3:
        seed += 1
        for lane in LANES:
            if passes(lane, seed):
                passed += 1
            else:
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 10.0, int(sys.argv[2]) if sys.argv[2:] else 0))
