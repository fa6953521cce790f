"""A worker told to end stops between two steps of a graph: what a node did is kept, and done once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from services.conversation.graph.build import Graph
from services.conversation.graph.state import ThreadState
from services.conversation.intake import Intake
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.turns import Turns
from services.shared.model.ids import NodeId
from services.shared.model.turn import Ready
from tests.support.bus_house import SHORT_MS, house_of
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import Talk, graph_of, worker_in_process


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


class Steps:
    """A graph of three nodes, each of which says its name; the first waits for `go`."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.done: list[str] = []
        self.go = asyncio.Event()
        self.holds = "first"

    def graph(self) -> Graph:
        return graph_of(**{name: self._node(name) for name in ("first", "second", "third")})

    def _node(self, name: str) -> Any:
        async def node(_: ThreadState) -> ThreadState:
            self.begun.append(name)
            if name == self.holds:
                await self.go.wait()
            self.done.append(name)
            return {"messages": [AIMessage(f"I am the {name}.")]}

        return node


async def told(talk: Talk) -> list[str]:
    return [event["text"] for event in await talk.events("message.completed")]


async def handed_over(intake: Intake, where: str) -> float:
    registry = intake._tools.metrics.registry
    return registry.get_sample_value("continuo_turns_handed_over_total", {"where": where}) or 0.0


