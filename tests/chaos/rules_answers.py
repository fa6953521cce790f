"""Answers: a house that refuses, fails, cancels or says nothing without a cause keeps no promise. Pure.

Judged only where a run asks for it: the campaign's graph never fails by itself, and its devices send nothing
that may be refused for good.
"""

from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.ground import Ground
from tests.chaos.history import History
from tests.chaos.records import About, Cancel, Cancelling, DeviceLine, Life, Refused, Settled, Subscribed
from tests.chaos.violations import Kind, Violation

HOUSE = "the house"
MARGIN_S = 1.0
"""Between the clock of a device's notes and Redis' own."""
CALL_S = 10.0
"""So long a call to cancel may be under way before it is carried out."""


def answers(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Everything that was not answered as it should have been."""
    if not history.devices or not any(history.runs.values()):
        yield Violation(Kind.UNANSWERED, "", HOUSE, "no device or no worker noted anything")
    for device, lines in history.devices.items():
        yield from _refusals(device, lines)
        yield from _unsettled(device, lines)
    cancels = _cancels(history)
    for conversation, ground in grounds.items():
        for turn, record in ground.told.turns.items():
            if (why := _wrong(ground, turn, cancels)) is not None:
                yield Violation(Kind.UNANSWERED, conversation, HOUSE, f"turn {turn} {why} ({record.outcome})")


def _refusals(device: str, lines: Sequence[DeviceLine]) -> Iterator[Violation]:
    for line in lines:
        if isinstance(line, Refused) and not line.temporary:
            told = f"message {line.message} was refused for good ({line.code})"
            yield Violation(Kind.UNANSWERED, line.conversation, device, told, line.t)


def _unsettled(device: str, lines: Sequence[DeviceLine]) -> Iterator[Violation]:
    """Of its last life a device must have settled where it followed, or nobody knows what it lacks."""
    lives = [place for place, line in enumerate(lines) if isinstance(line, Life)]
    last = lines[lives[-1] :] if lives else lines
    settled = {line.conversation for line in last if isinstance(line, Settled)}
    followed = {line.conversation for line in last if isinstance(line, Subscribed)}
    if not followed:
        yield Violation(Kind.UNANSWERED, "", device, "the device follows nothing in its last life")
    for conversation in sorted(followed - settled):
        yield Violation(Kind.UNANSWERED, conversation, device, "the device has not settled")


def _cancels(history: History) -> list[About] | None:
    """Every call to cancel; None where devices did not note what they asked for."""
    lines = [line for noted in history.devices.values() for line in noted]
    if not any(isinstance(line, Cancelling) for line in lines):
        return None
    return [line for line in lines if isinstance(line, Cancel | Cancelling)]


def _wrong(ground: Ground, turn: str, cancels: Sequence[About] | None) -> str | None:
    """What is wrong with a turn's end; None: nothing."""
    record = ground.told.turns[turn]
    if record.outcome == "failed":
        return "failed, and nothing in it can"
    if record.outcome == "completed":
        told = [message for message in ground.subjects("message.completed") if _of(ground, message) == turn]
        return None if told else "completed and said nothing"
    if record.outcome == "cancelled" and cancels is not None and not _asked(ground, turn, cancels):
        return "was cancelled, and nobody asked for it"
    return None


def _of(ground: Ground, message: str) -> str:
    return str(ground.entries[ground.places("message.completed", message)[-1]].event["turn"])


def _asked(ground: Ground, turn: str, cancels: Sequence[About]) -> bool:
    """Whether somebody called to cancel between the question and the turn's end."""
    ended = ground.places("turn.finished", turn)
    asked = [
        place for each in ground.told.turns[turn].messages for place in ground.places("message.created", each)
    ]
    if not ended or not asked:
        return True
    begun_s = ground.entries[asked[0]].event["time"] / 1000 - CALL_S
    over_s = ground.entries[ended[-1]].event["time"] / 1000 + MARGIN_S
    conversation = str(ground.entries[ended[-1]].event["conversation"])
    return any(line.conversation == conversation and begun_s <= line.t <= over_s for line in cancels)
