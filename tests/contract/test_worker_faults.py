"""A worker among failures: what it writes into its log, what it loses, and how it goes on."""

import asyncio
import io
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
import structlog
from langchain_core.messages import AIMessage

from services.conversation.graph.state import ThreadState
from services.conversation.keeper import Keeper
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.scripts import Call
from services.shared.bus.sentinel import Masters
from services.shared.bus.settings import RedisSettings
from services.shared.bus.speaking import Speaking
from services.shared.bus.turns import Turns
from services.shared.model.errors import BusUnavailable
from services.shared.model.ids import AttemptId
from services.shared.model.turn import Lease, Turn
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.logging import configure
from services.shared.runtime.metrics import Metrics
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually
from tests.support.workers import Talk, graph_of, worker_in_process

SECRET = "my PIN is 4711"


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What this process logs, as JSON; logging is as it was afterwards."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    configure("conversation", stream=stream, level="debug")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def says(text: str) -> Callable[[ThreadState], ThreadState]:
    return lambda _: {"messages": [AIMessage(text)]}


async def test_what_an_exception_quotes_is_in_no_log_line(
    workers_redis: EmbeddedRedis, bus: Bus, written: io.StringIO
) -> None:
    def answer(state: ThreadState) -> ThreadState:
        raise ValueError(f"cannot answer {state['messages'][-1].text!r}")

    async with worker_in_process(workers_redis, graph_of(answer=answer)):
        talk = await Talk.new(bus)
        end = await talk.finished(await talk.say(SECRET))
    assert (end["outcome"], "ValueError" in end["reason"]) == ("failed", True)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    [failed] = [line for line in lines if line["event"] == "execution failed"]
    assert failed["error"] == "ValueError"
    assert any(frame.endswith(":answer") and "test_worker_faults.py" in frame for frame in failed["frames"])
    assert SECRET not in written.getvalue()


