"""From tokens to speech: when to start a message, which text to append where, and its one completion.

A graph says things faster or slower than the journal takes them. Speech gathers tokens and hands out one
instruction at a time; the shell (speaker.py) carries it out and asks again, so batches grow by themselves
when appends are slow, and order within a message holds by construction: start, deltas end to end, one
completion, nothing after it.

What an agent does beside speaking is told the same way: its start, the text it comes with, its end.

A *source* is the id a message has in the thread, or any other word for what else is told. Positions (`at`)
are UTF-16 code units, as devices count.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from services.conversation.core.written import Written
from services.shared.model.doing import Doing, Ended, bounded
from services.shared.model.events import ToolOutcome
from services.shared.model.ids import ENTROPY_BYTES, AttemptId, MessageId, uuid7
from services.shared.model.utf16 import units

DEFAULT_INTERVAL_S = 0.05
"""Pause between two deltas of one message: 20 a second look fluent, and at 50 tokens a second what a delta
weighs beside its text is shared by two or three. A multiple of a model's own pace would be worse: of a token
that is due with the delta nobody knows whether it comes right before or right behind.
"""

MOST_CHARACTERS = 4096
"""Of one delta, so that no frame to a device becomes large after a long pause of Redis."""

MOST_STREAMED = 1 << 20
"""Characters of one message that are streamed. Policy beyond it: no more deltas of it; its completion brings
the whole text, which the bound of a thread's step bounds.
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Announce the message of `source`; `telling` tells its tellings apart, as in all instructions."""

    source: str
    telling: int = 0
    doing: Doing | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """Append `text` at `at` UTF-16 code units."""

    source: str
    at: int
    text: str
    telling: int = 0
    doing: Doing | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """The message is finished; `text` is the whole of it, as the thread has it."""

    source: str
    text: str
    usage: Mapping[str, Any] | None
    telling: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """What is no message is over. number: each End of an attempt has a higher one."""

    source: str
    doing: Doing
    ended: Ended
    number: int = 0
    telling: int = 0


@dataclass(frozen=True, slots=True)
class Write:
    """Nodes within `path` wrote these values, as JSON. number: as of an End, among which it counts."""

    path: tuple[str, ...]
    values: tuple[str, ...]
    cut: bool = False
    number: int = 0


Instruction = Start | Delta | Complete | End | Write


@dataclass(slots=True)
class _Saying:
    started: bool = False
    #: Text not yet appended; it may end in the first half of a surrogate pair, which waits for its second
    #: half.
    waiting: str = ""
    said: str = ""
    said_units: int = 0
    #: Of all that was taken in, as UTF-8.
    size: int = 0
    telling: int = 0
    ready_s: float = 0.0
    #: More was said than is streamed: what comes now waits for the completion.
    silent: bool = False
    final: Complete | End | None = None
    #: None: a message.
    doing: Doing | None = None
    #: The whole of what is streamed, where that is known before the end.
    whole: str | None = None

    def speakable(self) -> str:
        return self.waiting[:-1] if _ends_half(self.waiting) else self.waiting

    def has_more(self) -> bool:
        return (
            self.final is not None or bool(self.speakable()) or (self.doing is not None and not self.started)
        )

    def take_in(self, text: str) -> None:
        """More of it, unless that is more than is streamed."""
        size = self.size + _more_bytes(self.waiting[-1:], text)
        too_much = (
            len(self.said) + len(self.waiting) + len(text) > MOST_STREAMED
            if self.doing is None
            else size > self.doing.most
        )
        if too_much:
            self.silent = True
        else:
            self.waiting, self.size = _paired(self.waiting + text), size

    @property
    def is_all_said(self) -> bool:
        """Whether its end may come: of an agent within the agent, that brings no text."""
        return not (self.waiting and self.doing and self.doing.kind == "subagent")

    @property
    def due_s(self) -> float:
        return 0.0 if self.final or not self.started else self.ready_s


@dataclass(slots=True)
class Speech:
    """What one attempt says. `completed` names sources an earlier attempt completed: they are not said
    again.
    """

    completed: frozenset[str] = frozenset()
    interval_s: float = DEFAULT_INTERVAL_S
    _sayings: dict[str, _Saying] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)
    _numbered: int = 0
    _written: Written = field(default_factory=Written)

    def say(self, source: str, text: str) -> None:
        """Take the next token of a message in; an empty one changes nothing, nor does one after its
        completion.
        """
        if not text or self.is_over(source):
            return
        saying = self._sayings.setdefault(source, _Saying())
        if saying.final is not None or saying.silent:
            return
        saying.take_in(text)

    def begin(self, source: str, doing: Doing) -> None:
        """Take in that something is done: it is announced, and what is said under this source is of it."""
        if not self.is_over(source):
            self._sayings.setdefault(source, _Saying(doing=doing))

    def whole(self, source: str, text: str) -> None:
        """Take in the whole JSON of a call's arguments; it stays as it was written if that says the same."""
        if (saying := self._under_way(source)) is None:
            return
        written = saying.said + saying.waiting
        saying.whole = written if _same(written, text) else text
        if not written and not saying.silent:
            saying.waiting = bounded(text)[0]
        saying.silent = True

    def end(self, source: str, outcome: ToolOutcome, result: str | None) -> None:
        """Take in that a call is over, and how; the texts may be longer than is told."""
        saying = self._under_way(source)
        if saying is None or saying.doing is None:
            return
        written = saying.said + saying.waiting if saying.whole is None else saying.whole
        (arguments, one), (answer, other) = bounded(written, saying.doing.most), bounded(result or "")
        cut = one or other or (saying.whole is None and saying.silent)
        ended = Ended(arguments, outcome, None if result is None else answer, cut)
        saying.final = End(source, saying.doing, ended)
        saying.waiting = whole(saying.waiting) if saying.doing.kind == "subagent" else ""

    def _under_way(self, source: str) -> _Saying | None:
        saying = self._sayings.get(source)
        return saying if saying and saying.doing and saying.final is None else None

    def complete(self, source: str, text: str, usage: Mapping[str, Any] | None = None) -> None:
        """Take the message's whole text in, as the thread has it; text not yet appended is dropped in its
        favour.
        """
        if self.is_over(source):
            return
        saying = self._sayings.setdefault(source, _Saying())
        saying.final, saying.waiting = Complete(source, whole(text), usage), ""

    def take(self, now_s: float) -> list[Instruction]:
        """Return the instructions that are due and count them as carried out: at most one of a source, or its
        start with the first of its text, so that all of them together are harmless to repeat.
        """
        taken: list[Instruction] = []
        for source, saying in list(self._sayings.items()):
            instruction = _next(source, saying, now_s)
            while instruction is not None:
                self._account(saying, instruction, now_s)
                taken.append(instruction)
                instruction = _first_text(source, saying, now_s) if isinstance(instruction, Start) else None
        taken += [Write(*each) for each in self._written.take(now_s, self.interval_s)]
        return [self._with_number(each) for each in taken]

    def write(self, path: tuple[str, ...], value: str) -> None:
        """Take in what a node wrote, as JSON."""
        self._written.add(path, value)

    def _with_number(self, instruction: Instruction) -> Instruction:
        if not isinstance(instruction, End | Write):
            return instruction
        self._numbered += 1
        return replace(instruction, number=self._numbered)

    def due_s(self) -> float | None:
        """When `take` will next have something, on the clock given to it; None before more is said."""
        times = [saying.due_s for saying in self._sayings.values() if saying.has_more()]
        return min([*times, *self._written.due()], default=None)

    def tell_anew(self, source: str) -> int | None:
        """Begin a message again from its first character, under another id; return the telling that is void.

        For when the journal does not stand where we left it: a failover may take back deltas, which are
        not waited for. None when there is nothing to tell.
        """
        if (saying := self._sayings.get(source)) is None:
            return None
        void = saying.telling
        saying.waiting, saying.said = saying.said + saying.waiting, ""
        saying.started, saying.said_units, saying.telling = False, 0, void + 1
        return void

    def settle(self) -> None:
        """Drop text that nothing completed: from now on completions, ends and what nodes wrote come out."""
        self._written.ready_s = 0.0
        for source, saying in list(self._sayings.items()):
            if not saying.final:
                saying.waiting = ""
            if saying.doing and not saying.started and not saying.final:
                del self._sayings[source]

    def unfinished(self) -> tuple[Start, ...]:
        """What was started and not completed."""
        return tuple(
            Start(source, saying.telling, saying.doing)
            for source, saying in self._sayings.items()
            if saying.started
        )

    def is_over(self, source: str) -> bool:
        """Tell whether the message was completed, by this attempt or an earlier one."""
        return source in self._over or source in self.completed

    def _account(self, saying: _Saying, instruction: Instruction, now_s: float) -> None:
        match instruction:
            case Start():
                saying.started = True
            case Delta(text=text):
                saying.waiting = saying.waiting[len(text) :]
                saying.said += text
                saying.said_units += units(text)
                saying.ready_s = now_s + self.interval_s
            case Complete(source=source) | End(source=source):
                del self._sayings[source]
                self._over.add(source)


