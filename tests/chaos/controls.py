"""`make chaos-controls`: the campaign with one protection taken out at a time; it must find each one missing.

A checker that finds nothing proves something only if it would have found it.
"""

import sys

from tests.chaos import run

CONTROLS = {
    # Acknowledged by a master whose replicas are behind, which then dies.
    "acks": ("redis.master.kill.lagging", 3),
    # A worker that wakes up, or is back on the network, after it was replaced.
    "fencing": ("worker.freeze,link.worker.cut", 4),
    # A connection process that missed what was published.
    "merge": ("link.connection.reset,redis.master.kill", 4),
    # Clients that send again what was accepted.
    "idempotency": ("step.3.accepted,connection.kill", 2),
    # Workers that die while an answer streams.
    "retraction": ("step.7.delta,worker.kill", 3),
}
"""By protection: the faults that need it, and how many of them."""


def main() -> int:
    """Run all controls; 1 if one protection was not missed."""
    missed = [
        without
        for without, (faults, count) in CONTROLS.items()
        if run.main(["--without", without, "--only", faults, "--faults", str(count), "--rounds", "2"])
    ]
    print(f"{len(CONTROLS) - len(missed)} of {len(CONTROLS)} missing protections were found")
    for without in missed:
        print(f"FAILED: nothing was found without {without}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
