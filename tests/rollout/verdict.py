"""What a run is told to have come to: why tries were refused, which promises were not kept, a way in words.

Pure but for reading what devices noted of refusals.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.rollout.measure import Measured
from tests.rollout.paced import Pace
from tests.rollout.ways import Way

LATE = "too late"
"""What a busy machine may bring about by itself: it is told, and no failure."""


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
    if "timed out" in error or "imeout" in error:
        return LATE
    return "no connection" if "Connect" in error or "connect" in error else error[:60] or "closed"


def broken(way: Way, found: Sequence[Measured]) -> list[str]:
    """What a way promised and did not keep."""
    [one] = [each for each in found if each.name == way.name]
    wrong = {hops: count for hops, count in one.hops.items() if way.at_most and hops != way.at_most}
    refused = {why: count for why, count in one.refused.items() if way.lets_in and why != LATE}
    return [
        *(f"{way.name}: {count} devices reconnected {hops} times" for hops, count in wrong.items()),
        *(f"{way.name}: {count} handshakes were refused ({why})" for why, count in refused.items()),
        *([f"{way.name}: {what}" for what in _out_of_pace(one.pace, one.lost)] if one.pace else []),
    ]


def _out_of_pace(pace: Pace, lost: int) -> list[str]:
    """What servers did otherwise than a drain does. lost: connections that devices lost meanwhile."""
    found = []
    if pace.tightest and not pace.tightest.kept:
        found.append(f"too fast: {pace.tightest}")
    if pace.closes < lost:
        found.append(f"unsaid: devices lost {lost} connections, and servers told only {pace.closes} to go")
    if pace.cut:
        found.append(f"cut: {pace.cut} connections at a deadline")
    return found


def told(one: Measured) -> str:
    """A way in some lines."""
    hops = ", ".join(f"{count} devices {hops} times" for hops, count in one.hops.items())
    refused = ", ".join(f"{count} ({why})" for why, count in one.refused.items()) or "none"
    lines = [f"{one.name}: {one.told}: {one.seconds:.0f} s", f"  reconnected: {hops}"]
    lines.append(f"  refused handshakes: {refused}; most hops begun in one second: {one.closes}")
    if one.pace:
        alone = f", {one.pace.alone} without Redis" if one.pace.alone else ""
        lines.append(
            f"  servers: {one.pace.closes} closes{alone}, most in one second {one.pace.in_a_second};"
            f" tightest: {one.pace.tightest or 'none'}"
        )
    named = (("stalls", one.stalls), ("silences", one.silences), ("newcomers", one.newcomers))
    for what, spread in named:
        if spread:
            lines.append(
                f"  {what}: p50 {spread.p50:.0f} ms, p99 {spread.p99:.0f} ms,"
                f" most {spread.most:.0f} ms of {spread.count}"
            )
    return "\n".join(lines)
