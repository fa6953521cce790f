"""The spans of what devices are shown: how long it was held, and when it was handed out, per pod and message.

Called by outbound.py, only while traces are on. Told when they are over, so nothing is open here but counts:
a delta costs a look into a dictionary. The trace stands at the beginning of a message's first and last event,
and of every event of its turn. Must never keep a text.
"""

from collections.abc import Iterable

from services.connection.follows import Followed, Message, Way
from services.shared.model.conversation import Entry
from services.shared.runtime.clock import Clock
from services.shared.runtime.tracing import Span, Tracing, exemplar_of, spans
from services.shared.wire.envelopes import KIND_DELTA, KIND_EVENT
from services.shared.wire.traced import Traced, keep_of, message_of_delta, traced

MOST_HEARD = 1024
"""Beginnings per channel that wait to be shown. Beyond it their waits are not told."""
STARTS = frozenset({"message.started", "reasoning.started"})
FIRSTS = STARTS | {"message.created"}
LASTS = {
    "message.completed": "completed",
    "reasoning.completed": "completed",
    "message.retracted": "retracted",
}
NS_PER_MS = 1_000_000


class Deliveries:
    """Tells them. `each_delta`: also one for every delta."""

    def __init__(self, tracing: Tracing, clock: Clock, *, each_delta: bool) -> None:
        self._tracing = tracing
        self._now_ns = clock.now_ns
        self._each_delta = each_delta

    def heard(self, followed: Followed, offset: int, body: bytes) -> None:
        """An event was heard, or read from the journal; the first time counts."""
        told = traced(body)
        if told is None or told.type not in FIRSTS or offset <= followed.shown:
            return
        heard = _way(followed).heard
        if len(heard) >= MOST_HEARD:
            heard.clear()
        heard.setdefault(offset, self._now_ns())

    def shown(self, followed: Followed, entries: Iterable[Entry], began_ns: int) -> None:
        """Entries were handed out just now, to whoever follows; it began at `began_ns`."""
        for entry in entries:
            if entry.kind == KIND_DELTA:
                self._count(followed, entry, began_ns)
            elif entry.kind == KIND_EVENT and (told := traced(entry.body)) is not None:
                self._show(followed, entry, told, began_ns)

    def exemplar(self, followed: Followed, entry: Entry) -> dict[str, str] | None:
        """For histograms: the trace of what was shown, where it is sampled and was told."""
        if entry.kind == KIND_EVENT:
            told = traced(entry.body)
        else:
            message = followed.way.messages.get(message_of_delta(entry.body)) if followed.way else None
            told = message.told if message else None
        return exemplar_of(told.trace) if told else None

    def left(self, followed: Followed, outcome: str) -> None:
        """Nobody follows any more, or the channel goes on elsewhere: what was on its way ends here."""
        way, followed.way = followed.way, None
        for message in way.messages.values() if way else ():
            if message.told is not None:
                self._deliver(followed, message.told, message, outcome)

    def _count(self, followed: Followed, entry: Entry, began_ns: int) -> None:
        if not (name := message_of_delta(entry.body)):  # a tool's: its start and its end are told
            return
        messages = _way(followed).messages
        message = messages.get(name)
        if message is None:
            message = messages[name] = Message(began_ns, len(followed.audience))
        message.deltas += 1
        if self._each_delta and message.told is not None:
            kind = f"{message.told.type.partition('.')[0]}.delta"
            self._one(followed, entry, message.told._replace(type=kind), began_ns)

    def _show(self, followed: Followed, entry: Entry, told: Traced, began_ns: int) -> None:
        if told.type in FIRSTS:
            self._confirm(followed, entry, told, began_ns)
        if told.type in STARTS:
            message = Message(began_ns, len(followed.audience), told)
            _way(followed).messages[told.message.encode()] = message
        elif outcome := LASTS.get(told.type):
            begun = followed.way.messages.pop(told.message.encode(), None) if followed.way else None
            self._deliver(followed, told, begun or Message(began_ns, 0), outcome, entry.offset)
        else:
            self._one(followed, entry, told, began_ns)
        if told.type == "turn.finished" and (why := keep_of(entry.body)):
            self._tracing.keep(told.trace, why)

    def _confirm(self, followed: Followed, entry: Entry, told: Traced, shown_ns: int) -> None:
        heard_ns = followed.way.heard.pop(entry.offset, 0) if followed.way else 0
        if not heard_ns or not len(followed.audience):
            return
        self._tracing.begin(
            spans.CONFIRM,
            told.trace,
            started_ns=heard_ns,
            conversation=told.conversation,
            message=told.message or None,
            turn=told.turn or None,
            event=told.type,
            offset=entry.offset,
            replication_ms=(shown_ns - heard_ns) / NS_PER_MS,
        ).end(shown_ns)

    def _one(self, followed: Followed, entry: Entry, told: Traced, began_ns: int) -> None:
        if followers := len(followed.audience):
            span = self._begin(followed, told, began_ns, followers)
            span.set(offset=entry.offset)
            span.end(self._now_ns())

    def _deliver(
        self, followed: Followed, told: Traced, message: Message, outcome: str, offset: int | None = None
    ) -> None:
        if followers := max(message.followers, len(followed.audience)):
            span = self._begin(followed, told, message.first_ns, followers)
            span.set(offset=offset, deltas=message.deltas, outcome=outcome)
            span.end(self._now_ns())

    def _begin(self, followed: Followed, told: Traced, first_ns: int, followers: int) -> Span:
        return self._tracing.begin(
            spans.DELIVER,
            told.trace,
            started_ns=first_ns,
            conversation=told.conversation,
            message=told.message or None,
            turn=told.turn or None,
            channel=followed.channel.name,
            event=told.type,
            followers=followers,
        )


def _way(followed: Followed) -> Way:
    if followed.way is None:
        followed.way = Way({}, {})
    return followed.way
