"""How long somebody waited: the longest silence of a device that was owed something, while a fault was on.

Pure. A device is owed something in a conversation from its first try to send a message until it is
acknowledged, and from a person's message or a turn's start until a turn's end. A silence is the time between
two things it was told about that conversation. Devices that a fault was done to do not count.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.history import History
from tests.chaos.records import About, Acked, DeviceLine, Fault, FaultOver, Life, Loaded, Pub, Refused, Send

NUMBERS_OF_A_ROUND = 1000
"""Faults of different rounds get different numbers."""


@dataclass
class _Owed:
    unacknowledged: set[str] = field(default_factory=set)
    asked: bool = False
    since: float = 0.0

    def owed(self) -> bool:
        return bool(self.unacknowledged) or self.asked


def silences(lines: Iterable[DeviceLine]) -> Iterator[tuple[float, float]]:
    """(from, to) of every silence of one device while it was owed something."""
    parts: dict[str, _Owed] = {}
    for line in lines:
        if isinstance(line, Life):
            parts.clear()
        if not isinstance(line, About):
            continue
        part = parts.setdefault(line.conversation, _Owed())
        if _is_news(line):
            if part.owed():
                yield part.since, line.t
            part.since = line.t
        owed_before = part.owed()
        _account(part, line)
        if not owed_before and part.owed():
            part.since = line.t


def longest(devices: Iterable[Sequence[tuple[float, float]]], begun: float, over: float) -> float:
    """The longest silence, in milliseconds, of those that were on between `begun` and `over`; 0: none."""
    return max(
        ((end - begin) * 1000 for silent in devices for begin, end in silent if begin < over and end > begun),
        default=0.0,
    )


def with_pauses(history: History, number: int) -> list[Fault | FaultOver]:
    """A round's faults that came to pass, numbered apart from other rounds', with how long people waited."""
    silent = {name: list(silences(lines)) for name, lines in history.devices.items()}
    begun = {fault.n: fault for fault in history.faults if isinstance(fault, Fault)}
    told: list[Fault | FaultOver] = []
    for over in history.faults:
        if not isinstance(over, FaultOver) or not over.target:
            continue
        fault, place = begun[over.n], NUMBERS_OF_A_ROUND * number + over.n
        hurt = over.target.split(",")
        others = [each for name, each in silent.items() if name not in hurt]
        pause_ms = longest(others, fault.t, over.t)
        told.append(Fault(fault.t, fault.fault, place, over.target))
        told.append(FaultOver(over.t, place, over.target, pause_ms))
    return told


def _is_news(line: DeviceLine) -> bool:
    """Whether the device was told something; its own tries and its way back are no news to a person."""
    return isinstance(line, Pub | Acked) or (isinstance(line, Refused) and not line.temporary)


def _account(part: _Owed, line: DeviceLine) -> None:
    match line:
        case Send(message=message):
            part.unacknowledged.add(message)
        case Acked(message=message) | Refused(message=message, temporary=False):
            part.unacknowledged.discard(message)
        case Loaded():
            part.asked = False
        case Pub(event={"type": "message.created" | "turn.started"}):
            part.asked = True
        case Pub(event={"type": "turn.finished"}):
            part.asked = False
