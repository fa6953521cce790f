"""What a device shows of a conversation, rebuilt from its notes, and what does not fit while it is rebuilt.

Pure; used by the rules of delivery. It knows nothing of the truth: it judges what the device alone could see.
A piece's place is counted in UTF-16 code units, by other code than the services' own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.ground import piece_of
from tests.chaos.records import Event, Loaded, Subscribed, Unfinished
from tests.chaos.violations import Kind

Misfit = tuple[Kind, str]
ONCE = {"message.created", "message.started", "message.completed", "message.retracted"}
ONCE |= {
    "tool.started",
    "tool.finished",
    "reasoning.started",
    "reasoning.completed",
    "subagent.started",
    "subagent.finished",
}
ONCE_TURN = {"turn.started", "turn.finished"}


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(slots=True)
class Draft:
    """A message somebody still speaks. spoiled: something did not fit and was told; its text says no more."""

    text: str
    units: int
    spoiled: bool = False


@dataclass(slots=True)
class Rendered:
    """One view: from a page of history, or a subscribe without one, to the next reset."""

    finished: dict[str, str] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    _retracted: set[str] = field(default_factory=set)
    _told: set[tuple[str, str, str]] = field(default_factory=set)

    def load(self, page: Loaded) -> Iterator[Misfit]:
        """Begin from a page."""
        self.finished = {said.id: said.text for said in page.messages}
        for said in page.messages:
            self._told.add(("message.created" if said.user else "message.completed", said.id, ""))
        yield from self._replace(page.open)

    def subscribe(self, reply: Subscribed) -> Iterator[Misfit]:
        """Take a reply's unfinished messages. What a recovery does not list ends by the events behind it."""
        if not reply.recovered:
            self.drafts.clear()
        yield from self._replace(reply.open)

    def apply(self, event: Event) -> Iterator[Misfit]:
        """Take an event."""
        kind, message = event["type"], piece_of(event)
        yield from self._again(event)
        match kind:
            case "message.created":
                self.finished[message] = event["text"]
            case "message.edited" | "message.deleted" if message in self.finished:
                self.finished[message] = event.get("text", "")
            case "conversation.rewound":
                self.finished = {one: self.finished[one] for one in self.finished.keys() - event["gone"]}
            case "message.started" | "tool.started" | "reasoning.started" | "subagent.started":
                if self._over(message):
                    yield Kind.REORDERED, f"message {message} began after its end"
                else:
                    self.drafts.setdefault(message, Draft("", 0))
            case "message.delta" | "tool.delta" | "reasoning.delta" | "subagent.delta":
                yield from self._piece(message, event["at"], event["text"])
            case "message.completed":
                yield from self._complete(message, event["text"])
            case "message.retracted":
                self.drafts.pop(message, None)
                self.finished.pop(message, None)  # of a turn that was rolled back
                self._retracted.add(message)
            case "tool.finished" | "reasoning.completed" | "subagent.finished":
                if kind == "reasoning.completed":  # a call's arguments may be written otherwise at its end
                    yield from self._whole(message, event["text"])
                self.drafts.pop(message, None)
                self._retracted.add(message)

    def _replace(self, listed: Sequence[Unfinished]) -> Iterator[Misfit]:
        for one in listed:
            shown = self.drafts.get(one.message)
            if one.at != units(one.text):
                yield Kind.LOST, f"message {one.message} came with {units(one.text)} units of {one.at}"
            if self._over(one.message):
                yield Kind.FOREIGN, f"message {one.message} had ended, and is being spoken again"
            elif shown and not shown.spoiled and not one.text.startswith(shown.text):
                yield Kind.FOREIGN, f"message {one.message} was shown with text it does not have"
            self.drafts[one.message] = Draft(one.text, one.at)

    def _again(self, event: Event) -> Iterator[Misfit]:
        kind = event["type"]
        if kind in ONCE:
            told = (kind, piece_of(event), "")
        elif kind in ONCE_TURN:
            told = (kind, event["turn"], event["attempt"] if kind == "turn.started" else "")
        else:
            return
        if told in self._told:
            yield Kind.REPEATED, f"{kind} of {told[1]} came again"
        self._told.add(told)

    def _piece(self, message: str, at: int, text: str) -> Iterator[Misfit]:
        draft = self.drafts.get(message)
        if draft is None:
            if self._over(message):
                yield Kind.REORDERED, f"a piece of message {message} came after its end"
            else:
                yield Kind.LOST, f"a piece of message {message} came, its beginning did not"
        elif draft.spoiled:
            return
        elif at > draft.units:
            draft.spoiled = True
            yield Kind.LOST, f"message {message} has a hole: {draft.units} units, then a piece at {at}"
        elif at < draft.units:
            yield Kind.REPEATED, f"message {message} has {draft.units} units, and a piece at {at} came"
        else:
            draft.text += text
            draft.units += units(text)

    def _complete(self, message: str, text: str) -> Iterator[Misfit]:
        yield from self._whole(message, text)
        self.drafts.pop(message, None)
        self.finished[message] = text

    def _whole(self, message: str, text: str) -> Iterator[Misfit]:
        draft = self.drafts.get(message)
        if draft and not draft.spoiled and not text.startswith(draft.text):
            yield Kind.FOREIGN, f"message {message} was shown with text that its whole does not begin with"

    def _over(self, message: str) -> bool:
        return message in self.finished or message in self._retracted
