"""`make chaos-controls`: the campaign with one protection taken out at a time; it must find each one missing.

A checker that finds nothing proves something only if it would have found it.
"""

import argparse
import random
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

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
    # Edits that are kept and told to nobody: an event that is lost.
    "telling": ("client.hostile,connection.restart", 2, "lost"),
}
"""By protection: the faults that need it, how many of them, and what is found without it, one of these."""
OF_PRESENCE = {
    # A rolling restart where a presence service announces at once who has no seat.
    "grace": ("rolling", 150, "was said to have left and was away for"),
    # A server killed with some who do not come back: leaves that are told in every round, or too late.
    "once": ("lost", 150, "was told twice"),
    "expiry": ("lost", 150, "too late: its connections were gone"),
}
"""By protection: the steps of the presence run that need it, with how many devices, and what is found."""
CAMPAIGN, PRESENCE = "tests.chaos.run", "tests.chaos.presence_run"
SOUND = 6
"""Faults of the run with every protection on, in which nothing may be found."""
SOUNDLY = "every protection on"


def _arguments_of(without: str, faults: str, count: int, expected: str) -> list[str]:
    return [
        CAMPAIGN,
        "--without",
        without,
        "--only",
        faults,
        "--faults",
        str(count),
        "--rounds",
        "2",
        "--expects",
        expected,
    ]


def _presence_arguments_of(without: str, steps: str, devices: int, expected: str) -> list[str]:
    told = ["--steps", steps, "--devices", str(devices), "--expects", expected]
    return [PRESENCE, "--without", without, *told]


def _play(name: str, arguments: Sequence[str]) -> tuple[str, bool]:
    """Run one of them in a process of its own, whose lines are printed together; tell whether it held."""
    command = [sys.executable, "-m", *arguments]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(f"== {name}\n{ended.stdout}", flush=True)
    return name, ended.returncode == 0


def _campaigns() -> dict[str, list[str]]:
    union = sorted({fault for faults, _, _ in CONTROLS.values() for fault in faults.split(",")})
    sound = [CAMPAIGN, "--only", ",".join(union), "--faults", str(SOUND)]
    controls = {without: _arguments_of(without, *row) for without, row in CONTROLS.items()}
    of_presence = {without: _presence_arguments_of(without, *row) for without, row in OF_PRESENCE.items()}
    return {SOUNDLY: sound, **controls, **of_presence}


def main() -> int:
    """Run all controls; 1 if one protection was not missed, or something was found with all of them on."""
    parser = argparse.ArgumentParser(prog="make chaos-controls", description=__doc__)
    # One at a time unless there are cores to spare: where all links stand still for as long as the Sentinels
    # wait, they replace a master that lives, and what the replica they passed over confirmed is lost.
    parser.add_argument("--beside", type=int, default=1, help="campaigns at a time; each mostly waits")
    parser.add_argument("--some", type=int, help="so many of the controls, drawn anew each time, and no more")
    asked = parser.parse_args()
    beside, campaigns = asked.beside, _campaigns()
    missing = [name for name in campaigns if name != SOUNDLY]
    if asked.some:
        drawn = random.sample(missing, min(asked.some, len(missing)))
        campaigns = {name: campaigns[name] for name in drawn}
    with ThreadPoolExecutor(beside) as hands:
        held = dict(hands.map(_play, campaigns, campaigns.values()))
    played = [name for name in held if name != SOUNDLY]
    print(f"{sum(held[each] for each in played)} of {len(played)} missing protections were found")
    for name in (name for name, well in held.items() if not well):
        print(f"FAILED: {name}" if name == SOUNDLY else f"FAILED: nothing was found without {name}")
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
