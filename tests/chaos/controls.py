"""`make chaos-controls`: the campaign with one protection taken out at a time; it must find each one missing.

A checker that finds nothing proves something only if it would have found it.
"""

import sys

from tests.chaos import run

CONTROLS = {
    # Acknowledged by a master whose replicas are behind, which then dies.
    "acks": ("redis.master.kill.lagging", 3, "lost,wrong acknowledgement,foreign"),
    # A worker that wakes up, or is back on the network, after it was replaced.
    "fencing": ("worker.freeze,link.worker.cut", 4, "two finals,thread,ran twice"),
    # A connection process that missed what was published.
    "merge": ("link.connection.reset,redis.master.kill", 4, "lost,repeated,reordered,foreign"),
    # Clients that send again what was accepted.
    "idempotency": ("step.3.accepted,connection.kill", 2, "repeated,two finals,wrong acknowledgement"),
    # Workers that die while an answer streams.
    "retraction": ("step.7.delta,worker.kill", 3, "left streaming"),
}
"""By protection: the faults that need it, how many of them, and what is found without it, one of these."""
SOUND = 6
"""Faults of the run with every protection on, in which nothing may be found."""


def _of(without: str, faults: str, count: int) -> list[str]:
    return ["--without", without, "--only", faults, "--faults", str(count)]


def main() -> int:
    """Run all controls; 1 if one protection was not missed, or something was found with all of them on."""
    union = sorted({fault for faults, _, _ in CONTROLS.values() for fault in faults.split(",")})
    if run.main(["--only", ",".join(union), "--faults", str(SOUND)]):
        print("FAILED: something was found with every protection on")
        return 1
    missed = [
        without
        for without, (faults, count, expected) in CONTROLS.items()
        if run.main([*_of(without, faults, count), "--rounds", "2", "--expects", expected])
    ]
    print(f"{len(CONTROLS) - len(missed)} of {len(CONTROLS)} missing protections were found")
    for without in missed:
        print(f"FAILED: nothing was found without {without}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
