"""From what a device is told to what a person sees: the log of one conversation.

Called by `device` for the chat and the demonstrations, which compare these logs. Pure. The order is the same
for everybody: finished messages as they were finished, then the unfinished ones. Must never guess: a piece of
text that does not fit is counted in `misfits`, not squeezed in.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from services.local.line import Line, line_of
from services.shared.model.utf16 import units

_SETTINGS = ("agents", "answers", "double_texting")
"""Fields of a conversation.updated that tell who answers, and how."""


@dataclass(frozen=True, slots=True)
class Question:
    """What an agent waits for people to answer, as it is shown."""

    interrupt: str
    agent: str
    text: str


def _question(told: Mapping[str, Any]) -> Question:
    return Question(told["interrupt"], told["agent"], _as_text(told.get("value")))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def put_at(text: str, at: int, more: str) -> str | None:
    """`text` with `more` laid over it from UTF-16 unit `at` on; None when that leaves a hole or splits a
    character.
    """
    if at == units(text):
        return text + more
    whole, laid = text.encode("utf-16-le"), more.encode("utf-16-le")
    if 2 * at > len(whole):
        return None
    try:
        return (whole[: 2 * at] + laid + whole[2 * at + len(laid) :]).decode("utf-16-le")
    except UnicodeDecodeError:
        return None


class Log:
    """One conversation as a device holds it: fed with history, open messages and events, in the order they
    come.
    """

    def __init__(self) -> None:
        self._finished: dict[str, Line] = {}
        self._open: dict[str, Line] = {}
        self.asked: dict[str, Question] = {}
        """What agents wait for people to answer, by interrupt."""
        self.running: set[str] = set()
        """Turns that have begun and not finished, as far as this device was told."""
        self.misfits = 0
        """Pieces that did not fit: a hole in a text, or a piece of an unknown message. Always 0 if the server
        is right.
        """
        self.repeats = 0
        """Messages told a second time. Always 0 if the server is right."""

    def lines(self) -> tuple[Line, ...]:
        """What a person sees now."""
        return (*self._finished.values(), *self._open.values())

    def numbered(self, seq: int) -> Line:
        """The message of this number. Raises ValueError when none is shown."""
        for line in self._finished.values():
            if line.seq == seq:
                return line
        raise ValueError(f"there is no message {seq}: /history")

    @property
    def top(self) -> int:
        """The number of the last finished message, 0 where there is none."""
        return max((line.seq for line in self._finished.values()), default=0)

    def load(
        self,
        messages: Sequence[Mapping[str, Any]],
        unfinished: Sequence[Mapping[str, Any]],
        asked: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Starts anew from a page of history (messages oldest first), what was unfinished and asked then."""
        self._finished = {kept["id"]: line_of(kept) for kept in messages}
        self.running = set()
        self.replace_open(unfinished)
        self.replace_asked(asked)

    def replace_asked(self, asked: Sequence[Mapping[str, Any]]) -> None:
        """Takes all that is asked, as each subscribe reply brings it."""
        self.asked = {one["interrupt"]: _question(one) for one in asked}

    def replace_open(self, unfinished: Sequence[Mapping[str, Any]], *, keep: bool = False) -> None:
        """Takes the whole text so far of every unfinished message, as each subscribe reply brings it.

        keep: what was unfinished here stays until its end comes. So it is after a recovery: the events that
        were missed, which follow, complete or retract it.
        """
        self._open = (self._open if keep else {}) | {
            one["message"]: Line(one["message"], one["agent"], one["text"], finished=False)
            for one in unfinished
        }

    def apply(self, event: Mapping[str, Any]) -> str | None:
        """Takes one event; returns what a person should be told besides the messages, if anything."""
        handler = self._HANDLERS.get(event["type"])
        note: str | None = handler(self, event) if handler else None
        return note

    def _created(self, event: Mapping[str, Any]) -> None:
        self._finish(line_of(event))

    def _started(self, event: Mapping[str, Any]) -> None:
        # A subscribe reply may have brought the text before this event was read again.
        line = Line(event["message"], event["agent"], "", finished=False)
        self._open.setdefault(event["message"], line)

    def _delta(self, event: Mapping[str, Any]) -> None:
        line = self._open.get(event["message"])
        text = put_at(line.text, event["at"], event["text"]) if line else None
        if line is None or text is None:
            self.misfits += 1
            return
        self._open[line.message] = replace(line, text=text)

    def _completed(self, event: Mapping[str, Any]) -> None:
        self._open.pop(event["message"], None)
        self._finish(line_of(event))

    def _retracted(self, event: Mapping[str, Any]) -> None:
        """Also what was finished: of a turn that was rolled back nothing stays."""
        self._open.pop(event["message"], None)
        self._finished.pop(event["message"], None)

    def _rewound(self, event: Mapping[str, Any]) -> str:
        """What came of a message is gone; what it says may be another thing now."""
        line = self._finished.get(event["message"])
        named = repr(line.text) if line else "what was said"
        for message in event["gone"]:
            self._finished.pop(message, None)
        if event["message"] in event["gone"]:
            return f"{event['by']} took back {named} and all that came of it"
        if "text" not in event:
            return f"{event['by']} took back all that came of {named}: it is asked anew"
        if line is not None:
            edits = line.edits + (event["text"] != line.text)
            self._finished[line.message] = replace(line, text=event["text"], edits=edits)
        return f"{event['by']} took back all that came of {named}: it is asked in other words"

    def _edited(self, event: Mapping[str, Any]) -> None:
        self._change(event, text=event["text"], edits=event["edits"])

    def _deleted(self, event: Mapping[str, Any]) -> None:
        self._change(event, text="", deleted=True, reactions=frozenset())

    def _reacted(self, event: Mapping[str, Any]) -> None:
        if line := self._finished.get(event["message"]):
            one = {(event["reaction"], event["user"])}
            self._change(event, reactions=line.reactions | one if event["on"] else line.reactions - one)

    def _change(self, event: Mapping[str, Any], **changes: Any) -> None:
        """A deleted message stays as it is; one that is not shown is changed for others."""
        line = self._finished.get(event["message"])
        if line is not None and not line.deleted:
            self._finished[line.message] = replace(line, **changes)

    def _finish(self, line: Line) -> None:
        if line.message in self._finished:
            self.repeats += 1
            return
        self._finished[line.message] = line

    def _turn_started(self, event: Mapping[str, Any]) -> None:
        self.running.add(event["turn"])

    def _turn_finished(self, event: Mapping[str, Any]) -> str | None:
        self.running.discard(event["turn"])
        if event["outcome"] in {"completed", "interrupted"}:  # what it asks is told by itself
            return None
        reason = f": {event['reason']}" if event.get("reason") else ""
        return f"the answer was {event['outcome']}{reason}"

    def _asked(self, event: Mapping[str, Any]) -> None:
        self.asked[event["interrupt"]] = _question(event)

    def _answered(self, event: Mapping[str, Any]) -> str:
        self.asked.pop(event["interrupt"], None)
        if event["outcome"] == "answered":
            return f"{event['user']} answered {event['agent']}: {_as_text(event.get('answer'))}"
        return f"{event['agent']} waits for no answer any more"

    def _joined(self, event: Mapping[str, Any]) -> str:
        return f"{event['user']} joined" + (
            f", let in by {event['by']}" if event["by"] != event["user"] else ""
        )

    def _left(self, event: Mapping[str, Any]) -> str:
        return f"{event['user']} left" + (
            f", put out by {event['by']}" if event["by"] != event["user"] else ""
        )

    def _invited(self, event: Mapping[str, Any]) -> str:
        return f"{event['by']} asked {event['user']} in as {event['role']}"

    def _declined(self, event: Mapping[str, Any]) -> str:
        if event["by"] != event["user"]:
            return f"{event['by']} took the invitation of {event['user']} back"
        return f"{event['user']} does not come in"

    def _role_changed(self, event: Mapping[str, Any]) -> str:
        return f"{event['user']} is {event['role']} now, by {event['by']}"

    def _updated(self, event: Mapping[str, Any]) -> str:
        changed = [f"{name.replace('_', ' ')}: {event[name]}" for name in _SETTINGS if name in event]
        if changed:
            return f"{event.get('by', 'somebody')} changed {'; '.join(changed)}"
        return f"the conversation is now called {event['title']!r}"

    _HANDLERS: ClassVar = {
        "message.created": _created,
        "message.started": _started,
        "message.delta": _delta,
        "message.completed": _completed,
        "message.retracted": _retracted,
        "message.edited": _edited,
        "message.deleted": _deleted,
        "message.reacted": _reacted,
        "turn.started": _turn_started,
        "turn.finished": _turn_finished,
        "input.requested": _asked,
        "input.answered": _answered,
        "member.joined": _joined,
        "member.left": _left,
        "member.invited": _invited,
        "member.declined": _declined,
        "member.changed": _role_changed,
        "conversation.updated": _updated,
        "conversation.rewound": _rewound,
    }
