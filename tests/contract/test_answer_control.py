"""That the race of answers can be lost: with the script's own check taken out, the judge finds it."""

import hashlib
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from services.shared.bus import scripts
from services.shared.bus.house import Bus
from services.shared.model.asking import Ask
from tests.support.answer_race import Told, faults, race
from tests.support.bus_house import ANN, fresh, house_of

USERS = (ANN, ANN, ANN, "bob", "bob")
ONE = "1" * 32
TAKEN_OUT = "redis.call('HDEL', KEYS[5], interrupt)"
"""By this the first answer leaves nothing for a second one."""


async def raced(bus: Bus) -> list[str]:
    house = house_of(bus)
    conversation = await house.conversation("bob")
    await house.ask(conversation)
    lease = await house.claim(conversation)
    await house.turns.finish(lease, await house.begin(lease), "interrupted", asks=[Ask(ONE, b'"?"')])

    async def give(number: int, answer: str) -> Any:
        text = msgspec.json.encode(answer)
        return await bus.answers.answer(conversation, USERS[number], fresh(), ONE, text)

    told: list[Told] = await race(USERS, give, ONE)
    return faults(
        told, [each for each in await house.events(conversation) if each["type"] == "input.answered"]
    )


async def test_five_answers_at_once_leave_one(bus: Bus) -> None:
    assert await raced(bus) == []


async def test_without_the_scripts_check_the_judge_finds_what_is_wrong(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, whole = scripts.script, scripts.script("answer")
    assert TAKEN_OUT in whole.text
    text = whole.text.replace(TAKEN_OUT, "")
    hurt = replace(whole, text=text, sha=hashlib.sha1(text.encode()).hexdigest())
    monkeypatch.setattr(scripts, "script", lambda name: hurt if name == "answer" else real(name))
    assert await raced(bus) == ["5 answers were taken"]
