"""What two devices' messages under a way of double texting may lead to: judged from one conversation's
events, its history and its thread. Pure: `violations` takes what was seen and returns what is wrong with it.

A turn is known by the message that queued it, as its sender was told. `Court` replays the events in their
order and says at each of them what the way allows; the end compares history, thread and what was
acknowledged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.shared.model.conversation import DoubleTexting

Event = Mapping[str, Any]
ALLOWED: dict[DoubleTexting, set[tuple[str, str]]] = {
    "enqueue": {("completed", "")},
    "reject": {("completed", "")},
    "interrupt": {("completed", ""), ("cancelled", "superseded"), ("cancelled", "interrupted")},
    "rollback": {("completed", ""), ("cancelled", "rolled back")},
}
"""How a turn may end."""


@dataclass
class Seen:
    """One conversation. acknowledged: message -> its turn. rejected: messages refused as busy. thread:
    (person's message id or "", text) in order. devices: of each device the events in the order it got them.
    """

    way: DoubleTexting
    devices: Mapping[str, Sequence[Event]]
    acknowledged: Mapping[str, str]
    rejected: Sequence[str]
    history: Sequence[tuple[str, str, bool]]
    """(id, text, whether a person said it), oldest first."""
    thread: Sequence[tuple[str, str]]
    joiner: Sequence[str] = ()
    """Texts that a device shows that came last."""
    rendered: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Texts that each device shows."""


def violations(seen: Seen) -> Iterator[str]:
    """Everything that is wrong."""
    names = sorted(seen.devices)
    orders = {name: [_named(event) for event in seen.devices[name]] for name in names}
    for name in names[1:]:
        if orders[name] != orders[names[0]]:
            yield f"{name} got another order than {names[0]}"
    events = seen.devices[names[0]]
    court = Court(seen.way, {turn: message for message, turn in seen.acknowledged.items()})
    for event in events:
        yield from court.hear(event)
    yield from court.end()
    yield from _kept(seen, events)
    yield from _thread(seen, court)


def _named(event: Event) -> tuple[str, str, str]:
    return event["type"], event.get("message", ""), event.get("turn", "")


@dataclass
class Court:
    """One conversation's turns, as the events tell them."""

    way: DoubleTexting
    asked_by: Mapping[str, str]
    waiting: list[str] = field(default_factory=list)
    running: str = ""
    stopping: set[str] = field(default_factory=set)
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)
    must_end: list[str] = field(default_factory=list)
    """Turns that the message just taken supersedes: their ends are the next events."""

    def hear(self, event: Event) -> Iterator[str]:
        """Take the next event."""
        kind, turn = event["type"], event.get("turn", "")
        if self.must_end and not (kind == "turn.finished" and turn in self.must_end):
            yield f"{self.must_end} should have ended before {_named(event)}"
            self.must_end.clear()
        if kind == "message.created":
            yield from self._created(event["message"])
        elif kind == "turn.started":
            yield from self._started(turn, event["messages"])
        elif kind == "turn.finished":
            yield from self._finished(turn, event["outcome"], event.get("reason", ""))
        elif kind == "message.completed" and turn in self.stopping and self.way == "rollback":
            yield f"turn {turn} completed a message after it was to be rolled back"

    def end(self) -> Iterator[str]:
        """When all is quiet."""
        if self.running or self.waiting:
            yield f"turns never ended: {[self.running, *self.waiting]}"

    def _created(self, message: str) -> Iterator[str]:
        turns = [turn for turn, asked_by in self.asked_by.items() if asked_by == message]
        if not turns:
            yield f"message {message} was said and nobody was told so"
            return
        live = [each for each in (self.running, *self.waiting) if each]
        if self.way == "reject" and live:
            yield f"message {message} was taken while turn {live[0]} was not over"
        if self.way in ("interrupt", "rollback"):
            self.must_end, self.waiting = self.waiting, []
            if self.running:
                self.stopping.add(self.running)
        self.waiting.append(turns[0])

    def _started(self, turn: str, messages: list[str]) -> Iterator[str]:
        if self.running and self.running != turn:
            yield f"turn {turn} began while {self.running} was running"
        if self.running != turn:
            if not self.waiting or self.waiting[0] != turn:
                yield f"turn {turn} began and {self.waiting} waited"
            self.waiting = [each for each in self.waiting if each != turn]
        if messages[-1] != self.asked_by.get(turn):
            yield f"turn {turn} answers {messages}"
        self.running, self.answers[turn] = turn, messages

    def _finished(self, turn: str, outcome: str, reason: str) -> Iterator[str]:
        if turn in self.ends:
            yield f"turn {turn} ended twice"
        self.ends[turn] = outcome, reason
        if (outcome, reason) not in ALLOWED[self.way]:
            yield f"turn {turn} ended {outcome} ({reason}), which {self.way} does not know"
        if turn in self.must_end:
            wanted = "superseded" if self.way == "interrupt" else "rolled back"
            if (outcome, reason) != ("cancelled", wanted):
                yield f"turn {turn} waited and ended {outcome} ({reason})"
            self.must_end.remove(turn)
            return
        if self.way == "rollback" and (turn in self.stopping) != (reason == "rolled back"):
            yield f"turn {turn} ended {outcome} ({reason})"
        if reason == "interrupted" and turn not in self.stopping:
            yield f"turn {turn} was interrupted by nobody"
        if self.running == turn:
            self.running = ""
        elif turn in self.waiting:  # it was to stop before anybody was told that it began
            self.waiting.remove(turn)
            if outcome == "completed":
                yield f"turn {turn} was completed and never began"
        else:
            yield f"turn {turn} ended and did not live"


def _kept(seen: Seen, events: Sequence[Event]) -> Iterator[str]:
    said = [event["message"] for event in events if event["type"] == "message.created"]
    shown = [message for message, _, person in seen.history if person]
    if sorted(said) != sorted(seen.acknowledged):
        yield f"acknowledged were {sorted(seen.acknowledged)}, told {sorted(said)}"
    if said != shown:
        yield f"said {said}, kept {shown}"
    for message in seen.rejected:
        if message in said or message in shown:
            yield f"message {message} was rejected, and is there"
    texts = [text for _, text, _ in seen.history]
    for name, rendered in {**seen.rendered, "who came last": seen.joiner}.items():
        if list(rendered) != texts:
            yield f"{name} shows {len(rendered)} messages, {len(texts)} are kept"


def _thread(seen: Seen, court: Court) -> Iterator[str]:
    """The thread is the log: what agents said in the same order, and whom they heard, each once."""
    agents = [text for _, text, person in seen.history if not person]
    if [text for human, text in seen.thread if not human] != agents:
        yield "the thread has other answers than the log"
    heard = [human for human, _ in seen.thread if human]
    shown = [message for message, _, person in seen.history if person]
    if seen.way == "rollback":
        kept = {court.asked_by[turn] for turn, (outcome, _) in court.ends.items() if outcome == "completed"}
        shown = [message for message in shown if message in kept]
    for message in shown:
        if heard.count(message) != 1:
            ends = [
                (turn, court.ends.get(turn))
                for turn, answered in court.answers.items()
                if message in answered
            ]
            yield f"the thread heard {message} {heard.count(message)} times; it was asked in {ends}"
    if [each for each in heard if each in shown] != [each for each in shown if each in heard]:
        yield f"the thread heard {heard} in another order than {shown}"
    if strange := set(heard) - set(shown):
        yield f"the thread heard {strange}, which is not to stand there"
