"""A device's calls: tried again while that may help, told to the person once, given up when it never will."""

from types import SimpleNamespace
from typing import Any

import pytest
from centrifuge import ClientDisconnectedError, ReplyError

from services.local import device as module
from services.local.device import Device, RefusedError
from services.local.following import Watcher

FULL = ReplyError(111, "too many requests", True)
CUT = ClientDisconnectedError("cut")
ARGUMENTS = {"conversation": "c", "id": "m", "text": "hi"}


class Told(Watcher):
    """Counts how often the person was told that the servers are busy."""

    def __init__(self) -> None:
        self.times = 0

    def busy(self) -> None:
        self.times += 1


class Answers:
    """Gives or raises one thing after another, and notes what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def rpc(self, method: str, arguments: Any) -> Any:
        self.asked.append((method, arguments))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(data=answer)


async def no_token() -> str:
    return ""


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep))
    return taken


def device(answers: Answers, watcher: Watcher | None = None) -> Device:
    made = Device(["ws://127.0.0.1:1/connection/websocket"], no_token, watcher)
    made._client = answers
    return made


async def test_what_is_refused_for_now_is_sent_again_unchanged_with_growing_pauses_and_told_once(
    pauses: list[float],
) -> None:
    answers, told = Answers(*[FULL] * 8, {"message": "m"}), Told()
    assert await device(answers, told).send("c", "hi", "m") == "m"
    assert answers.asked == [("conversation.send", ARGUMENTS)] * 9
    assert told.times == 1
    assert len(pauses) == 8
    assert max(pauses) <= 2
    assert sum(pauses[4:]) > sum(pauses[:4])


async def test_a_lost_connection_is_no_word_of_busy_servers(pauses: list[float]) -> None:
    answers, told = Answers(CUT, ReplyError(100, "internal server error", True), {}), Told()
    await device(answers, told).send("c", "hi", "m")
    assert (len(answers.asked), len(pauses), told.times) == (3, 2, 0)


async def test_what_will_never_be_taken_is_not_tried_again(pauses: list[float]) -> None:
    answers = Answers(ReplyError(410, "message id outside the window: made 90000 s ago", False))
    with pytest.raises(RefusedError, match="90000 s ago"):
        await device(answers).send("c", "hi", "m")
    assert pauses == []
