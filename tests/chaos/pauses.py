"""How long somebody waited: the longest silence about one thing a device was owed, while a fault was on.

Pure. Three things are owed in a conversation, and each has silences of its own, whatever else is told there:
a message that was sent, its acknowledgement; a turn that runs, news of that turn, until it ends; people's
messages that no turn answers yet, news of some turn. Devices that a fault was done to do not count, and
neither does the time a device was away by its own wish.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.history import History
from tests.chaos.records import (
    About,
    Acked,
    Connected,
    DeviceLine,
    Disconnected,
    Fault,
    FaultOver,
    Life,
    Loaded,
    Pub,
    Refused,
    Send,
)

Silence = tuple[float, float]
Turns = Mapping[str, Sequence[str]]
"""The messages each turn answers; a turn that was cancelled while it was queued tells them nowhere else."""
NUMBERS_OF_A_ROUND = 1000
"""Faults of different rounds get different numbers."""
OF_A_TURN = (
    "turn.started",
    "turn.finished",
    "message.started",
    "message.delta",
    "message.completed",
    "message.retracted",
    "tool.started",
    "tool.delta",
    "tool.finished",
    "reasoning.started",
    "reasoning.delta",
    "reasoning.completed",
    "subagent.started",
    "subagent.delta",
    "subagent.finished",
    "agent.custom",
)


@dataclass
class _Owed:
    """What a device is owed in one conversation. Times are those of the last news of each."""

    unacknowledged: dict[str, float] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    some_turn: float = 0.0
    turn_of: dict[str, str] = field(default_factory=dict)

    def read_anew(self) -> None:
        """A page of the history tells where everything stands: nothing about turns is owed."""
        self.running.clear()
        self.waiting.clear()

    def back(self, t: float) -> None:
        """The device was away by its own wish until now."""
        self.unacknowledged = dict.fromkeys(self.unacknowledged, t)
        self.running = dict.fromkeys(self.running, t)
        self.some_turn = t

    def asked(self, message: str, t: float) -> None:
        """A person's message was told."""
        if not self.waiting:
            self.some_turn = t
        self.waiting.add(message)

    def told(self, pub: Pub, turns: Turns) -> Iterator[Silence]:
        """News of a turn ends its silence, and that of those who wait for any."""
        event, t = pub.event, pub.t
        if self.waiting:
            yield self.some_turn, t
        self.some_turn = t
        turn = self._turn(event)
        if turn in self.running:
            yield self.running[turn], t
            self.running[turn] = t
        if event["type"] == "turn.started":
            self.running[turn] = t
        if event["type"] == "turn.finished":
            self.running.pop(turn, None)
        if event["type"].startswith("turn."):
            self.waiting -= {*event.get("messages", ()), *turns.get(turn, ())}

    def _turn(self, event: dict[str, object]) -> str:
        message = str(event.get("message", ""))
        if "turn" in event and message:
            self.turn_of[message] = str(event["turn"])
        return str(event.get("turn") or self.turn_of.get(message, ""))


@dataclass(frozen=True, slots=True)
class Window:
    """A fault and the time until all was well again; hurt: devices it was done to."""

    n: int
    begun: float
    over: float
    hurt: tuple[str, ...] = ()


def silences(lines: Iterable[DeviceLine], turns: Turns | None = None) -> Iterator[Silence]:
    """(from, to) of every silence of one device about something it was owed."""
    parts: dict[str, _Owed] = {}
    away = False
    for line in lines:
        if isinstance(line, Life):
            parts.clear()
        if isinstance(line, Disconnected):
            away = away or line.code == 0
        if isinstance(line, Connected) and away:
            away = False
            for part in parts.values():
                part.back(line.t)
        if isinstance(line, About):
            yield from _account(parts.setdefault(line.conversation, _Owed()), line, turns or {})


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
    turns = {
        turn: facts.messages
        for conversation in history.truth.conversations.values()
        for turn, facts in conversation.turns.items()
    }
    for device, lines in history.devices.items():
        for begin, end in silences(lines, turns):
            cause = blamed((begin, end), windows)
            if cause is not None and device not in hurt[cause]:
                longest_s[cause] = max(longest_s[cause], end - begin)
    told: list[Fault | FaultOver] = []
    for over in overs:
        place, fault = NUMBERS_OF_A_ROUND * number + over.n, begun[over.n]
        told.append(Fault(fault.t, fault.fault, place, over.target or ""))
        told.append(FaultOver(over.t, place, over.target, longest_s[over.n] * 1000, over.note))
    return told


def _account(part: _Owed, line: About, turns: Turns) -> Iterator[Silence]:
    match line:
        case Send(message=message, t=t):
            part.unacknowledged.setdefault(message, t)
        case Acked(message=message, t=t) | Refused(message=message, t=t, temporary=False):
            if message in part.unacknowledged:
                yield part.unacknowledged.pop(message), t
        case Loaded():
            part.read_anew()
        case Pub(event={"type": "message.created", "message": str(message), "user": str()}, t=t):
            part.asked(message, t)
        case Pub(event={"type": kind}) if kind in OF_A_TURN:
            yield from part.told(line, turns)