async def test_a_worker_told_to_end_hands_over_behind_the_step_under_way(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    steps, talk = Steps(), await Talk.new(bus)
    async with worker_in_process(workers_redis, steps.graph(), speaking=None, drain_s=60.0) as first:
        turn = await talk.say("hello")
        await eventually(lambda: steps.begun)
        draining = asyncio.create_task(first.drain())
        await asyncio.sleep(0)
        assert not draining.done(), "the node is under way"
        steps.go.set()
        await draining
        assert steps.done == ["first"]
        assert [message.text for message in await talk.thread()][1:] == ["I am the first."]
        assert await told(talk) == ["I am the first."]
        assert await talk.events("turn.finished", turn) == []
        assert await handed_over(first, "step") == 1
    async with worker_in_process(workers_redis, steps.graph(), speaking=None):
        assert (await talk.finished(turn))["outcome"] == "completed"
    assert Counter(steps.begun) == {"first": 1, "second": 1, "third": 1}
    assert await told(talk) == ["I am the first.", "I am the second.", "I am the third."]
    assert await talk.events("message.retracted") == []


async def test_a_turn_on_its_last_step_is_finished_rather_than_handed_over(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    steps, talk = Steps(), await Talk.new(bus)
    steps.holds = "third"
    async with worker_in_process(workers_redis, steps.graph(), speaking=None, drain_s=60.0) as worker:
        turn = await talk.say("hello")
        await eventually(lambda: "third" in steps.begun)
        draining = asyncio.create_task(worker.drain())
        await asyncio.sleep(0)
        steps.go.set()
        await draining
        assert (await talk.finished(turn))["outcome"] == "completed"


async def test_a_node_that_never_ends_is_cut_at_the_deadline_and_runs_again_elsewhere(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    steps, talk = Steps(), await Talk.new(bus)
    async with worker_in_process(workers_redis, steps.graph(), speaking=None, drain_s=0.3) as first:
        turn = await talk.say("hello")
        await eventually(lambda: steps.begun)
        await first.drain()
        assert (steps.begun, steps.done) == (["first"], [])
        assert await handed_over(first, "within") == 1
    steps.go.set()
    async with worker_in_process(workers_redis, steps.graph(), speaking=None):
        assert (await talk.finished(turn))["outcome"] == "completed"
    assert Counter(steps.begun) == {"first": 2, "second": 1, "third": 1}
    assert Counter(steps.done) == {"first": 1, "second": 1, "third": 1}


async def test_a_worker_told_twice_waits_half_as_long_each_time(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    """An hour, halved again and again, is over at once."""
    steps, talk = Steps(), await Talk.new(bus)
    async with worker_in_process(workers_redis, steps.graph(), speaking=None, drain_s=3600.0) as worker:
        worker.hurry()  # it overtook the first word: half an hour is left from the beginning
        await talk.say("hello")
        await eventually(lambda: steps.begun)
        draining = asyncio.create_task(worker.drain())
        await eventually(lambda: worker._ending is not None)
        assert worker._ending is not None
        ends_at = worker._ending.when()
        assert ends_at is not None
        assert ends_at - asyncio.get_running_loop().time() <= 1800.0

        def over() -> bool:
            worker.hurry()
            return draining.done()

        await eventually(over)
        steps.go.set()
    async with worker_in_process(workers_redis, steps.graph(), speaking=None):
        await eventually(lambda: "third" in steps.done, within_s=10.0)


async def test_a_graph_inside_a_node_stops_between_its_own_steps_and_goes_on_there(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    """The node around it is paused as an interrupt would pause it: it runs again, its graph does not."""
    steps, talk, around = Steps(), await Talk.new(bus), list[str]()
    inner = steps.graph()

    async def outer(state: ThreadState) -> ThreadState:
        around.append("outer")
        return {"messages": (await inner.ainvoke(state))["messages"][-1:]}

    async with worker_in_process(workers_redis, graph_of(outer=outer), speaking=None, drain_s=60.0) as first:
        turn = await talk.say("hello")
        await eventually(lambda: steps.begun)
        draining = asyncio.create_task(first.drain())
        await asyncio.sleep(0)
        steps.go.set()
        await draining
        assert steps.done == ["first"]
        assert await handed_over(first, "step") == 1
    async with worker_in_process(workers_redis, graph_of(outer=outer), speaking=None):
        assert (await talk.finished(turn))["outcome"] == "completed"
    assert Counter(steps.begun) == {"first": 1, "second": 1, "third": 1}
    assert around == ["outer", "outer"]
    assert await told(talk) == ["I am the third."]


async def test_a_look_for_what_others_left_is_waited_for_and_none_is_begun_behind_a_drain(
    workers_redis: EmbeddedRedis, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversation found then would be claimed by a worker that goes, and wait for its lease to run out."""
    monkeypatch.setattr("services.conversation.intake.SWEEP_S", 0.01)
    steps, talk, looks, go = Steps(), await Talk.new(bus), list[str](), asyncio.Event()
    orphans = Turns.orphans

    async def slowly(turns: Turns, worker: NodeId, count: int) -> list[Ready]:
        looks.append("begun")
        await go.wait()
        return await orphans(turns, worker, count=count)

    async def nothing(_: Turns, worker: NodeId, **__: int) -> list[Ready]:
        await asyncio.sleep(0.01)
        return []

    monkeypatch.setattr(Turns, "ready", nothing)
    async with worker_in_process(workers_redis, steps.graph(), speaking=None, drain_s=60.0) as worker:
        monkeypatch.setattr(Turns, "orphans", slowly)
        await eventually(lambda: looks)
        await house_of(bus).ask(talk.id)
        await house_of(bus).claim(talk.id, SHORT_MS)  # by a worker that is no more
        draining = asyncio.create_task(worker.drain())
        await eventually(worker._served.is_set)
        await asyncio.sleep(0)
        assert not draining.done(), "somebody looks"
        go.set()
        await draining
        assert not worker._held
        assert not await bus.floor.commands.exists(bus.floor.keys.conversation(talk.id).lease)
        running = worker._tools.tasks._running
        await eventually(lambda: "sweep" not in {task.get_name() for task in running})
        assert looks == ["begun"]
    monkeypatch.undo()
    steps.go.set()
    async with worker_in_process(workers_redis, steps.graph(), speaking=None):
        await eventually(lambda: "third" in steps.done, within_s=10.0)