def _first_text(source: str, saying: _Saying, now_s: float) -> Delta | None:
    """What goes with a start: not an end, which repeated together would begin it once more."""
    instruction = _next(source, saying, now_s)
    return instruction if isinstance(instruction, Delta) else None


def whole(text: str) -> str:
    """The text with surrogate halves joined into characters; a half without its other half becomes U+FFFD."""
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def message_id(attempt: AttemptId, source: str, telling: int = 0) -> MessageId:
    """The message an attempt says for a source: always the same, so that a repeated start is the same."""
    noise = sha256(f"{attempt} {telling} {source}".encode("utf-8", "replace")).digest()
    return MessageId(uuid7(int(attempt.replace("-", "")[:12], 16), noise[:ENTROPY_BYTES]))


def _same(written: str, text: str) -> bool:
    try:
        return bool(json.loads(written) == json.loads(text))
    except ValueError:
        return False


_HALF = re.compile("[\ud800-\udfff]")


def _more_bytes(last: str, text: str) -> int:
    """How much longer a text that ends with `last` is with more of it, as UTF-8."""
    if text.isascii():
        return len(text)
    return len(whole(last + text).encode()) - len(whole(last).encode())


def _ends_half(text: str) -> bool:
    return "\ud800" <= text[-1:] <= "\udbff"


def _paired(text: str) -> str:
    """Join what can be joined, and keep a first half at the end as it is: its second half may be in the
    next token.
    """
    return whole(text[:-1]) + text[-1] if _ends_half(text) else whole(text)


def _next(source: str, saying: _Saying, now_s: float) -> Instruction | None:
    if not saying.has_more() or now_s < saying.due_s:
        return None
    if not saying.started:
        return Start(source, saying.telling, saying.doing)
    if saying.final is not None and saying.is_all_said:
        return replace(saying.final, telling=saying.telling)
    return Delta(
        source, saying.said_units, saying.speakable()[:MOST_CHARACTERS], saying.telling, saying.doing
    )
