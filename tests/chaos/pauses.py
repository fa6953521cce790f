"""How long somebody waited: the longest silence of a device that was owed something, while a fault was on.

Pure. A device is owed something in a conversation from its first try to send a message until it is
acknowledged, and from a person's message or a turn's start until a turn's end. A silence is the time between
two things it was told about that conversation. Devices a fault was done to themselves do not count.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Line = Mapping[str, Any]


@dataclass
class _Owed:
    unacknowledged: set[str] = field(default_factory=set)
    asked: bool = False
    since: float = 0.0

    def owed(self) -> bool:
        return bool(self.unacknowledged) or self.asked


def silences(lines: Iterable[Line]) -> Iterator[tuple[float, float]]:
    """(from, to) of every silence of one device while it was owed something."""
    parts: dict[str, _Owed] = {}
    for line in lines:
        if line["kind"] == "life":
            parts.clear()
        if not (conversation := line.get("conversation")):
            continue
        part = parts.setdefault(conversation, _Owed())
        if _is_news(line):
            if part.owed():
                yield part.since, line["t"]
            part.since = line["t"]
        owed_before = part.owed()
        _account(part, line)
        if not owed_before and part.owed():
            part.since = line["t"]


def longest(devices: Iterable[Sequence[Line]], begun: float, over: float) -> float:
    """The longest silence, in milliseconds, of those that were on between `begun` and `over`; 0: none."""
    return max(
        (
            (end - begin) * 1000
            for lines in devices
            for begin, end in silences(lines)
            if begin < over and end > begun
        ),
        default=0.0,
    )


def _is_news(line: Line) -> bool:
    """Whether the device was told something; its own tries and its way back are no news to a person."""
    kind = line["kind"]
    return kind in {"pub", "acked"} or (kind == "refused" and not line["temporary"])


def _account(part: _Owed, line: Line) -> None:
    kind = line["kind"]
    if kind == "send":
        part.unacknowledged.add(line["message"])
    elif kind == "acked" or (kind == "refused" and not line["temporary"]):
        part.unacknowledged.discard(line["message"])
    elif kind == "loaded":
        part.asked = False
    elif kind == "pub":
        event = line["event"]["type"]
        if event in {"message.created", "turn.started"}:
            part.asked = True
        elif event == "turn.finished":
            part.asked = False
