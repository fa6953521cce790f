"""A rolled back turn leaves nothing in its thread, by either saver and whenever its worker dies; told by real
workers on a real Redis.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from services.conversation.graph.agent import Agent
from services.conversation.graph.build import Graph, build_assistant
from services.conversation.graph.models import open_model
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.checkpoints import Checkpoints
from services.shared.bus.house import Bus
from services.shared.model.conversation import DoubleTexting
from services.shared.model.errors import LeaseLost
from services.shared.model.ids import AttemptId, NodeId, TurnId
from services.shared.model.thread import NewCheckpoint
from services.shared.model.turn import Lease, Ready, Turn
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk, graph_of, worker_in_process

QUIET: Any = type("Ears", (), {"token": lambda *_: None, "kept": lambda *_: None})()


class Right:
    """A right to write."""

    closed = False

    def __init__(self, lease: Lease) -> None:
        self.lease = lease

    async def passage(self) -> None:
        return

    async def through(self, write: Callable[[Lease], Any]) -> Any:
        return await write(self.lease)


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.fixture(params=["continuo", "redis"])
async def talk(request: pytest.FixtureRequest, bus: Bus) -> Talk:
    return await Talk.new(bus, checkpointer=request.param)


def remembering(talk: Talk) -> Agent:
    """An agent with a subgraph that keeps its own memory over turns."""
    inner = StateGraph(ThreadState)
    inner.add_node("note", lambda state: {"messages": [AIMessage(f"noted {len(state['messages'])}")]})
    inner.add_edge(START, "note")
    inner.add_edge("note", END)
    outer = StateGraph(ThreadState)
    outer.add_node("memory", inner.compile(checkpointer=True))
    outer.add_edge(START, "memory")
    outer.add_edge("memory", END)
    return Agent(outer.compile(), talk.threads, None)


async def lease_of(talk: Talk, lease_ms: int = 60_000) -> Lease:
    at = talk.bus.floor.keys.conversation(talk.id)
    lease = await talk.bus.leases.claim(
        Ready(at.partition, talk.id), worker=NodeId("w"), attempt=AttemptId(fresh_id()), lease_ms=lease_ms
    )
    assert lease is not None
    return lease


async def run(talk: Talk, agent: Agent, lease: Lease, *, finish: bool = True) -> Turn:
    turn = await talk.bus.turns.begin(lease)
    assert turn is not None
    await agent.run(turn, resume=False, guard=Right(lease), hearer=QUIET)
    if finish:
        await talk.bus.turns.finish(lease, turn, "completed")
    return turn


async def whole(talk: Talk) -> list[Any]:
    """All that the thread keeps, in every space."""
    thread = talk.threads.thread_of(talk.id, "assistant")  # type: ignore[arg-type]
    listed = talk.threads.reader().alist({"configurable": {"thread_id": thread}})
    return sorted(
        [(str(each.config), repr(each.checkpoint), repr(each.pending_writes)) async for each in listed]
    )


async def test_a_thread_goes_back_to_where_it_was_with_what_subgraphs_remember(talk: Talk) -> None:
    for text in "abc":
        await talk.say(text)
    lease, agent = await lease_of(talk), remembering(talk)
    await run(talk, agent, lease)
    before = await whole(talk)
    turn = await run(talk, agent, lease, finish=False)
    assert await whole(talk) != before
    for _ in range(2):  # who dies behind it, does it again
        await agent.roll_back(turn, guard=Right(lease))
        assert await whole(talk) == before
    await talk.bus.turns.finish(lease, turn, "completed")
    await run(talk, agent, lease)
    said = [(message.type, message.text) for message in await talk.thread()]
    assert [text for kind, text in said if kind == "human"] == ["a", "c"]


async def test_a_thread_that_began_with_the_turn_is_gone(talk: Talk) -> None:
    await talk.say("a")
    lease, agent = await lease_of(talk), remembering(talk)
    turn = await run(talk, agent, lease, finish=False)
    for _ in range(2):
        await agent.roll_back(turn, guard=Right(lease))
        assert await whole(talk) == []
        assert await talk.thread() == []


async def test_a_replaced_worker_brings_no_thread_back(talk: Talk) -> None:
    await talk.say("a")
    old = await lease_of(talk, lease_ms=1)
    agent = remembering(talk)
    turn = await run(talk, agent, old, finish=False)
    before = await whole(talk)
    await eventually(lambda: _claimed(talk))
    with pytest.raises(LeaseLost):
        await agent.roll_back(turn, guard=Right(old))
    assert await whole(talk) == before


async def _claimed(talk: Talk) -> bool:
    at = talk.bus.floor.keys.conversation(talk.id)
    ready = Ready(at.partition, talk.id)
    attempt = AttemptId(fresh_id())
    return (
        await talk.bus.leases.claim(ready, worker=NodeId("n"), attempt=attempt, lease_ms=60_000) is not None
    )


async def test_a_thread_that_waits_for_a_person_goes_back_to_before_it_asked(talk: Talk) -> None:
    agent = Agent(graph_of(ask=lambda _: interrupt("may I?")), talk.threads, None)
    await talk.say("a")
    lease = await lease_of(talk)
    turn = await talk.bus.turns.begin(lease)
    assert turn is not None
    assert await agent.run(turn, resume=False, guard=Right(lease), hearer=QUIET)
    await agent.roll_back(turn, guard=Right(lease))
    assert await whole(talk) == []


# -- by workers


def assistant(token_s: float) -> Graph:
    return build_assistant(open_model("", token_s=token_s))


async def configured(bus: Bus, way: DoubleTexting) -> Talk:
    talk = await Talk.new(bus)
    await bus.conversations.configure(talk.id, ANN, double_texting=way)
    return talk


async def texts(talk: Talk) -> list[str]:
    """What people and agents say in the thread, and what the history shows: both the same."""
    shown = [one.text for one in (await talk.bus.messages.history(talk.id, ANN)).messages]
    held = [message.text for message in await talk.thread()]
    assert sorted(text for text in held if text not in shown) == []
    return held


async def test_a_worker_rolls_back_what_it_was_saying(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    async with worker_in_process(workers_redis, assistant(0.01), delta_ms=5.0):
        talk = await configured(bus, "rollback")
        first = await talk.say("count to 3")
        await talk.finished(first)
        before = await texts(talk)
        second = await talk.say("count to 500")
        await talk.streaming(second, units=5)
        third = await talk.say("count to 2")
        end = await talk.finished(second)
        assert (end["outcome"], end["reason"]) == ("cancelled", "rolled back")
        await talk.finished(third)
        assert await texts(talk) == [*before, "count to 2", "Counting: 1, 2. Done."]
        assert await talk.events("message.completed", second) == []


async def test_what_a_turn_had_completed_is_taken_back(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    talking = asyncio.Event()

    async def endless(_: ThreadState) -> ThreadState:
        talking.set()
        await asyncio.Event().wait()
        raise AssertionError

    def wise(state: ThreadState) -> ThreadState:
        return {"messages": [AIMessage(f"heard {state['messages'][-1].text}")]}

    async def last(state: ThreadState) -> ThreadState:
        return await endless(state) if state["messages"][-2].text == "a" else {}

    async with worker_in_process(workers_redis, graph_of(wise=wise, last=last), speaking=None):
        talk = await configured(bus, "rollback")
        first = await talk.say("a")
        await asyncio.wait_for(talking.wait(), 20)
        await eventually(lambda: _completed(talk, first))
        second = await talk.say("b")
        await talk.finished(second)
        assert await texts(talk) == ["b", "heard b"]
        [retracted] = await talk.events("message.retracted", first)
        [completed] = await talk.events("message.completed", first)
        assert (retracted["message"], retracted["reason"]) == (completed["message"], "rolled back")
        shown = await bus.messages.history(talk.id, ANN)
        assert [message.text for message in shown.messages] == ["a", "b", "heard b"]


async def _completed(talk: Talk, turn: TurnId) -> bool:
    return bool(await talk.events("message.completed", turn))


async def test_a_worker_interrupted_keeps_its_steps_and_the_next_turn_stands_on_them(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with worker_in_process(workers_redis, assistant(0.01), delta_ms=5.0):
        talk = await configured(bus, "interrupt")
        first = await talk.say("count to 500")
        await talk.streaming(first, units=5)
        second = await talk.say("count to 2")
        end = await talk.finished(first)
        assert (end["outcome"], end["reason"]) == ("cancelled", "interrupted")
        await talk.finished(second)
        assert await texts(talk) == ["count to 500", "count to 2", "Counting: 1, 2. Done."]


async def test_interrupted_before_a_channel_has_its_messages_a_turn_passes_them_on(
    workers_redis: EmbeddedRedis, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first checkpoint of a run holds the input, and no message yet."""
    first_put, let_on = asyncio.Event(), asyncio.Event()
    put = Checkpoints.put

    async def slow(self: Checkpoints, lease: Lease, new: NewCheckpoint, **more: Any) -> Any:
        kept = await put(self, lease, new, **more)
        if not first_put.is_set():
            first_put.set()
            await let_on.wait()
        return kept

    monkeypatch.setattr(Checkpoints, "put", slow)
    async with worker_in_process(workers_redis, assistant(0.0)):
        talk = await configured(bus, "interrupt")
        first = await talk.say("count to 3")
        await asyncio.wait_for(first_put.wait(), 20)
        second = await talk.say("count to 2")
        asyncio.get_running_loop().call_later(0.1, let_on.set)  # a write under way is waited for
        assert (await talk.finished(first))["reason"] == "interrupted"
        await talk.finished(second)
        assert await texts(talk) == ["count to 3", "count to 2", "Counting: 1, 2. Done."]
