"""Fuzz the session: `python -m tests.fuzz.session 60 [seed]` runs for 60 s and prints how many lives passed.

Every life is one connection under watch (tests/support/session_oracle.py), fed mutated traffic. One that
fails is printed with its seed, which repeats it; the exit code is then 1.
"""

import sys
import time
import traceback
from random import Random

from services.connection.core.admission import Limits
from tests.support.session_oracle import WatchedSession
from tests.support.session_traffic import drive

_LIMITS = (Limits(), Limits(channels=2, waiting_commands=4, waiting_bytes=400, message_bytes=3000))


def live_once(seed: int) -> bool:
    """One connection's life; False and a printed report when a rule was broken or anything was raised."""
    try:
        drive(Random(seed), WatchedSession(_LIMITS[seed % 2]), steps=60)
    except Exception:  # noqa: BLE001 - the root: whatever was raised is the finding
        print(f"seed {seed}:\n{traceback.format_exc()}")
        return False
    return True


def main(seconds: float, seed: int) -> int:
    """Run until the time is over; the first failures are enough."""
    passed = failed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end and failed < 3:
        seed += 1
        if live_once(seed):
            passed += 1
        else:
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 10.0, int(sys.argv[2]) if sys.argv[2:] else 0))