async def test_a_begin_whose_reply_was_lost_is_the_same_attempt(
    workers_redis: EmbeddedRedis, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lost = Turns.begin, 2

    async def loses_replies(turns: Turns, lease: Lease, *execution: AttemptId, back: int) -> Turn | None:
        nonlocal lost
        turn, lost = await real(turns, lease, *execution, back=back), lost - 1
        if lost >= 0:
            raise BusUnavailable("the reply was lost")
        return turn

    monkeypatch.setattr(Turns, "begin", loses_replies)
    async with worker_in_process(workers_redis, graph_of(answer=says("Hi."))):
        talk = await Talk.new(bus)
        turn = await talk.say("hello")
        assert (await talk.finished(turn))["outcome"] == "completed"
    assert lost < 0
    assert len(await talk.events("turn.started", turn)) == 1


async def test_an_attempt_that_a_failover_took_back_is_begun_again_under_the_same_lease(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    """The turn's record is as it was before the attempt; the lease, which a replica held, is still ours."""
    held = asyncio.Event()

    async def answer(_: ThreadState) -> ThreadState:
        await held.wait()
        return {"messages": [AIMessage("Here.")]}

    async with worker_in_process(workers_redis, graph_of(answer=answer), lease_s=60.0):
        talk = await Talk.new(bus)
        turn = await talk.say("hello")
        await eventually(lambda: talk.events("turn.started", turn))
        record = bus.floor.keys.conversation(talk.id).turn(turn)
        await bus.floor.commands.hset(record, mapping={"attempt": "an older one", "state": "queued"})  # type: ignore[misc]
        held.set()
        assert (await talk.finished(turn))["outcome"] == "completed"
        [completed] = await talk.events("message.completed", turn)
        assert completed["text"] == "Here."
        assert await talk.answer("and again") == "Here."


async def test_a_turn_whose_worker_ends_in_order_has_lost_none_of_its_attempts(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async def answers_later(_: ThreadState) -> ThreadState:
        await asyncio.Event().wait()
        return {}

    talk = await Talk.new(bus)
    async with worker_in_process(workers_redis, graph_of(answer=answers_later), attempts=1, drain_s=0.0):
        turn = await talk.say("hello")
        await eventually(lambda: talk.events("turn.started", turn))
    async with worker_in_process(workers_redis, graph_of(answer=says("Hi.")), attempts=1):
        assert (await talk.finished(turn))["outcome"] == "completed"
    assert len(await talk.events("turn.started", turn)) == 2


@pytest.mark.parametrize(("failures", "outcome", "texts"), [(1, "completed", ["Hi."]), (99, "failed", [])])
async def test_a_turn_whose_message_could_not_be_written_is_not_completed_without_it(
    workers_redis: EmbeddedRedis,
    bus: Bus,
    monkeypatch: pytest.MonkeyPatch,
    failures: int,
    outcome: str,
    texts: list[str],
) -> None:
    real, left = Speaking.complete, failures

    def fails(speaking: Speaking, *args: Any) -> Call:
        nonlocal left
        left -= 1
        if left >= 0:
            raise ValueError(SECRET)
        return real(speaking, *args)

    monkeypatch.setattr(Speaking, "complete", fails)
    async with worker_in_process(workers_redis, graph_of(answer=says("Hi."))):
        talk = await Talk.new(bus)
        turn = await talk.say("hello")
        end = await talk.finished(turn)
        assert end["outcome"] == outcome
        assert [event["text"] for event in await talk.events("message.completed", turn)] == texts
    assert ("could not be written" in end.get("reason", "")) == (outcome == "failed")


async def test_a_keeper_that_breaks_is_told_to_its_process(
    workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(_: Keeper, __: Bus) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(Keeper, "_renew", breaks)
    keeper = Keeper(partial(_opened, workers_redis), lease_s=1.0, clock=SystemClock())
    await keeper.start()
    with pytest.raises(RuntimeError, match="keeper"):
        await asyncio.wait_for(keeper.mind(), 5.0)
    await keeper.stop()


async def test_a_keeper_that_is_stopped_ends_in_peace(workers_redis: EmbeddedRedis) -> None:
    keeper = Keeper(partial(_opened, workers_redis), lease_s=1.0, clock=SystemClock())
    await keeper.start()
    await keeper.stop()
    await asyncio.wait_for(keeper.mind(), 5.0)


@pytest.mark.parametrize("who", ["bus", "keeper"])
async def test_a_bus_whose_watch_over_the_master_ended_is_told_to_its_process(
    workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    async def breaks(_: Masters) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Masters, "watch", breaks)
    if who == "bus":
        bus = await _opened(workers_redis)
        with pytest.raises(RuntimeError, match="sentinel watch"):
            await asyncio.wait_for(bus.mind(), 5.0)
        await bus.close()
    else:
        keeper = Keeper(partial(_opened, workers_redis), lease_s=1.0, clock=SystemClock())
        await keeper.start()
        with pytest.raises(RuntimeError, match="keeper"):
            await asyncio.wait_for(keeper.mind(), 5.0)
        await keeper.stop()


async def _opened(redis: EmbeddedRedis) -> Bus:
    reached = RedisSettings(redis_sentinels=tuple(redis.sentinels.split(",")))
    return await Bus.open(reached, process=fresh_id(), clock=SystemClock(), metrics=Metrics())


async def test_an_unusable_model_ends_the_start_with_one_line_that_names_its_variable(
    workers_redis: EmbeddedRedis,
) -> None:
    environ = {
        **os.environ,
        "CONTINUO_REDIS_SENTINELS": workers_redis.sentinels,
        "CONTINUO_MODEL": "nobody:none",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.conversation", env={**environ, "CONTINUO_PORT": "0"}, stderr=PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 30.0)
    assert process.returncode == 2
    lines = [json.loads(line) for line in said.decode().splitlines()]
    [line] = [line for line in lines if line["level"] != "info"]
    assert "CONTINUO_MODEL" in line["fault"]
    assert "exception" not in line
