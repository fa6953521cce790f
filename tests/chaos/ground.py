"""One conversation's truth, arranged for questions: what stands where, what began and ended when. Pure."""

from bisect import bisect_left, bisect_right
from collections import defaultdict

from services.shared.model.position import Fork, Head
from tests.chaos.records import Conversation, Entry, Event, Said

DELTA = "message.delta"


class Ground:
    """What the checker's rules compare against; made once for each conversation."""

    def __init__(self, told: Conversation) -> None:
        self.told = told
        forks = tuple(Fork(epoch, first) for epoch, first in told.head.forks)
        self.head = Head(told.head.top, told.head.low, forks)
        self.entries: dict[int, Entry] = {entry.offset: entry for entry in told.journal}
        self.lasting = sorted(entry.offset for entry in told.journal if entry.kind != "d")
        """Offsets of all events but deltas."""
        self.messages: dict[str, Said] = {said.id: said for said in told.messages}
        self._places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for entry in told.journal:
            if entry.kind != "d":
                self._places[entry.event["type"], _subject(entry.event)].append(entry.offset)

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
        """Where an agent's message began and where it was completed or retracted."""
        begun = self.places("message.started", message)
        ended = self.places("message.completed", message) + self.places("message.retracted", message)
        return (begun[0] if begun else None, min(ended) if ended else None)

    def lasting_between(self, after: int, before: int) -> list[Entry]:
        """Events with a place above `after` and below `before`, deltas aside."""
        first, last = bisect_right(self.lasting, after), bisect_left(self.lasting, before)
        return [self.entries[offset] for offset in self.lasting[first:last]]

    def epoch_at(self, offset: int) -> str | None:
        """The epoch that wrote this offset, if the head still knows."""
        known = [fork.epoch for fork in self.head.forks if fork.first <= offset]
        return known[-1] if known else None

    def trimmed(self, offset: int) -> bool:
        """Whether retention may have dropped what stood there."""
        return offset <= self.head.low


def _subject(event: Event) -> str:
    about = "turn" if event["type"].startswith("turn.") else "message"
    return str(event.get(about, ""))


def named(entry: Entry) -> str:
    """An event in words."""
    return f"{entry.event['type']} {_subject(entry.event)} at {entry.offset}".replace("  ", " ")
