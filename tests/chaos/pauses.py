"""How long somebody waited: the longest silence of a device that was owed something, while a fault was on.

Pure. A device is owed something in a conversation from its first try to send a message until it is
acknowledged, and from a person's message or a turn's start until a turn's end. A silence is the time between
two things it was told about that conversation. Devices that a fault was done to do not count.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.history import History
from tests.chaos.records import About, Acked, DeviceLine, Fault, FaultOver, Life, Loaded, Pub, Refused, Send

Silence = tuple[float, float]
NUMBERS_OF_A_ROUND = 1000
"""Faults of different rounds get different numbers."""


@dataclass
class _Owed:
    unacknowledged: set[str] = field(default_factory=set)
    asked: bool = False
    since: float = 0.0

    def owed(self) -> bool:
        return bool(self.unacknowledged) or self.asked


@dataclass(frozen=True, slots=True)
class Window:
    """A fault and the time until all was well again; hurt: devices it was done to."""

    n: int
    begun: float
    over: float
    hurt: tuple[str, ...] = ()


def silences(lines: Iterable[DeviceLine]) -> Iterator[Silence]:
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


def blamed(silence: Silence, windows: Sequence[Window]) -> int | None:
    """The number of the fault that a silence is put down to: that it shares most time with; None: no one."""
    begin, end = silence
    shared = [(min(end, window.over) - max(begin, window.begun), window.n) for window in windows]
    most, number = max(shared, default=(0.0, 0))
    return number if most > 0 else None


def with_pauses(history: History, number: int) -> list[Fault | FaultOver]:
    """A round's faults that came to pass, numbered apart from other rounds', with how long people waited."""
    begun = {fault.n: fault for fault in history.faults if isinstance(fault, Fault)}
    overs = [over for over in history.faults if isinstance(over, FaultOver) and over.target]
    windows = [
        Window(over.n, begun[over.n].t, over.t, tuple((over.target or "").split(","))) for over in overs
    ]
    longest_s = dict.fromkeys((window.n for window in windows), 0.0)
    hurt = {window.n: window.hurt for window in windows}
    for device, lines in history.devices.items():
        for begin, end in silences(lines):
            cause = blamed((begin, end), windows)
            if cause is not None and device not in hurt[cause]:
                longest_s[cause] = max(longest_s[cause], end - begin)
    told: list[Fault | FaultOver] = []
    for over in overs:
        place, fault = NUMBERS_OF_A_ROUND * number + over.n, begun[over.n]
        told.append(Fault(fault.t, fault.fault, place, over.target or ""))
        told.append(FaultOver(over.t, place, over.target, longest_s[over.n] * 1000))
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
