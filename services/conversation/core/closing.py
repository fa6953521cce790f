"""The order of messages that model providers take: each tool call is answered directly behind its message.

Called by graph/rest of a thread that was stopped amid a step. Providers refuse a conversation in which a
call has no answer, or in which something stands between the two, and they do so for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """What a message is to this. calls: ids of the tool calls it makes. answers: the call it answers, of a
    tool's message.
    """

    calls: tuple[str, ...] = ()
    answers: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """An answer that has to be made up: of a call that the message at `place` made."""

    place: int
    call: str


Order = list[int | Closing]
"""Places of messages, and between them what is missing."""


def closed(lines: Sequence[Line]) -> Order | None:
    """Return the order in which every call is answered, by what answers it further behind or by a Closing;
    None: they stand in such an order.
    """
    order, moved = Order(), set[int]()
    for place, line in enumerate(lines):
        if place in moved:
            continue
        order.append(place)
        if missing := _missing(lines, place, line):
            beside = _beside(lines, place)
            order += [each for each in beside if each not in moved]
            moved.update(beside)
            for call in missing:
                found = _later(lines, beside.stop, call, moved)
                order.append(Closing(place, call) if found is None else found)
                moved.update(() if found is None else (found,))
    return None if order == list(range(len(lines))) else order


def _missing(lines: Sequence[Line], place: int, line: Line) -> list[str]:
    """Calls of a message that nothing directly behind it answers."""
    answered = {lines[each].answers for each in _beside(lines, place)}
    return [call for call in dict.fromkeys(line.calls) if call not in answered]


def _beside(lines: Sequence[Line], place: int) -> range:
    """Places of the tools' messages directly behind a message."""
    end = place + 1
    while end < len(lines) and lines[end].answers:
        end += 1
    return range(place + 1, end)


def _later(lines: Sequence[Line], start: int, call: str, moved: set[int]) -> int | None:
    """Where a call is answered further behind, before another message makes a call by the same id."""
    for place in range(start, len(lines)):
        if call in lines[place].calls:
            return None
        if lines[place].answers == call and place not in moved:
            return place
    return None
