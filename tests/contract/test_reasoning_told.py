"""What devices see of a model's reasoning: streamed as messages are, ended, taken back; in no history."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import TurnId
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk, WorkerProcess

pytestmark = pytest.mark.slow


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


def worker(redis: EmbeddedRedis, folder: Path) -> WorkerProcess:
    more = {"CONTINUO_GRAPHS": "assistant=tests.support.doing_graph:agent", "DOING": str(folder)}
    return WorkerProcess(redis, folder, **more)


async def thinking(talk: Talk, text: str) -> Any:
    """What a device that comes now is told of a thought, once it has this text."""

    async def listed() -> Any:
        found = (await talk.bus.messages.history(talk.id, ANN)).underway
        return found[0] if [each.text for each in found] == [text] else None

    return await eventually(listed, within_s=20.0)


async def thoughts(talk: Talk, turn: TurnId) -> list[dict[str, Any]]:
    kinds = {"message.retracted"}
    events = await talk.events(turn=turn)
    return [each for each in events if each["type"].startswith("reasoning.") or each["type"] in kinds]


async def test_a_thought_is_streamed_and_ends_before_what_is_said(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    async with worker(workers_redis, tmp_path):
        turn = await talk.say("think of rain")
        now = await thinking(talk, "It may be rain")
        assert (now.kind, now.turn, now.at, now.call) == ("reasoning", turn, 14, "")
        (tmp_path / "rain").touch()
        assert (await talk.finished(turn))["outcome"] == "completed"
    started, completed = await thoughts(talk, turn)
    assert (started["type"], started["message"], started["agent"]) == (
        "reasoning.started", now.message, "assistant",
    )  # fmt: skip
    assert (completed["type"], completed["message"], completed["text"]) == (
        "reasoning.completed", now.message, "It may be rain.",
    )  # fmt: skip
    kinds = [event["type"] for event in await talk.events(turn=turn)]
    assert kinds.index("reasoning.completed") < kinds.index("message.completed")
    page = await bus.messages.history(talk.id, ANN)
    assert [each.text for each in page.messages] == ["think of rain", "I thought of rain."]
    assert page.underway == ()


async def test_a_dead_workers_thought_is_taken_back_by_its_name_and_thought_anew(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    async with worker(workers_redis, tmp_path) as first:
        turn = await talk.say("think of snow")
        dead = await thinking(talk, "It may be snow")
        first.child.kill()
        async with worker(workers_redis, tmp_path):
            (tmp_path / "snow").touch()
            await talk.finished(turn)
    one, back, again, completed = await thoughts(talk, turn)
    assert one["message"] == back["message"] == dead.message
    assert (back["type"], back["attempt"]) == ("message.retracted", dead.attempt)
    assert again["message"] == completed["message"] != dead.message
    assert completed["text"] == "It may be snow."


async def test_a_cancelled_turns_thought_is_taken_back(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    async with worker(workers_redis, tmp_path):
        turn = await talk.say("think of hail")
        await thinking(talk, "It may be hail")
        await talk.bus.turns.cancel(talk.id, ANN, turn)
        assert (await talk.finished(turn))["outcome"] == "cancelled"
    started, back = await thoughts(talk, turn)
    assert (back["type"], back["message"]) == ("message.retracted", started["message"])
