"""Acknowledgements: what a server said is kept is kept once, where it said, and answered. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.chaos.ground import Ground
from tests.chaos.history import History
from tests.chaos.records import Acked, Send
from tests.chaos.violations import Kind, Violation

Found = Iterator[tuple[Kind, str]]


@dataclass(slots=True)
class Told:
    """What devices said and heard about one message."""

    texts: set[str] = field(default_factory=set)
    acks: list[tuple[str, Acked]] = field(default_factory=list)


def acknowledgements(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Hold every acknowledgement to the truth."""
    for (conversation, message), told in _told(history).items():
        if not told.acks:
            continue
        device, first = told.acks[0]
        ground = grounds.get(conversation)
        for kind, detail in _judge(message, told, ground) if ground else _nowhere(message):
            yield Violation(kind, conversation, device, detail, first.t)


def _told(history: History) -> dict[tuple[str, str], Told]:
    told: dict[tuple[str, str], Told] = defaultdict(Told)
    for device, lines in history.devices.items():
        for line in lines:
            if isinstance(line, Send):
                told[line.conversation, line.message].texts.add(line.text)
            elif isinstance(line, Acked):
                told[line.conversation, line.message].acks.append((device, line))
    return told


def _nowhere(message: str) -> Found:
    yield Kind.LOST, f"message {message} was acknowledged in a conversation the house does not have"


def _judge(message: str, told: Told, ground: Ground) -> Found:
    positions = sorted({(ack.epoch, ack.offset) for _, ack in told.acks})
    if len(positions) > 1:
        yield Kind.WRONG_ACKNOWLEDGEMENT, f"message {message} was acknowledged at {positions}"
    yield from _kept(message, told, ground)
    yield from _placed(message, positions, ground)
    yield from _asked(message, ground)


def _kept(message: str, told: Told, ground: Ground) -> Found:
    kept = ground.messages.get(message)
    if kept is None and message in ground.gone:
        return
    if kept is None:
        yield Kind.LOST, f"message {message} was acknowledged and is not among the messages"
    elif told.texts and not kept.is_changed and kept.text not in told.texts | {*ground.texts(message)[1:]}:
        yield Kind.LOST, f"message {message} was acknowledged and is kept with another text"


def _placed(message: str, positions: list[tuple[str, int]], ground: Ground) -> Found:
    places = ground.places("message.created", message)
    if not places:
        if any(not ground.trimmed(offset) for _, offset in positions):
            yield Kind.LOST, f"message {message} was acknowledged and is not in the journal"
        return
    epoch = ground.epoch_at(places[0])
    for said, offset in positions:
        if offset != places[0] or epoch not in {None, said}:
            stands = f"it stands at {epoch} {places[0]}"
            yield (
                Kind.WRONG_ACKNOWLEDGEMENT,
                f"message {message} was acknowledged at {said} {offset}, {stands}",
            )


def _asked(message: str, ground: Ground) -> Found:
    for agent in ground.told.agents:
        turns = [
            turn
            for turn, facts in ground.told.turns.items()
            if facts.agent == agent and message in facts.messages
        ]
        if not turns:
            yield Kind.LOST, f"message {message} was acknowledged and no turn of {agent} answers it"
        # One that failed may have been played again, by another turn for the same messages.
        elif len([turn for turn in turns if ground.told.turns[turn].outcome != "failed"]) > 1:
            yield Kind.REPEATED, f"message {message} is answered by turns {sorted(turns)} of {agent}"
