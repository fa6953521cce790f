"""Several devices answer the same interrupt at once: what they were told, and what must hold of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from centrifuge import ReplyError

from services.local.device import RefusedError
from services.shared.model.errors import AlreadyAnswered
from services.shared.wire.codes import ANSWERED


@dataclass(frozen=True)
class Told:
    """What one device was told of its answer: taken, or by whose it was not."""

    user: str
    answer: str
    taken: bool
    text: str = ""


async def race(
    devices: Sequence[str], give: Callable[[int, str], Awaitable[Any]], interrupt: str
) -> list[Told]:
    """Let each device (named by its user) answer with a text of its own; `give` does it for one."""
    answers = [f"{interrupt} {number}" for number in range(len(devices))]
    given = [give(number, answer) for number, answer in enumerate(answers)]
    results = await asyncio.gather(*given, return_exceptions=True)
    return [_told(*each) for each in zip(devices, answers, results, strict=True)]


def _told(user: str, answer: str, result: Any) -> Told:
    if isinstance(result, ReplyError):
        assert result.code == ANSWERED.code, result
        return Told(user, answer, taken=False, text=result.message)
    if isinstance(result, RefusedError):
        text, _, code = str(result).rpartition(" ")
        assert code == f"({ANSWERED.code})", result
        return Told(user, answer, taken=False, text=text)
    if isinstance(result, AlreadyAnswered):
        return Told(user, answer, taken=False, text=f"already answered: {result}")
    if isinstance(result, BaseException):
        raise result
    return Told(user, answer, taken=True)


def faults(told: Sequence[Told], events: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong with the outcome of one race; events: its `input.answered`, as one device saw them."""
    taken = [each for each in told if each.taken]
    if len(taken) != 1:
        return [f"{len(taken)} answers were taken"]
    found = [] if len(events) == 1 else [f"{len(events)} events tell of it"]
    found += [
        f"it is told as {event.get('answer')} of {event.get('user')}"
        for event in events
        if (event.get("user"), event.get("answer")) != (taken[0].user, taken[0].answer)
    ]
    sentence = f"already answered: {taken[0].user} answered it"
    return found + [f"one was told: {each.text}" for each in told if not each.taken and each.text != sentence]
