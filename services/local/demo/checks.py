"""What must be true of what devices were shown: each check returns the faults it found, in words.

Called by the demonstrations. Pure.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from services.local.following import Followed
from services.local.line import Line, line_of


def same_logs(devices: Mapping[str, Followed]) -> list[str]:
    """Every device shows what the first one shows: same messages, same order, same texts."""
    (first_name, first), *others = devices.items()
    expected = first.log.lines()
    return [
        f"{name} and {first_name} differ {_difference(followed.log.lines(), expected)}"
        for name, followed in others
        if followed.log.lines() != expected
    ]


def as_history(devices: Mapping[str, Followed], messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every device shows what the server keeps."""
    kept = tuple(line_of(one) for one in messages)
    return [
        f"{name} and the history differ {_difference(followed.log.lines(), kept)}"
        for name, followed in devices.items()
        if followed.log.lines() != kept
    ]


def sound_streams(devices: Mapping[str, Followed]) -> list[str]:
    """Nothing was delivered twice or out of order, no live event is missing, every piece of text fitted."""
    faults = []
    for name, followed in devices.items():
        offsets = [offset for offset, _ in followed.seen]
        if any(later <= earlier for earlier, later in pairwise(offsets)):
            faults.append(f"{name} was shown an event twice or out of order")
        if hole := _hole(followed):
            faults.append(f"{name} was never shown event {hole}")
        if followed.log.misfits:
            faults.append(f"{name} was shown {followed.log.misfits} pieces of text that did not fit")
        if followed.log.repeats:
            faults.append(f"{name} was shown {followed.log.repeats} messages twice")
    return faults


def _hole(followed: Followed) -> int | None:
    """The first offset missing between live events; recovery after a reconnect leaves out the pieces of
    finished texts.
    """
    ends = [*followed.sessions[1:], len(followed.seen)]
    for begin, end in zip(followed.sessions, ends, strict=True):
        recovered = begin > 0
        offsets = [offset for offset, _ in followed.seen[begin:end]]
        if not recovered:
            for earlier, later in pairwise(offsets):
                if later > earlier + 1:
                    return earlier + 1
    return None


def _difference(seen: Sequence[Line], expected: Sequence[Line]) -> str:
    for number, (one, other) in enumerate(zip(seen, expected, strict=False), start=1):
        if one != other:
            return f"in message {number}: {one!r} is not {other!r}"
    return f"in length: {len(seen)} and {len(expected)} messages"
