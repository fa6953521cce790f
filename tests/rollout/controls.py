"""`make rollout-controls`: small rollouts with one protection taken out at a time; each must be missed.

A checker that finds nothing proves something only if it would have found it.
"""

import sys

from tests.rollout import run

CONTROLS = {
    # Pods that share no budget close faster together than the fleet may, each within its own rate.
    "budget": "too fast",
    # All connections of a pod closed at once.
    "pace": "too fast",
    # Recovered, says the server, and hands out nothing of what was missed.
    "resume": "lost",
    # A process that ends at once: handshakes that are still sent to it, and connections it told nothing.
    "lame-duck": "handshakes were refused,unsaid",
}
"""By protection: what is found without it, each of these."""


def main() -> int:
    """Run all controls; 1 if one protection was not missed, or something was found with all of them on."""
    if run.main(["control"]):
        print("FAILED: something was found with every protection on")
        return 1
    missed = [
        without
        for without, expected in CONTROLS.items()
        if run.main(["control", "--without", without, "--expects", expected])
    ]
    print(f"{len(CONTROLS) - len(missed)} of {len(CONTROLS)} missing protections were found")
    for without in missed:
        print(f"FAILED: nothing was found without {without}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
