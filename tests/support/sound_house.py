"""A little model of the house: conversations, and devices that follow them and note what they are handed.

Used by `sound_history`. It appends events, devices follow with cuts, recoveries and new lives, workers die,
masters change; it does so as the house promises to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.records import (
    Acked,
    Cancel,
    Connected,
    Connecting,
    Conversation,
    DeviceLine,
    Entry,
    Event,
    HeadFacts,
    Life,
    Loaded,
    Pub,
    Ran,
    Refused,
    Said,
    Send,
    Settled,
    Stored,
    Subscribed,
    SubscribeError,
    Subscribing,
    ThreadMessage,
    TurnFacts,
    Unfinished,
)

AGENT = "assistant"
NODES = ("weigh", "answer")


@dataclass
class Clock:
    """Moves a bit at every look."""

    now: float = 1_700_000_000.0

    def tick(self) -> float:
        self.now += 0.01
        return self.now


@dataclass
class Speaking:
    """A message an agent speaks."""

    message: str
    turn: str
    attempt: str
    text: str = ""


@dataclass
class Turn:
    """A turn: its record and what its tasks stored."""

    id: str
    message: str
    agent: str = AGENT
    state: str = "queued"
    outcome: str = ""
    attempts: int = 0
    answered: bool = False
    stored: set[str] = field(default_factory=set)

    @property
    def attempt(self) -> str:
        return f"{self.id}-a{self.attempts}"


class Room:
    """One conversation of the house; `followers` hear every event at once."""

    def __init__(
        self, name: str, clock: Clock, runs: list[Ran | Stored], agents: Sequence[str] = (AGENT,)
    ) -> None:
        self.name = name
        self.clock = clock
        self.agents = list(agents)
        self.followers: list[Device] = []
        self.journal: list[Entry] = []
        self.top = 0
        self.low = 0
        self.forks: list[tuple[str, int]] = [("e1", 1)]
        self.messages: dict[str, Said] = {}
        self.open: dict[str, Speaking] = {}
        self.turns: dict[str, Turn] = {}
        self.thread: dict[str, list[ThreadMessage]] = {agent: [] for agent in agents}
        self.acked: dict[str, tuple[str, int]] = {}
        self._moved = False
        self._runs = runs

    @property
    def epoch(self) -> str:
        return self.forks[-1][0]

    # -- what happens

    def append(self, kind: str, **facts: Any) -> None:
        moving = [*self.followers] if self._moved else []
        if self._moved:
            self.forks.append((f"e{len(self.forks) + 1}", self.top + 1))
            self._moved = False
            self.followers.clear()  # no event of a new epoch comes to a subscription of the old one
        self.top += 1
        event: Event = {"type": kind, "time": int(self.clock.tick() * 1000), **facts}
        if kind != "message.delta":
            event["conversation"] = self.name
        self.journal.append(Entry(self.top, "d" if kind == "message.delta" else "e", event))
        for device in self.followers:
            device.hear(self, self.journal[-1])
        for device in moving:
            device.follow(self)

    def fail_over(self) -> None:
        """Another master: the next event begins another epoch."""
        self._moved = True

    def trim(self, keep: int) -> None:
        """Retention: only the last events stay."""
        lasting = [entry.offset for entry in self.journal if entry.kind != "d"]
        if len(lasting) > keep and not self.open:
            self.low = lasting[-keep - 1]
            self.journal = [entry for entry in self.journal if entry.offset > self.low]

    def accept(self, user: str, message: str, text: str) -> tuple[str, int]:
        """A person's message; a repeat gets the first position."""
        if message not in self.acked:
            self.append("message.created", message=message, user=user, text=text)
            self.acked[message] = (self.epoch, self.top)
            self._keep(Said(message, text, len(self.messages) + 1, user=user))
            for agent in self.agents:
                turn = Turn(f"t{len(self.turns) + 1}.{self.name}", message, agent)
                self.turns[turn.id] = turn
        return self.acked[message]

    def _keep(self, said: Said) -> None:
        self.messages[said.id] = said

    def waiting(self) -> list[Turn]:
        return [turn for turn in self.turns.values() if turn.state != "finished"]

    def begin(self) -> Turn | None:
        """A worker begins the turn that is next, after whoever had it before died."""
        if not (waiting := self.waiting()):
            return None
        turn = waiting[0]
        for message in list(self.open):
            self.retract(message, "superseded")
        turn.attempts += 1
        turn.state = "running"
        facts = {"turn": turn.id, "attempt": turn.attempt, "agent": turn.agent}
        self.append("turn.started", **facts, messages=[turn.message])
        return turn

    def enter(self, turn: Turn) -> None:
        """The thread has the question."""
        thread = self.thread[turn.agent]
        if all(one.id != turn.message for one in thread):
            thread.append(ThreadMessage(turn.message, "human", self.messages[turn.message].text))

    def run(self, turn: Turn, *, dies_in: str = "") -> None:
        """Run the nodes whose writes are not stored, up to the one the worker dies in."""
        for node in NODES:
            task = f"{turn.id}-{node}"
            if task in turn.stored:
                continue
            place = (self.clock.tick(), self.name, turn.id, turn.attempt)
            self._runs.append(Ran(*place, node, task))
            if node == dies_in:
                return
            turn.stored.add(task)
            self._runs.append(Stored(self.clock.tick(), self.name, turn.id, turn.attempt, task))

    def speak(self, turn: Turn, *pieces: str) -> str:
        """Say pieces of the turn's answer."""
        mine = [one for one in self.open.values() if one.turn == turn.id]
        if not mine:
            message = f"m-{turn.attempt}-{self.top}"
            facts = {"message": message, "agent": turn.agent, "turn": turn.id, "attempt": turn.attempt}
            self.append("message.started", **facts)
            self.open[message] = Speaking(message, turn.id, turn.attempt)
            mine = [self.open[message]]
        for piece in pieces:
            at = len(mine[0].text.encode("utf-16-le")) // 2
            mine[0].text += piece
            self.append("message.delta", message=mine[0].message, at=at, text=piece)
        return mine[0].message

    def complete(self, turn: Turn, more: str = "") -> None:
        """The thread has the answer; it is whole."""
        self.enter(turn)
        spoken = self.open[self.speak(turn)]
        text = spoken.text + more or "..."
        self._end(spoken.message)
        self.thread[turn.agent].append(ThreadMessage(f"ai-{spoken.message}", "ai", text))
        facts = {"message": spoken.message, "agent": turn.agent, "turn": turn.id, "attempt": turn.attempt}
        self.append("message.completed", **facts, text=text)
        self._keep(Said(spoken.message, text, len(self.messages) + 1, agent=turn.agent, turn=turn.id))
        turn.answered = True

    def retract(self, message: str, reason: str) -> None:
        spoken = self.open[message]
        self._end(message)
        facts = {"message": message, "turn": spoken.turn, "attempt": spoken.attempt}
        self.append("message.retracted", **facts, reason=reason)

    def _end(self, message: str) -> None:
        del self.open[message]
        self.journal = [one for one in self.journal if one.kind != "d" or one.event["message"] != message]

    def finish(self, turn: Turn, outcome: str) -> None:
        for message in [one.message for one in self.open.values() if one.turn == turn.id]:
            self.retract(message, outcome)
        turn.state, turn.outcome = "finished", outcome
        attempt = turn.attempt if turn.attempts else ""
        self.append("turn.finished", turn=turn.id, attempt=attempt, outcome=outcome)

    def answer(self, turn: Turn, *pieces: str) -> None:
        """Run a turn to its good end."""
        self.run(turn)
        self.enter(turn)
        self.speak(turn, *pieces)
        self.complete(turn)
        self.finish(turn, "completed")

    # -- what can be asked

    def unfinished(self) -> list[Unfinished]:
        return [
            Unfinished(
                one.message, one.text, len(one.text.encode("utf-16-le")) // 2, AGENT, one.turn, one.attempt
            )
            for one in self.open.values()
        ]

    def after(self, offset: int) -> list[Entry]:
        return [entry for entry in self.journal if entry.offset > offset and entry.kind != "d"]

    def truth(self) -> Conversation:
        turns = {
            turn.id: TurnFacts(turn.state, turn.agent, [turn.message], turn.outcome)
            for turn in self.turns.values()
        }
        return Conversation(
            self.agents,
            HeadFacts(self.top, self.low, self.forks),
            self.journal,
            list(self.messages.values()),
            [*self.open],
            [turn.id for turn in self.waiting()],
            turns,
            self.thread,
        )


