"""A worker that is killed at any step of a rollback, which a message asks for or who goes back: the next one
ends it, and it is told once.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.conversation import KeptMessage
from tests.support.dying_worker import ENDLESS, PLACES, DyingWorker, has_died
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk

pytestmark = pytest.mark.slow


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.mark.parametrize("place", PLACES)
async def test_a_rollback_whose_worker_is_killed_is_ended_by_the_next_one_and_told_once(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, place: str
) -> None:
    talk = await Talk.new(bus)
    await bus.conversations.configure(talk.id, ANN, double_texting="rollback")
    async with DyingWorker(workers_redis, tmp_path, place), DyingWorker(workers_redis, tmp_path, place):
        await talk.finished(await talk.say("before"))
        before = [message.text for message in await talk.thread()]
        rolled_back = await talk.say(ENDLESS)
        [said] = await eventually(lambda: talk.events("message.completed", rolled_back))
        following = await talk.say("behind")
        end = await talk.finished(rolled_back)
        assert (end["outcome"], end["reason"]) == ("cancelled", "rolled back")
        await talk.finished(following)
        assert has_died(tmp_path)
    assert before == ["before", "One: before.", "Two: before."]
    behind = ["behind", "One: behind.", "Two: behind."]
    assert [message.text for message in await talk.thread()] == [*before, *behind]
    page = await bus.messages.history(talk.id, ANN)
    assert [message.text for message in page.messages] == [*before, ENDLESS, *behind]
    [retracted] = await talk.events("message.retracted", rolled_back)
    assert (retracted["message"], retracted["reason"]) == (said["message"], "rolled back")


@pytest.mark.parametrize("place", PLACES)
async def test_going_back_while_a_turn_runs_comes_to_the_same_where_its_worker_is_killed(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, place: str
) -> None:
    talk = await Talk.new(bus)
    async with DyingWorker(workers_redis, tmp_path, place), DyingWorker(workers_redis, tmp_path, place):
        await talk.finished(await talk.say("before"))
        runs = await talk.say(ENDLESS)
        [said] = await eventually(lambda: talk.events("message.completed", runs))
        [message] = [each.id for each in await shown(talk) if each.text == ENDLESS]
        done = await bus.rewinds.rewind(talk.id, ANN, fresh_id(), message, ask=True, text="instead")
        # the log is back, whatever becomes of the worker
        assert said["message"] not in [each.id for each in await shown(talk)]
        end = await talk.finished(runs)
        assert (end["outcome"], end["reason"]) == ("cancelled", "rolled back")
        [asks] = done.turns
        assert (await talk.finished(asks))["outcome"] == "completed"
        assert has_died(tmp_path)
    texts = ["before", "One: before.", "Two: before.", "instead", "One: instead.", "Two: instead."]
    assert [each.text for each in await talk.thread()] == texts
    assert [each.text for each in await shown(talk)] == texts
    assert len(await talk.events("turn.finished", runs)) == 1


async def shown(talk: Talk) -> tuple[KeptMessage, ...]:
    return (await talk.bus.messages.history(talk.id, ANN)).messages
