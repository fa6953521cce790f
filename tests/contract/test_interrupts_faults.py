"""Questions and answers among failures: workers killed at every step of the way, Redis failing over."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.local.failover import Planned
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from tests.support.asking import Asking, AskingTalk, talk_of
from tests.support.asking_worker import BEGUN, BEHIND, FINISHING, RESUMED, AskingWorker, ran
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import worker_in_process

pytestmark = pytest.mark.slow


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


async def died(worker: AskingWorker) -> None:
    await eventually(lambda: not worker.child.alive, within_s=20.0)


async def outcome(talk: AskingTalk) -> list[tuple[str, int]]:
    """How turns ended, and how many questions were asked by then."""
    told: list[tuple[str, int]] = []
    asked = 0
    for event in await talk.events():
        asked += event["type"] == "input.requested"
        if event["type"] == "turn.finished":
            told.append((event["outcome"], asked))
    return told


async def test_who_takes_a_waiting_turn_up_asks_and_runs_nothing_again(
    bus: Bus, workers_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    talk = await talk_of(bus)
    async with AskingWorker(workers_redis, tmp_path, "simple", FINISHING) as first:
        await talk.say("do it")
        await died(first)
    assert (ran(tmp_path), (await bus.messages.history(talk.id, "ann")).asked) == (["asks"], ())
    (tmp_path / "mended").touch()
    async with AskingWorker(workers_redis, tmp_path, "simple"):
        [question] = await talk.asked()
        assert ran(tmp_path) == ["asks"]
        assert (await talk.replied(question, "yes"))["outcome"] == "completed"
    assert await talk.lines() == ["do it", "you said yes", "done"]
    assert await outcome(talk) == [("interrupted", 1), ("completed", 1)]


@pytest.mark.parametrize(
    ("point", "ends"),
    [
        (BEGUN, ["asks", "asks", "answered", "behind"]),
        (RESUMED, ["asks", "asks", "asks", "answered", "behind"]),
        (BEHIND, ["asks", "asks", "answered", "behind", "behind"]),
    ],
)
async def test_a_worker_that_dies_on_an_answers_way_is_made_up_for(
    bus: Bus, workers_redis: EmbeddedRedis, tmp_path: Path, point: str, ends: list[str]
) -> None:
    talk = await talk_of(bus)
    async with AskingWorker(workers_redis, tmp_path, "simple", point) as first:
        await talk.say("do it")
        [question] = await talk.asked()
        taken = await talk.reply(question, "yes")
        await died(first)
    (tmp_path / "mended").touch()
    async with AskingWorker(workers_redis, tmp_path, "simple"):
        assert (await talk.finished(taken.turn))["outcome"] == "completed"
    assert ran(tmp_path) == ends, "what was durably done is not done again"
    assert await talk.lines() == ["do it", "you said yes", "done"]
    assert await outcome(talk) == [("interrupted", 1), ("completed", 1)]


async def test_an_answer_that_came_to_one_of_two_branches_is_not_given_again(
    bus: Bus, workers_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    talk = await talk_of(bus)
    async with AskingWorker(workers_redis, tmp_path, "branches"):
        await talk.say("do it")
        one, two = await talk.asked(2)
    taken = await talk.reply(one, "yes")
    async with AskingWorker(workers_redis, tmp_path, "branches", FINISHING) as dying:
        await died(dying)
    (tmp_path / "mended").touch()
    async with AskingWorker(workers_redis, tmp_path, "branches"):
        assert (await talk.finished(taken.turn))["outcome"] == "interrupted"
        assert [each.interrupt for each in await talk.asked()] == [two.interrupt]
        assert (await talk.replied(two, "no"))["outcome"] == "completed"
    assert sorted(ran(tmp_path)) == ["answered-a", "answered-b"]
    assert len(await talk.events("input.requested")) == 2


async def test_who_takes_a_turn_up_at_a_breakpoint_asks_and_does_not_pass_it(
    bus: Bus, workers_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    talk = await talk_of(bus)
    async with AskingWorker(workers_redis, tmp_path, "stopped", FINISHING) as first:
        await talk.say("do it")
        await died(first)
    (tmp_path / "mended").touch()
    async with AskingWorker(workers_redis, tmp_path, "stopped"):
        [question] = await talk.asked()
        assert ran(tmp_path) == ["first"]
        await talk.replied(question, True)
    assert ran(tmp_path) == ["first", "behind"]


@pytest.mark.parametrize("planned", [True, False])
async def test_a_failover_between_question_and_answer_changes_nothing(
    own_redis: EmbeddedRedis, planned: bool
) -> None:
    asking = Asking()
    async with open_bus(own_redis) as bus:
        talk = await talk_of(bus)
        async with worker_in_process(own_redis, asking.simple()):
            await talk.say("do it")
            [question] = await talk.asked()
            before: Any = await bus.floor.commands.info("replication")
            await _move(own_redis, planned)

            async def moved() -> bool:
                now: Any = await bus.floor.commands.info("replication")
                return bool(now["master_replid"] != before["master_replid"])

            await eventually(moved, within_s=30.0)
            assert await talk.asked() == [question]
            assert (await talk.replied(question, "yes"))["outcome"] == "completed"
        assert await talk.lines() == ["do it", "let me see", "you said yes", "done: you said yes"]
        assert asking.ran == ["before", "ask", "after"]
        assert len(await talk.events("input.requested")) == 1


async def _move(redis: EmbeddedRedis, planned: bool) -> None:
    if planned:
        await Planned(RedisSettings(redis_sentinels=tuple(redis.sentinels.split(","))), lambda _: None).run()
    else:
        redis.kill(redis.master)
