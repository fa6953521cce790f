"""People's deeds: what was acknowledged stands in the journal, and in the end the house keeps, tells and
shows the same of every message, member and number. Pure.

Only where the journal is whole: of one whose beginning is gone nobody knows what people did there.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.ground import Ground, last_of
from tests.chaos.history import History
from tests.chaos.people import People, Shown, holds
from tests.chaos.records import About, Conversation, DeviceLine, Done, Life, Loaded, Pub, Settled, Subscribed
from tests.chaos.violations import Kind, Violation

HOUSE = "the house"
REWIND = "conversation.rewind"
Found = Iterator[tuple[Kind, str]]


@dataclass(frozen=True, slots=True)
class Deed:
    """An acknowledgement, and whose it was."""

    device: str
    user: str
    done: Done


def people(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Hold deeds to the journal, the journal to the store, and devices to both."""
    whole = {name: ground for name, ground in grounds.items() if not ground.head.low}
    deeds = _deeds(history)
    for name, ground in whole.items():
        yield from _in_order(name, ground, deeds[name])
    for device, lines in history.devices.items():
        yield from _shown(device, lines, whole)


def _deeds(history: History) -> dict[str, list[Deed]]:
    """Of each conversation, by their positions."""
    found: dict[str, list[Deed]] = defaultdict(list)
    for device, lines in history.devices.items():
        user = ""
        for line in lines:
            if isinstance(line, Life):
                user = line.user
            elif isinstance(line, Done):
                found[line.conversation].append(Deed(device, user, line))
    for deeds in found.values():
        deeds.sort(key=lambda deed: deed.done.offset)
    return found


def _in_order(name: str, ground: Ground, deeds: Sequence[Deed]) -> Iterator[Violation]:
    """Fold the journal, with each deed judged right behind the entry that its acknowledgement names."""
    standing, waiting = People(), list(reversed(deeds))
    for offset in [*ground.lasting, ground.head.top + 1]:
        while waiting and waiting[-1].done.offset < offset:
            deed = waiting.pop()
            for kind, detail in _judged(deed, standing, ground):
                yield Violation(kind, name, deed.device, detail, deed.done.t)
        if offset in ground.entries:
            standing.apply(ground.entries[offset].event)
    for deed in waiting:
        detail = f"{_named(deed)} was acknowledged beyond the journal's end"
        yield Violation(Kind.LOST, name, deed.device, detail, deed.done.t)
    for kind, detail in _kept(standing, ground.told):
        yield Violation(kind, name, HOUSE, detail)


def _judged(deed: Deed, standing: People, ground: Ground) -> Found:
    done = deed.done
    last = last_of(ground.head, done.epoch)
    if last is None or done.offset > last:
        yield Kind.WRONG_ACKNOWLEDGEMENT, f"{_named(deed)}: {done.epoch} has no such offset"
    if done.method == REWIND:
        stands = done.arguments["message"] in ground.gone and _is_rewound(ground, done)
    else:
        stands = holds(standing, deed.user, done.method, done.arguments)
    if not stands:
        yield Kind.LOST, f"{_named(deed)} was acknowledged, and the journal does not hold it there"


def _is_rewound(ground: Ground, done: Done) -> bool:
    entry = ground.entries.get(done.offset)
    return (
        entry is not None
        and entry.event["type"] == "conversation.rewound"
        and entry.event["message"] == done.arguments["message"]
    )


def _kept(standing: People, told: Conversation) -> Found:
    """Whether the store is what the journal tells."""
    if told.members is None:
        return
    yield from _same_messages("the house keeps", told, standing)
    for what, kept, tells in (
        ("members", told.members, standing.roles),
        ("invited", sorted(told.invited), sorted(standing.invited)),
        ("title", told.title, standing.title),
        ("read", _some(told.reads), _some(standing.reads)),
    ):
        if kept != tells:
            yield Kind.FOREIGN, f"{what}: the house keeps {kept}, its journal tells {tells}"


def _same_messages(whose: str, told: Conversation, standing: People, first: int = 0) -> Found:
    """Messages from number `first` on: `standing` has just those that are kept, each as it is kept."""
    kept = {said.id: Shown.of(said) for said in told.messages if said.seq >= first}
    for message in sorted(kept.keys() | standing.messages.keys()):
        one, other = kept.get(message), standing.messages.get(message)
        if one is None or other is None:
            shown = standing.messages[message] if one is None else one
            if shown.seq >= first:
                yield Kind.FOREIGN, f"message {message}: {whose} {one}, {other} is what was told"
        elif _essence(one, other) != _essence(other, one):
            yield Kind.FOREIGN, f"message {message}: {whose} {one}, {other} is what was told"


def _essence(shown: Shown, other: Shown) -> tuple[object, ...]:
    """Numbers count where both are known."""
    seq = shown.seq if shown.seq and other.seq else 0
    return shown.text, seq, shown.edits, shown.deleted, shown.reactions


def _some(reads: Mapping[str, int]) -> dict[str, int]:
    return {user: seq for user, seq in reads.items() if seq}


@dataclass(slots=True)
class _View:
    """A conversation as a device's user sees it. first: the lowest number of its page."""

    user: str
    people: People = field(default_factory=People)
    first: int | None = None

    def take(self, line: DeviceLine) -> None:
        match line:
            case Loaded():
                self.people = People()
                self.people.load(line.messages)
                self.first = min((said.seq for said in line.messages), default=0)
            case Subscribed(recovered=False, was_recovering=True):
                self.people, self.first = People(), None  # the device was told, and loads anew
            case Pub(offset=offset, event=event) if offset > 0:
                self.people.apply(event)
        if isinstance(line, Subscribed) and line.read is not None:
            self.people.has_read(self.user, line.read)

    def misfits(self, line: Settled, told: Conversation) -> Found:
        if told.members is None:
            return
        reads = told.reads.get(self.user, 0)
        unread = sum(said.seq > reads for said in told.messages)
        if self.first is not None:
            yield from _same_messages("the house keeps, to a settled device,", told, self.people, self.first)
            shown = (self.people.reads[self.user], self.people.unread(self.user))
            if self.first <= 1 and shown != (reads, unread):
                yield (
                    Kind.FOREIGN,
                    f"a settled device shows read and unread {shown}, kept is {(reads, unread)}",
                )
        for what, answer, kept in (
            ("read", line.read, reads),
            ("unread", line.unread, unread),
            ("title", line.title, told.title),
            ("members", line.members, told.members),
        ):
            if answer is not None and answer != kept:
                yield Kind.FOREIGN, f"{what}: a settled device was answered {answer}, kept is {kept}"


def _shown(device: str, lines: Sequence[DeviceLine], grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    views: dict[str, _View] = {}
    user = ""
    for line in lines:
        if isinstance(line, Life):
            user = line.user
            views.clear()
        elif isinstance(line, About) and line.conversation in grounds:
            view = views.setdefault(line.conversation, _View(user))
            view.take(line)
            if isinstance(line, Settled):
                for kind, detail in view.misfits(line, grounds[line.conversation].told):
                    yield Violation(kind, line.conversation, device, detail, line.t)


def _named(deed: Deed) -> str:
    asked = ", ".join(f"{name} {value!r}" for name, value in deed.done.arguments.items())
    return f"{deed.done.method} ({asked}) of {deed.user} at {deed.done.offset}"
