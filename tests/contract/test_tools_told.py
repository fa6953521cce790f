"""What devices are told of tools: their calls as a model writes them, how they end, and what was spent.

The graph is an unchanged project in a real worker, its model's client the real one.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import TurnId
from tests.support.model_server import Answer, ModelServer
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk, WorkerProcess

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[1] / "gallery/tools"
CHAIR, LAMP = ("reserve", {"item": "chair"}), ("reserve", {"item": "lamp"})
CARD = ("charge", {"card": "1234"})
USAGE = {"input_tokens": 7, "output_tokens": 0, "total_tokens": 7}


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer(counts=True) as server:
        yield server


def worker(redis: EmbeddedRedis, folder: Path, server: ModelServer, **more: str) -> WorkerProcess:
    variables = {
        "CONTINUO_GRAPHS": "assistant=shop.agent:agent",
        "PYTHONPATH": str(PROJECT),
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_API_KEY": "not-a-key",
        "SHOP": str(folder),
    }
    return WorkerProcess(redis, folder, **variables, **more)


def slip(folder: Path, item: str, says: str = "") -> None:
    """The warehouse answers."""
    (folder / f"{item}.slip").write_text(says or f"{item} is yours")


async def calls(talk: Talk, turn: TurnId) -> dict[str, list[dict[str, Any]]]:
    """The events of a turn's tools that last, by their call, in order."""
    told: dict[str, list[dict[str, Any]]] = {}
    for event in await talk.events(turn=turn):
        if event["type"].startswith("tool."):
            told.setdefault(event["call"], []).append(event)
    return told


async def underway(talk: Talk, most: int = 1) -> tuple[Any, ...]:
    """What a device that comes now is told of calls, once all of these run with their arguments."""

    async def listed() -> Any:
        found = (await talk.bus.messages.history(talk.id, ANN)).underway
        return len(found) == most and all(each.text.endswith("}") for each in found) and found

    found: tuple[Any, ...] = await eventually(listed, within_s=20.0)
    return found


async def test_calls_are_told_with_arguments_and_results_side_by_side(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, server: ModelServer
) -> None:
    talk = await Talk.new(bus)
    async with worker(workers_redis, tmp_path, server):
        server.answers.append(Answer((), calls=[CHAIR, LAMP]))
        turn = await talk.say("a chair and a lamp, please")
        chair, lamp = sorted(await underway(talk, 2), key=lambda each: each.text)
        assert [json.loads(each.text)["item"] for each in (chair, lamp)] == ["chair", "lamp"]
        assert (chair.kind, chair.name, chair.turn, chair.at) == ("tool", "reserve", turn, len(chair.text))
        assert await talk.events("tool.delta") != []
        slip(tmp_path, "lamp")
        await eventually(lambda: talk.events("tool.finished", turn), within_s=20.0)
        slip(tmp_path, "chair")
        end = await talk.finished(turn)
    told = await calls(talk, turn)
    assert list(told) == [chair.call, lamp.call] or list(told) == [lamp.call, chair.call]
    for call, item in ((chair.call, "chair"), (lamp.call, "lamp")):
        started, finished = told[call]
        assert (started["type"], finished["type"]) == ("tool.started", "tool.finished")
        assert (started["name"], started["agent"], "path" in started) == ("reserve", "assistant", False)
        assert (json.loads(finished["arguments"]), finished["result"]) == ({"item": item}, f"{item} is yours")
        assert (finished["outcome"], "cut" in finished) == ("completed", False)
    assert await talk.events("tool.delta") == []
    assert (await bus.messages.history(talk.id, ANN)).underway == ()
    assert end["usage"] == {"input_tokens": 14, "output_tokens": 3, "total_tokens": 17}


async def test_a_tool_that_raises_ends_failed_and_its_words_stay_with_its_author(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, server: ModelServer
) -> None:
    talk = await Talk.new(bus)
    async with worker(workers_redis, tmp_path, server):
        server.answers.append(Answer((), calls=[CARD]))
        turn = await talk.say("I pay by card")
        end = await talk.finished(turn)
    [[_, finished]] = (await calls(talk, turn)).values()
    assert (finished["name"], finished["outcome"]) == ("charge", "failed")
    assert finished["result"] == "ConnectionRefusedError"
    assert (end["outcome"], end["usage"]) == ("failed", USAGE)
    assert end["reason"] == "the agent failed (ConnectionRefusedError)"
    assert (tmp_path / "ledger").read_text() == "charge 1234\n", (
        "a tool that was called once was charged once"
    )


async def test_a_long_result_is_shortened_and_says_so(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, server: ModelServer
) -> None:
    talk = await Talk.new(bus)
    slip(tmp_path, "chair", "ü" * 20_000)
    async with worker(workers_redis, tmp_path, server):
        server.answers.append(Answer((), calls=[CHAIR]))
        turn = await talk.say("a chair, please")
        await talk.finished(turn)
    [[_, finished]] = (await calls(talk, turn)).values()
    assert (finished["result"], finished["cut"]) == ("ü" * 8192, True)


async def test_a_cancelled_turns_calls_end_as_cancelled_with_what_was_known_of_them(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, server: ModelServer
) -> None:
    talk = await Talk.new(bus)
    async with worker(workers_redis, tmp_path, server):
        server.answers.append(Answer((), calls=[CHAIR]))
        turn = await talk.say("a chair, please")
        await underway(talk)
        await talk.bus.turns.cancel(talk.id, ANN, turn)
        end = await talk.finished(turn)
    [[_, finished]] = (await calls(talk, turn)).values()
    assert (finished["outcome"], json.loads(finished["arguments"])) == ("cancelled", {"item": "chair"})
    assert "result" not in finished
    assert (end["outcome"], end["usage"]) == ("cancelled", USAGE)
    assert (await bus.messages.history(talk.id, ANN)).underway == ()


async def test_a_killed_workers_call_is_cancelled_by_name_told_anew_and_both_attempts_are_counted(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, server: ModelServer
) -> None:
    talk = await Talk.new(bus)
    async with worker(workers_redis, tmp_path, server) as first:
        server.answers.append(Answer((), calls=[CHAIR]))
        turn = await talk.say("a chair, please")
        [dead] = await underway(talk)
        first.child.kill()
        async with worker(workers_redis, tmp_path, server):
            slip(tmp_path, "chair")
            end = await talk.finished(turn)
    told = await calls(talk, turn)
    [left, again] = told.values()
    assert left[0]["call"] == dead.call
    assert [event["type"] for event in left] == ["tool.started", "tool.finished"]
    assert (left[1]["outcome"], left[1]["attempt"]) == ("cancelled", dead.attempt)
    assert (again[1]["outcome"], again[1]["result"]) == ("completed", "chair is yours")
    assert again[1]["attempt"] == end["attempt"] != dead.attempt
    assert end["usage"] == {"input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
