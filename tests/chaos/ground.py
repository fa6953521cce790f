"""One conversation's truth, arranged for questions: what stands where, what began and ended when. Pure."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass

from tests.chaos.records import Conversation, Entry, Event, HeadFacts, Said

DELTA = "message.delta"
BEGINNINGS = ("message.started", "tool.started", "reasoning.started", "subagent.started")
DELTAS = {DELTA, "tool.delta", "reasoning.delta", "subagent.delta"}


@dataclass(frozen=True, slots=True)
class Position:
    """Somebody has seen everything up to and including `offset`, as `epoch` had it."""

    epoch: str
    offset: int


def last_of(head: HeadFacts, epoch: str) -> int | None:
    """The last offset that an epoch wrote: right before the next one's first; None: the journal has no such
    epoch. Written anew, from the design alone: the services' own judgement is what is to be judged.
    """
    last = None
    for place, (name, _) in enumerate(head.forks):
        if name == epoch:
            newest = place == len(head.forks) - 1
            last = head.top if newest else head.forks[place + 1][1] - 1
    return last


def serves(head: HeadFacts, position: Position) -> bool:
    """Whether a journal can take on who stands there: it knows the epoch, retention dropped nothing behind
    the place, and the epoch had come as far.
    """
    last = last_of(head, position.epoch)
    return last is not None and position.offset >= head.low and position.offset <= last


class Ground:
    """What the checker's rules compare against; made once for each conversation."""

    def __init__(self, told: Conversation) -> None:
        self.told = told
        self.head = told.head
        self.entries: dict[int, Entry] = {entry.offset: entry for entry in told.journal}
        self.lasting = sorted(entry.offset for entry in told.journal if entry.kind != "d")
        """Offsets of all events but deltas."""
        self.messages: dict[str, Said] = {said.id: said for said in told.messages}
        self.gone: dict[str, int] = {}
        """Messages that somebody took back, and where."""
        self._said: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self._places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for entry in told.journal:
            if entry.kind != "d":
                self._places[entry.event["type"], _subject(entry.event)].append(entry.offset)
                self._words(entry.offset, entry.event)

    def _words(self, offset: int, event: Event) -> None:
        match event:
            case {"type": "message.created" | "message.completed" | "message.edited", "text": str(text)}:
                self._said[piece_of(event)].append((offset, text))
            case {"type": "message.deleted"}:
                self._said[piece_of(event)].append((offset, ""))
            case {"type": "conversation.rewound", "gone": gone}:
                self.gone |= {message: offset for message in gone if message not in self.gone}
                if "text" in event:
                    self._said[piece_of(event)].append((offset, event["text"]))

    def texts(self, message: str, since: int = 0) -> list[str]:
        """What a message said at an offset and later, in order; nothing where the journal does not tell."""
        said = self._said.get(message, [])
        first = max(0, bisect_right(said, since, key=lambda each: each[0]) - 1)
        return [text for _, text in said[first:]]

    def places(self, kind: str, subject: str) -> list[int]:
        """Offsets of the events of a kind about a message or a turn."""
        return self._places.get((kind, subject), [])

    def subjects(self, kind: str) -> list[str]:
        """The messages or turns that events of this kind are about."""
        return [subject for event, subject in self._places if event == kind]

    def kept_at(self, message: str) -> int | None:
        """Where a message became complete."""
        places = self.places("message.created", message) or self.places("message.completed", message)
        return places[0] if places else None

    def begun_and_ended(self, message: str) -> tuple[int | None, int | None]:
        """Where an agent's message began and where it was completed or retracted; or a call of a tool."""
        begun = [place for kind in BEGINNINGS for place in self.places(kind, message)]
        ends = (
            "message.completed",
            "message.retracted",
            "tool.finished",
            "reasoning.completed",
            "subagent.finished",
        )
        ended = [place for kind in ends for place in self.places(kind, message)]
        return (begun[0] if begun else None, min(ended) if ended else None)

    def lasting_between(self, after: int, before: int) -> list[Entry]:
        """Events with a place above `after` and below `before`, deltas aside."""
        first, last = bisect_right(self.lasting, after), bisect_left(self.lasting, before)
        return [self.entries[offset] for offset in self.lasting[first:last]]

    def epoch_at(self, offset: int) -> str | None:
        """The epoch that wrote this offset, if the head still knows."""
        known = [epoch for epoch, first in self.head.forks if first <= offset]
        return known[-1] if known else None

    def trimmed(self, offset: int) -> bool:
        """Whether retention may have dropped what stood there."""
        return offset <= self.head.low


def _subject(event: Event) -> str:
    return piece_of(event) if not event["type"].startswith("turn.") else str(event.get("turn", ""))


def piece_of(event: Event) -> str:
    """The message or the call that an event is about."""
    return str(event.get("message") or event.get("call") or event.get("subagent") or "")


def named(entry: Entry) -> str:
    """An event in words."""
    return f"{entry.event['type']} {_subject(entry.event)} at {entry.offset}".replace("  ", " ")
