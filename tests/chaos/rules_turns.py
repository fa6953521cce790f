"""Turns and the journal: one end for everything, nothing said twice, nothing left open at the end. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.chaos.ground import BEGINNINGS, Ground
from tests.chaos.history import History
from tests.chaos.violations import Kind, Violation

Found = Iterator[tuple[Kind, str]]
HOUSE = "the house"


def turns(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Hold the journal to itself, to the messages and to the turns' records."""
    del history
    for conversation, ground in grounds.items():
        for rule in (_ends, _once, _messages, _left):
            for kind, detail in rule(ground):
                yield Violation(kind, conversation, HOUSE, detail)


def _ends(ground: Ground) -> Found:
    for turn in ground.subjects("turn.finished"):
        places = ground.places("turn.finished", turn)
        if len(places) > 1:
            yield Kind.TWO_FINALS, f"turn {turn} finished at {places}"
        record = ground.told.turns.get(turn)
        outcome = ground.entries[places[-1]].event["outcome"]
        if record and record.outcome and record.outcome != outcome:
            yield Kind.TWO_FINALS, f"turn {turn} was told as {outcome} and is kept as {record.outcome}"
    for message in ground.subjects("message.completed"):
        places = ground.places("message.completed", message)
        void = ground.places("message.retracted", message)
        if len(places) > 1 or void:
            yield Kind.TWO_FINALS, f"message {message} ended at {sorted(places + void)}"


def _once(ground: Ground) -> Found:
    for kind in ("message.created", "message.started", "message.retracted"):
        for message in ground.subjects(kind):
            places = ground.places(kind, message)
            if len(places) > 1:
                yield Kind.REPEATED, f"{kind} of {message} stands at {places}"
    for message, count in Counter(said.id for said in ground.told.messages).items():
        if count > 1:
            yield Kind.REPEATED, f"message {message} is kept {count} times"


def _messages(ground: Ground) -> Found:
    for kind in ("message.created", "message.completed"):
        for message in ground.subjects(kind):
            event = ground.entries[ground.places(kind, message)[-1]].event
            kept = ground.messages.get(message)
            if kept is None and message not in ground.gone:
                yield Kind.LOST, f"{kind} of {message} is in the journal, the message is not kept"
            elif kept is None:
                continue
            elif message in ground.gone:
                yield Kind.FOREIGN, f"message {message} was taken back and is kept"
            elif kept.text != (ground.texts(message) or [event["text"]])[-1]:
                wrong = Kind.TWO_FINALS if kind == "message.completed" else Kind.FOREIGN
                yield wrong, f"message {message} was told with one text and is kept with another"
    yield from _kept_in_order(ground)


def _kept_in_order(ground: Ground) -> Found:
    last = 0
    for said in sorted(ground.told.messages, key=lambda said: said.seq):
        at = ground.kept_at(said.id)
        if at is None:
            if ground.head.low == 0:
                yield Kind.LOST, f"message {said.id} is kept, and nobody was told"
        elif at < last:
            yield Kind.REORDERED, f"message {said.id} is kept behind one that was told after it"
        last = max(last, at or 0)


def _left(ground: Ground) -> Found:
    told = ground.told
    for one in told.open:
        message = one["message"] if isinstance(one, dict) else one
        yield Kind.LEFT_STREAMING, f"message {message} is still open"
    for turn in told.fifo:
        yield Kind.LEFT_STREAMING, f"turn {turn} still waits"
    for turn, facts in told.turns.items():
        if facts.state != "finished":
            yield Kind.LEFT_STREAMING, f"turn {turn} is still {facts.state}"
        elif ground.head.low == 0 and not ground.places("turn.finished", turn):
            yield Kind.LEFT_STREAMING, f"turn {turn} is finished, and nobody was told"
    for message in [each for kind in BEGINNINGS for each in ground.subjects(kind)]:
        if ground.begun_and_ended(message)[1] is None:
            yield Kind.LEFT_STREAMING, f"message {message} began and has no end in the journal"
