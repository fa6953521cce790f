"""Whether a device that was cut off and came back heard what a device heard that never left.

Called by `continuo probe`. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, order=True)
class Heard:
    """One event: its place in the journal, its type, the message it is about ("" if none)."""

    offset: int
    type: str
    message: str


def fault_in(traveller: Sequence[Heard], witness: Sequence[Heard], said: Sequence[str]) -> str:
    """The sentence that names the first fault; empty when both heard the same, up to the last message.

    said: ids of the messages, in the order they were said.
    """
    for who, heard in (("the device that never left", witness), ("the device that came back", traveller)):
        for one, following in pairwise(each.offset for each in heard):
            if following <= one:
                twice = "twice" if following == one or _repeats(heard, following) else "out of order"
                return f"{who} heard event {following} {twice}"
    last = max((each.offset for each in witness if each.message == said[-1]), default=0)
    ours, theirs = (_up_to(last, heard) for heard in (traveller, witness))
    if missed := sorted(theirs - ours):
        return f"the device that came back missed event {missed[0].offset} ({missed[0].type})"
    if extra := sorted(ours - theirs):
        return f"the device that never left missed event {extra[0].offset} ({extra[0].type})"
    order = [each.message for each in traveller if each.type == "message.created"]
    return "" if order == list(said) else "messages were heard in another order than they were said"


def _repeats(heard: Sequence[Heard], offset: int) -> bool:
    return sum(each.offset == offset for each in heard) > 1


def _up_to(last: int, heard: Sequence[Heard]) -> set[Heard]:
    return {each for each in heard if each.offset <= last}