class Device:
    """One client; `lines` is its file."""

    def __init__(self, name: str, user: str, rooms: Sequence[Room]) -> None:
        self.name = name
        self.user = user
        self.rooms = rooms
        self.lines: list[DeviceLine] = []
        self.stands: dict[str, tuple[str, int]] = {}
        self.here = False
        self._lives = 0
        self._clock = rooms[0].clock

    def live(self) -> None:
        """Begin a life, with nothing."""
        self.cut(told=False)
        self._lives += 1
        self.stands = {}
        self.lines.append(Life(self._clock.tick(), self.name, self.user, self._lives))
        self.lines.append(Connecting(self._clock.tick(), 0))
        self.come()

    def cut(self, *, told: bool = True) -> None:
        """Lose the connection."""
        if self.here and told:
            self.lines.append(Connecting(self._clock.tick(), 1))
        self.here = False
        for room in self.rooms:
            if self in room.followers:
                room.followers.remove(self)

    def come(self) -> None:
        """Connect, and follow everything from where it stands."""
        if self.here:
            return
        self.here = True
        self.lines.append(Connected(self._clock.tick(), "c"))
        for room in self.rooms:
            self.lines.append(Subscribing(self._clock.tick(), room.name))
            self.follow(room)

    def follow(self, room: Room) -> None:
        """Subscribe: from a page of history the first time, else from its position."""
        if self.stands.get(room.name, ("", room.top))[1] < room.low:
            self.lines.append(SubscribeError(self._clock.tick(), room.name, 112))
            del self.stands[room.name]
        if room.name not in self.stands:
            position = (room.epoch, room.top)
            page = [*room.messages.values()][-3:]
            self.lines.append(Loaded(self._clock.tick(), room.name, page, room.unfinished(), *position))
            self.stands[room.name] = position
        offset = self.stands[room.name][1]
        self.lines.append(
            Subscribed(self._clock.tick(), room.name, room.epoch, offset, True, True, room.unfinished())
        )
        self.stands[room.name] = (room.epoch, offset)
        room.followers.append(self)
        for entry in room.after(offset):
            self.hear(room, entry)

    def hear(self, room: Room, entry: Entry) -> None:
        self.lines.append(Pub(self._clock.tick(), room.name, dict(entry.event), entry.offset))
        self.stands[room.name] = (self.stands[room.name][0], entry.offset)

    def typing(self, room: Room) -> None:
        """Somebody types: no history."""
        self.lines.append(Pub(self._clock.tick(), room.name, {"type": "typing", "user": "ben"}))

    def say(self, room: Room, message: str, text: str, *, tries: int = 1, arrives: bool = True) -> None:
        """Send until acknowledged; all replies but the last are lost. arrives=False: never acknowledged."""
        for number in range(1, tries + 1):
            self.lines.append(Send(self._clock.tick(), room.name, message, text, number))
            if arrives:
                position = room.accept(self.user, message, text)
                if number == tries:
                    self.lines.append(Acked(self._clock.tick(), room.name, message, *position))
            else:
                self.lines.append(Refused(self._clock.tick(), room.name, message, 100, True))

    def cancel(self, room: Room) -> None:
        """Stop what waits."""
        queued = [turn for turn in room.waiting() if turn.state == "queued"]
        for turn in queued:
            room.finish(turn, "cancelled")
        self.lines.append(Cancel(self._clock.tick(), room.name, [turn.id for turn in queued]))

    def settle(self) -> None:
        """Be quiet, with everything."""
        self.come()
        self.lines.extend(Settled(self._clock.tick(), room.name) for room in self.rooms)
