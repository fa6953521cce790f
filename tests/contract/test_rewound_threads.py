"""Threads follow a conversation that went back: by real workers on a real Redis, also where these die."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from services.conversation.graph.agent import Agent
from services.conversation.graph.build import Graph, build_assistant
from services.conversation.graph.models import open_model
from services.conversation.graph.state import ThreadState
from services.conversation.rewinding import GONE
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.thread_records import name
from services.shared.model.errors import TooFarBack
from services.shared.model.ids import AttemptId, NodeId
from services.shared.model.rewinding import Rewound
from services.shared.model.turn import Lease, Ready, Turn
from tests.support.open_bus import fresh_id, open_bus
from tests.support.rewinding_graph import graph as counting
from tests.support.rewinding_worker import BEGUN, DROPPED, SURVEYED, RewindingWorker
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk, graph_of, worker_in_process

QUIET: Any = type("Ears", (), {"token": lambda *_: None, "kept": lambda *_: None})()


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


async def back(talk: Talk, to: str, **more: Any) -> Rewound:
    """Go back to the message with this text."""
    [message] = [one.id for one in await shown(talk) if one.text == to]
    return await talk.bus.rewinds.rewind(talk.id, ANN, fresh_id(), message, **{"ask": True, **more})


async def shown(talk: Talk) -> Any:
    return (await talk.bus.messages.history(talk.id, ANN)).messages


async def quiet(talk: Talk) -> None:
    """Nothing waits and nobody holds the conversation."""
    at = talk.bus.floor.keys.conversation(talk.id)

    async def none() -> bool:
        return not await talk.bus.floor.commands.exists(at.fifo, at.lease)

    await eventually(none, within_s=20.0)


async def same(talk: Talk) -> list[str]:
    """What the thread holds, which is what the history shows."""
    await quiet(talk)
    texts = [one.text for one in await shown(talk)]
    assert [message.text for message in await talk.thread()] == texts
    return texts


async def test_the_thread_is_the_log_after_going_back_and_asking_again(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with worker_in_process(workers_redis, counting, speaking=None):
        talk = await Talk.new(bus)
        for text in "abc":
            await talk.answer(text)
        await back(talk, "b")
        assert await same(talk) == ["a", "1: a", "b", "2: b"]
        await back(talk, "b", text="B")
        assert await same(talk) == ["a", "1: a", "B", "2: B"]
        await talk.answer("c")
        await back(talk, "a", text="A")
        assert await same(talk) == ["A", "1: A"]


async def test_the_thread_is_the_log_after_going_back_without_asking(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with worker_in_process(workers_redis, counting, speaking=None):
        talk = await Talk.new(bus)
        for text in "abc":
            await talk.answer(text)
        await back(talk, "b", ask=False)
        assert await same(talk) == ["a", "1: a"]
        await back(talk, "a", ask=False)
        assert await same(talk) == []
        assert await talk.answer("d") == "1: d"


async def test_a_turn_that_is_speaking_leaves_nothing(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    assistant = build_assistant(open_model("", token_s=0.01))
    async with worker_in_process(workers_redis, assistant, delta_ms=5.0):
        talk = await Talk.new(bus)
        await talk.answer("count to 3")
        second = await talk.say("count to 500")
        await talk.streaming(second, units=5)
        done = await back(talk, "count to 500", text="count to 2")
        end = await talk.finished(second)
        assert (end["outcome"], end["reason"]) == ("cancelled", "rolled back")
        [turn] = done.turns
        assert (await talk.finished(turn))["outcome"] == "completed"
        assert (await same(talk))[2:] == ["count to 2", "Counting: 1, 2. Done."]


async def test_the_stock_savers_threads_go_back_by_one_turn(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    async with worker_in_process(workers_redis, counting, speaking=None, checkpointer="redis"):
        talk = await Talk.new(bus, checkpointer="redis")
        for text in "abc":
            await talk.answer(text)
        with pytest.raises(TooFarBack):
            await back(talk, "b")
        await back(talk, "c", text="C")
        assert await same(talk) == ["a", "1: a", "b", "2: b", "C", "3: C"]


async def test_a_stock_thread_that_kept_too_little_begins_anew_and_says_so(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    changes: Any = {"checkpointer": "redis", "thread_checkpoints": 2}
    async with worker_in_process(workers_redis, counting, speaking=None, **changes):
        talk = await Talk.new(bus, checkpointer="redis")
        for text in "ab":
            await talk.answer(text)
        await back(talk, "b", ask=False)
        await quiet(talk)
        assert await talk.thread() == []
        [told] = [event for event in await talk.events("turn.finished") if event.get("reason")]
        assert (told["outcome"], told["reason"]) == ("failed", GONE)


async def test_a_damaged_thread_begins_anew_and_says_so(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    talk = await Talk.new(bus)
    async with worker_in_process(workers_redis, counting, speaking=None):
        for text in "ab":
            await talk.answer(text)
        await quiet(talk)
        keys = bus.floor.keys.thread(talk.threads.thread_of(talk.id, "assistant"))  # type: ignore[arg-type]
        [newest] = await bus.floor.commands.zrange(keys.order, -1, -1)
        _, space, checkpoint = newest.decode().split("\0")[:3]
        await bus.floor.commands.hset(keys.records, name("h", space, checkpoint), b"\x01damage")
        done = await back(talk, "b", text="B")
        [told] = await eventually(lambda: failed(talk), within_s=20.0)
        assert told["reason"] == GONE
        await talk.finished(done.turns[0])
        await quiet(talk)
        assert [message.text for message in await talk.thread()] == ["B", "1: B"]
        assert [one.text for one in await shown(talk)] == ["a", "1: a", "B", "1: B"]


async def test_a_thread_that_workers_die_of_begins_anew(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    talk = await Talk.new(bus)
    async with worker_in_process(workers_redis, counting, speaking=None):
        for text in "ab":
            await talk.answer(text)
        await quiet(talk)
    at = bus.floor.keys.conversation(talk.id)
    await back(talk, "b", ask=False)
    ready, attempt = Ready(at.partition, talk.id), AttemptId(fresh_id())
    lease = await bus.leases.claim(ready, worker=NodeId("w"), attempt=attempt, lease_ms=1000)
    assert lease is not None
    for _ in range(5):
        assert await bus.turns.begin(lease) is not None
    async with worker_in_process(workers_redis, counting, speaking=None):
        [told] = await eventually(lambda: failed(talk), within_s=20.0)
        assert told["reason"] == GONE
        await quiet(talk)
        assert await talk.thread() == []


async def failed(talk: Talk) -> list[dict[str, Any]]:
    return [event for event in await talk.events("turn.finished") if event["outcome"] == "failed"]


async def test_turns_are_kept_as_far_back_as_one_can_go_and_no_further(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    changes: Any = {"thread_checkpoints": 1, "thread_turns": 5}
    async with worker_in_process(workers_redis, counting, speaking=None, **changes):
        talk = await Talk.new(bus)
        texts = [str(number) for number in range(12)]
        for text in texts:
            await talk.answer(text)
        await quiet(talk)
        kept = [each async for each in talk.threads.reader().alist(config_of(talk))]
        assert len(kept) == 6  # where it stands, and where it stood before each of five turns
        found = (await bus.rewinds.checkpoints(talk.id, ANN, "assistant")).checkpoints
        ids = {one.id: one.text for one in await shown(talk)}
        assert [ids[one.message] for one in found] == texts[:-6:-1]
        with pytest.raises(TooFarBack, match=found[-1].message):
            await back(talk, "6")
        await back(talk, "10", ask=False)
        assert len(await same(talk)) == 20
        await back(talk, "7", text="seven")
        assert (await same(talk))[-2:] == ["seven", "8: seven"]


def config_of(talk: Talk) -> Any:
    thread = talk.threads.thread_of(talk.id, "assistant")  # type: ignore[arg-type]
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}


async def test_what_waits_for_a_person_is_withdrawn_and_asked_anew(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    def asks(state: ThreadState) -> ThreadState:
        word = interrupt(f"{state['messages'][-1].text}?")
        return {"messages": [AIMessage(f"so {word}")]}

    async with worker_in_process(workers_redis, graph_of(asks=asks), speaking=None):
        talk = await Talk.new(bus)
        await talk.finished(await talk.say("a"))
        [first] = (await bus.messages.history(talk.id, ANN)).asked
        await back(talk, "a", text="b")
        await quiet(talk)
        [second] = (await bus.messages.history(talk.id, ANN)).asked
        assert (first.value, second.value) == (b'"a?"', b'"b?"')
        [answered] = await talk.events("input.answered")
        assert (answered["interrupt"], answered["outcome"]) == (first.interrupt, "withdrawn")
        taken = await bus.answers.answer(talk.id, ANN, fresh_id(), second.interrupt, b'"yes"')
        await talk.finished(taken.turn)
        assert await same(talk) == ["b", "so yes"]
        # and what was answered goes with the message that it was about
        await back(talk, "b", ask=False)
        assert await same(talk) == []


async def test_agents_go_back_each_in_its_own_thread(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    talk = await Talk.new(bus)
    await bus.conversations.configure(talk.id, ANN, agents=["assistant", "other"])
    async with worker_in_process(workers_redis, counting, speaking=None):
        for text in "abc":
            await bus.messages.accept(talk.id, ANN, fresh_id(), text)
            await quiet(talk)
        await back(talk, "b", text="B")
        await quiet(talk)
        for agent in ("assistant", "other"):
            thread = talk.threads.thread_of(talk.id, agent)  # type: ignore[arg-type]
            saved = await talk.threads.reader().aget_tuple({"configurable": {"thread_id": thread}})
            assert saved is not None
            held = [message.text for message in saved.checkpoint["channel_values"]["messages"]]
            assert held == ["a", "1: a", "B", "2: B"]
        texts = [one.text for one in await shown(talk)]
        assert texts == ["a", "1: a", "1: a", "B", "2: B", "2: B"]


# -- what subgraphs remember


class Right:
    """A right to write."""

    closed = False

    def __init__(self, lease: Lease) -> None:
        self.lease = lease

    async def passage(self) -> None:
        return

    async def through(self, write: Any) -> Any:
        return await write(self.lease)


def remembering() -> Graph:
    inner = StateGraph(ThreadState)
    inner.add_node("note", lambda state: {"messages": [AIMessage(f"noted {len(state['messages'])}")]})
    inner.add_edge(START, "note")
    inner.add_edge("note", END)
    outer = StateGraph(ThreadState)
    outer.add_node("memory", inner.compile(checkpointer=True))
    outer.add_edge(START, "memory")
    outer.add_edge("memory", END)
    return outer.compile()


async def latest(talk: Talk) -> list[Any]:
    """Where each space of the thread stands."""
    thread = talk.threads.thread_of(talk.id, "assistant")  # type: ignore[arg-type]
    spaces = await talk.bus.checkpoints.spaces(thread)
    found = []
    for space in spaces:
        config: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": space}}
        saved = await talk.threads.reader().aget_tuple(config)
        assert saved is not None
        found.append((space, repr(saved.checkpoint)))
    return found


async def test_subgraphs_remember_what_they_did_then_and_old_places_were_pruned(bus: Bus) -> None:
    talk = await Talk.new(bus)
    for text in "abcdefgh":
        await talk.say(text)
    at = bus.floor.keys.conversation(talk.id)
    ready, attempt = Ready(at.partition, talk.id), AttemptId(fresh_id())
    lease = await bus.leases.claim(ready, worker=NodeId("w"), attempt=attempt, lease_ms=60_000)
    assert lease is not None
    agent, stood, turns = Agent(remembering(), talk.threads, None), [], list[Turn]()
    for _ in "abcdefgh":
        stood.append(await latest(talk))
        turn = await bus.turns.begin(lease)
        assert turn is not None
        turns.append(turn)
        await agent.run(turn, resume=False, guard=Right(lease), hearer=QUIET)
        await bus.turns.finish(lease, turn, "completed")
        await agent.trim(lease, turn)
    await back(talk, "c", ask=False)
    brings = await bus.turns.begin(lease)
    assert brings is not None
    assert brings.rewinds == tuple(turn.id for turn in turns[2:])
    for _ in range(2):
        await agent.roll_back(brings, guard=Right(lease))
        assert await latest(talk) == stood[2]


# -- workers that die of it


@pytest.mark.slow
@pytest.mark.parametrize("point", [BEGUN, SURVEYED, DROPPED])
@pytest.mark.parametrize("ask", [True, False])
async def test_whoever_dies_of_it_another_goes_on(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, point: str, ask: bool
) -> None:
    talk = await Talk.new(bus)
    async with RewindingWorker(workers_redis, tmp_path, point) as first:
        for text in "abc":
            await talk.answer(text)
        await back(talk, "b", ask=ask)
        await eventually(lambda: _dead(first), within_s=20.0)
    (tmp_path / "mended").touch()
    async with RewindingWorker(workers_redis, tmp_path):
        await asyncio.sleep(0)
        assert await same(talk) == (["a", "1: a", "b", "2: b"] if ask else ["a", "1: a"])
        assert await talk.answer("d") == ("3: d" if ask else "2: d")


async def _dead(worker: RewindingWorker) -> bool:
    return not worker.child.alive


@pytest.mark.slow
@pytest.mark.parametrize("ask", [True, False])
async def test_a_turn_whose_worker_died_before_it_went_back_comes_to_nothing(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, ask: bool
) -> None:
    """The log goes back with no worker alive."""
    talk = await Talk.new(bus)
    async with RewindingWorker(workers_redis, tmp_path):
        await talk.answer("a")
    second = await talk.say("b")
    at = bus.floor.keys.conversation(talk.id)
    ready, attempt = Ready(at.partition, talk.id), AttemptId(fresh_id())

    async def taken() -> Lease | None:
        return await bus.leases.claim(ready, worker=NodeId("w"), attempt=attempt, lease_ms=1500)

    lease = await eventually(taken, within_s=20.0)
    turn = await bus.turns.begin(lease)
    assert turn is not None
    agent = Agent(counting, talk.threads, None)
    await agent.run(turn, resume=False, guard=Right(lease), hearer=QUIET)
    await back(talk, "b", ask=ask)
    assert [one.text for one in await shown(talk)] == ["a", "1: a", "b"][: 2 + ask]
    async with RewindingWorker(workers_redis, tmp_path):
        assert (await talk.finished(second))["reason"] == "rolled back"
        assert await same(talk) == ["a", "1: a", "b", "2: b"][: 2 + 2 * ask]
