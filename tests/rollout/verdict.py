"""What a run is told to have come to: why tries were refused, which promises were not kept, a way in words.

Pure but for reading what devices noted of refusals.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.rollout.measure import Measured
from tests.rollout.ways import Way


def refusals(folder: Path) -> dict[str, list[tuple[float, str]]]:
    """What devices noted of tries that came to nothing: when, and why in a few words."""
    return {
        file.stem: [
            (said["t"], reason(str(said["error"])))
            for said in map(msgspec.json.decode, file.read_bytes().splitlines())
        ]
        for file in sorted((folder / "refused").glob("*.jsonl"))
    }


def reason(error: str) -> str:
    """Why a handshake came to nothing, in a word or two."""
    if "503" in error:
        return "503"
    return "no connection" if "Connect" in error or "connect" in error else error[:60] or "closed"


def broken(way: Way, found: Sequence[Measured]) -> list[str]:
    """What a way promised and did not keep."""
    [one] = [each for each in found if each.name == way.name]
    wrong = {hops: count for hops, count in one.hops.items() if way.at_most and hops != way.at_most}
    return [f"{way.name}: {count} devices reconnected {hops} times" for hops, count in wrong.items()]


def told(one: Measured) -> str:
    """A way in some lines."""
    hops = ", ".join(f"{count} devices {hops} times" for hops, count in one.hops.items())
    refused = ", ".join(f"{count} ({why})" for why, count in one.refused.items()) or "none"
    lines = [f"{one.name}: {one.told}: {one.seconds:.0f} s", f"  reconnected: {hops}"]
    lines.append(f"  refused handshakes: {refused}; most hops begun in one second: {one.closes}")
    named = (("stalls", one.stalls), ("silences", one.silences), ("newcomers", one.newcomers))
    for what, spread in named:
        if spread:
            lines.append(
                f"  {what}: p50 {spread.p50:.0f} ms, p99 {spread.p99:.0f} ms,"
                f" most {spread.most:.0f} ms of {spread.count}"
            )
    return "\n".join(lines)
