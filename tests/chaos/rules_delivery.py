"""What devices were handed: each event of the truth once, in order, and nothing else.

Judged at the SDK's publication handler, within one life of a device and between two resets of its view. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.chaos.ground import DELTA, DELTAS, Ground, named, piece_of
from tests.chaos.history import History
from tests.chaos.records import (
    About,
    DeviceLine,
    Event,
    Life,
    Loaded,
    Pub,
    Settled,
    Subscribed,
    SubscribeError,
)
from tests.chaos.rendered import Misfit, Rendered
from tests.chaos.standing import Standing
from tests.chaos.violations import Kind, Violation

EVERYTHING = 1 << 62


def delivery(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Follow every device through its notes."""
    for device, lines in history.devices.items():
        parts: dict[str, Part] = {}
        for line in lines:
            if isinstance(line, Life):
                parts.clear()
            elif isinstance(line, About) and line.conversation in grounds:
                part = parts.setdefault(line.conversation, Part(grounds[line.conversation]))
                for kind, detail in part.take(line):
                    yield Violation(kind, line.conversation, device, detail, line.t)


@dataclass(slots=True)
class Part:
    """A conversation as one life of a device sees it."""

    ground: Ground
    standing: Standing = field(default_factory=Standing)
    rendered: Rendered = field(default_factory=Rendered)
    _handed: set[int] = field(default_factory=set)

    def take(self, line: DeviceLine) -> Iterator[Misfit]:
        """Judge a line, then move with it."""
        match line:
            case Loaded():
                self._reset()
                yield from self._page(line)
                yield from self.rendered.load(line)
            case Subscribed():
                yield from self._subscribed(line)
            case Pub():
                yield from self._handed_over(line.offset, line.event)
            case Settled():
                yield from self._settled()
            case SubscribeError():
                pass
            case _:
                return
        self.standing.take(line)

    @property
    def _offset(self) -> int | None:
        return self.standing.position.offset if self.standing.position else None

    def _reset(self) -> None:
        self.rendered, self._handed = Rendered(), set()

    def _page(self, page: Loaded) -> Iterator[Misfit]:
        """A page is what the house held at its position, from its first message on; what stands further up is
        read a little later.
        """
        told = {said.id for said in page.messages}
        if len(told) < len(page.messages):
            yield Kind.REPEATED, f"a page at {page.offset} holds a message twice"
        for said in page.messages:
            kept, gone = self.ground.messages.get(said.id), self.ground.gone.get(said.id, 0)
            told_here = self.ground.texts(said.id, page.offset) or [kept.text if kept else ""]
            if (kept is None and gone <= page.offset) or said.text not in told_here:
                yield Kind.FOREIGN, f"a page at {page.offset} holds message {said.id}, the house does not"
        first = min((said.seq for said in page.messages), default=0)
        for kept in self.ground.told.messages:
            at = self.ground.kept_at(kept.id)
            if at is not None and at <= page.offset and kept.seq >= first and kept.id not in told:
                yield Kind.LOST, f"a page at {page.offset} lacks message {kept.id} of {at}"

    def _subscribed(self, reply: Subscribed) -> Iterator[Misfit]:
        if not reply.recovered and self._offset is not None:
            if reply.was_recovering:
                self._reset()  # the device was told, and loads anew
            else:
                yield from self._missing(self._offset, reply.offset + 1, "a subscribe skipped")
        yield from self.rendered.subscribe(reply)

    def _handed_over(self, offset: int, event: Event) -> Iterator[Misfit]:
        kind = event["type"]
        if offset <= 0:
            if kind.startswith(("message.", "turn.")):
                yield Kind.FOREIGN, f"{kind} came without a place in the journal"
            return
        if offset in self._handed:
            yield Kind.REPEATED, f"offset {offset} ({kind}) came again"
            return
        self._handed.add(offset)
        if self._offset is not None and offset <= self._offset:
            yield Kind.REORDERED, f"offset {offset} ({kind}) came when the device stood at {self._offset}"
        elif self._offset is not None:
            yield from self._missing(self._offset, offset, f"{offset} came without")
        yield from self._stands(offset, event)
        yield from self.rendered.apply(event)
        yield from self._said_so_far(event)

    def _missing(self, after: int, before: int, how: str) -> Iterator[Misfit]:
        for entry in self.ground.lasting_between(after, before):
            if entry.offset not in self._handed:
                yield Kind.LOST, f"{how} {named(entry)}"

    def _stands(self, offset: int, event: Event) -> Iterator[Misfit]:
        """Whether the house has this event at this place; pieces of ended messages are gone from it."""
        entry = self.ground.entries.get(offset)
        if entry is not None:
            if _essence(entry.event) != _essence(event):
                yield Kind.FOREIGN, f"{event['type']} came as {offset}, the house has {named(entry)}"
        elif event["type"] in DELTAS:
            yield from self._stood(offset, piece_of(event))
        elif not self.ground.trimmed(offset):
            yield Kind.FOREIGN, f"{event['type']} came as {offset}, the house has nothing there"

    def _stood(self, offset: int, message: str) -> Iterator[Misfit]:
        begun, ended = self.ground.begun_and_ended(message)
        if begun is None and self.ground.head.low > 0:
            return
        if begun is None or ended is None or not begun < offset < ended:
            yield Kind.FOREIGN, f"a piece of message {message} came as {offset}, the house never had it there"

    def _said_so_far(self, event: Event) -> Iterator[Misfit]:
        """What a device shows of a message must become what the house kept of it."""
        draft = self.rendered.drafts.get(event.get("message", ""))
        kept = self.ground.messages.get(event.get("message", ""))
        if event["type"] != DELTA or draft is None or kept is None or draft.spoiled:
            return
        whole = (self.ground.texts(kept.id) or [kept.text])[0]
        if not whole.startswith(draft.text):
            draft.spoiled = True
            yield Kind.FOREIGN, f"message {kept.id} was shown with text that the house did not keep"

    def _settled(self) -> Iterator[Misfit]:
        if self._offset is None:
            yield Kind.LOST, "the device settled without ever having followed"
            return
        yield from self._missing(self._offset, EVERYTHING, "the settled device lacks")
        for message in self.rendered.drafts:
            yield Kind.LEFT_STREAMING, f"the settled device still waits for the end of message {message}"


def _essence(event: Event) -> Event:
    """An event without its time: a script that ran again after a failover made the same event later."""
    return {name: value for name, value in event.items() if name != "time"}
