"""A worker died between storing an answer and telling it: however its turn ends then, the answer is told."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from services.conversation.graph.agent import Agent
from services.conversation.graph.state import ThreadState
from services.conversation.worker import TurnRun
from services.local.embedded import EmbeddedRedis
from services.shared.bus.checkpoints import Checkpoints
from services.shared.bus.house import Bus
from services.shared.model.errors import BusUnavailable
from services.shared.model.ids import AttemptId, NodeId, TurnId
from services.shared.model.thread import KeptCheckpoint, Place
from services.shared.model.turn import Ready, Turn
from tests.support.open_bus import fresh_id, open_bus
from tests.support.thread_faults_turns import Right
from tests.support.waiting import eventually
from tests.support.workers import ANN, ASSISTANT, Talk, graph_of, worker_in_process


class Deaf:
    """Tells nobody what it hears, as a worker that dies right then."""

    def token(self, source: str, text: str) -> None: ...

    def kept(self, said: object) -> None: ...


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


def answers(_: ThreadState) -> ThreadState:
    return {"messages": [AIMessage("stored, and not told")]}


async def stored_and_not_told(talk: Talk, executions: int = 1) -> TurnId:
    """A turn whose last worker stored its answer and died; how often it was begun before."""
    await talk.say("hello")
    at = talk.bus.floor.keys.conversation(talk.id)
    lease = await talk.bus.leases.claim(
        Ready(at.partition, talk.id), worker=NodeId("w"), attempt=AttemptId(fresh_id()), lease_ms=1
    )
    assert lease is not None
    turn: Turn | None = None
    for _ in range(executions):
        turn = await talk.bus.turns.begin(lease)
    assert turn is not None
    agent = Agent(graph_of(answer=answers), talk.threads, None)
    await agent.run(turn, resume=False, anew=False, guard=Right(lease), hearer=Deaf())
    return turn.id


@asynccontextmanager
async def let_go(held: asyncio.Event) -> AsyncIterator[None]:
    """Hold nothing up any more when the block ends, also by a failure: a worker waits for its writes."""
    try:
        yield
    finally:
        held.set()


async def told(talk: Talk, turn: TurnId) -> list[str]:
    return [event["text"] for event in await talk.events("message.completed", turn)]


async def test_a_turn_cancelled_after_its_worker_died_tells_what_its_thread_holds(
    bus: Bus, workers_redis: EmbeddedRedis
) -> None:
    talk = await Talk.new(bus)
    turn = await stored_and_not_told(talk)
    assert await bus.turns.cancel(talk.id, ANN, turn) == [turn]
    async with worker_in_process(workers_redis, graph_of(answer=answers)):
        assert (await talk.finished(turn))["outcome"] == "cancelled"
    assert await told(talk, turn) == ["stored, and not told"]


async def test_a_turn_whose_last_attempt_stored_its_answer_is_completed_however_often_it_was_begun(
    bus: Bus, workers_redis: EmbeddedRedis
) -> None:
    talk = await Talk.new(bus)
    turn = await stored_and_not_told(talk, executions=2)
    async with worker_in_process(workers_redis, graph_of(answer=answers), attempts=2):
        assert (await talk.finished(turn))["outcome"] == "completed"
    assert await told(talk, turn) == ["stored, and not told"]


async def test_a_turn_cancelled_while_its_answer_is_being_stored_tells_it(
    bus: Bus, workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write is on its way to Redis when the graph is stopped: it lands, and nobody waits for it."""
    storing, stored = asyncio.Event(), asyncio.Event()
    put, cancel = Checkpoints.put, TurnRun.cancel
    talk = await Talk.new(bus)

    async def slow(self: Checkpoints, *args: Any, **kwargs: Any) -> Any:
        keeping = await put(self, *args, **kwargs)
        if not storing.is_set() and [message.type for message in await talk.thread()][-1:] == ["ai"]:
            storing.set()
            await stored.wait()
        return keeping

    def stop(self: TurnRun) -> None:
        cancel(self)
        asyncio.get_running_loop().call_later(0.2, stored.set)

    monkeypatch.setattr(Checkpoints, "put", slow)
    monkeypatch.setattr(TurnRun, "cancel", stop)
    async with worker_in_process(workers_redis, graph_of(answer=answers)), let_go(stored):
        turn = await talk.say("hello")
        await eventually(storing.is_set, within_s=60)
        assert await bus.turns.cancel(talk.id, ANN, turn) == [turn]
        assert (await talk.finished(turn))["outcome"] == "cancelled"
    assert await told(talk, turn) == ["stored, and not told"]


async def test_a_turn_cancelled_when_its_answer_is_written_and_in_no_checkpoint_leaves_it_in_the_thread(
    bus: Bus, workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next turn drops what nodes wrote in a step that never ended: what was told must not be among it."""
    written, stopped, puts = asyncio.Event(), asyncio.Event(), itertools.count(1)
    put, cancel = Checkpoints.put, TurnRun.cancel
    talk = await Talk.new(bus)

    async def shown() -> bool:
        thread = talk.threads.thread_of(talk.id, ASSISTANT)
        saved = await talk.threads.reader().aget_tuple({"configurable": {"thread_id": thread}})
        return saved is not None and "stored, and not told" in str(saved.pending_writes)

    async def put_or_not(self: Checkpoints, *args: Any, **kwargs: Any) -> Any:
        if next(puts) == len(("input", "start", "answer")):
            await eventually(shown, within_s=20)
            written.set()
            await stopped.wait()
            raise BusUnavailable("no answer")
        return await put(self, *args, **kwargs)

    def stop(self: TurnRun) -> None:
        cancel(self)
        asyncio.get_running_loop().call_later(0.2, stopped.set)

    monkeypatch.setattr(Checkpoints, "put", put_or_not)
    monkeypatch.setattr(TurnRun, "cancel", stop)
    async with worker_in_process(workers_redis, graph_of(answer=answers)), let_go(stopped):
        turn = await talk.say("hello")
        await eventually(written.is_set, within_s=60)
        assert await bus.turns.cancel(talk.id, ANN, turn) == [turn]
        assert (await talk.finished(turn))["outcome"] == "cancelled"
        following = await talk.say("and now?")
        assert (await talk.finished(following))["outcome"] == "completed"
    assert await told(talk, turn) == ["stored, and not told"]
    assert [message.type for message in await talk.thread()] == ["human", "ai"] * 2


async def test_a_turn_cancelled_while_redis_cannot_be_read_tells_what_its_thread_holds(
    bus: Bus, workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a failover that takes long: the look is repeated, and the turn ends behind it."""
    read, refusals = Checkpoints.read, iter(range(3))

    async def unreadable(self: Checkpoints, place: Place) -> KeptCheckpoint | None:
        if next(refusals, None) is not None:
            raise BusUnavailable("no answer")
        return await read(self, place)

    talk = await Talk.new(bus)
    turn = await stored_and_not_told(talk)
    assert await bus.turns.cancel(talk.id, ANN, turn) == [turn]
    monkeypatch.setattr(Checkpoints, "read", unreadable)
    async with worker_in_process(workers_redis, graph_of(answer=answers)):
        assert (await talk.finished(turn))["outcome"] == "cancelled"
    assert await told(talk, turn) == ["stored, and not told"]
