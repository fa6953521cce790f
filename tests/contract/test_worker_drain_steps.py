"""A worker told to end while a step is more than one node's work: a tool call, branches side by side, a wait
for a person. The next worker goes on exactly there, and the journal reads as if there had been one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Send, interrupt

from services.conversation.graph.build import Graph
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import TurnId
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import Talk, graph_of, worker_in_process

NEVER_S = 600.0
"""A drain no test waits for."""
SHORT_S = 0.3
"""A drain whose deadline is waited for."""


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


class Stage:
    """Nodes and tools that say their name; those that are held wait for `go`."""

    def __init__(self, *held: str) -> None:
        self.begun = Counter[str]()
        self.done = Counter[str]()
        self.held = set(held)
        self.go = asyncio.Event()

    async def play(self, name: str) -> str:
        self.begun[name] += 1
        if name in self.held:
            await self.go.wait()
        self.done[name] += 1
        return f"I am {name}."

    def node(self, name: str) -> Any:
        async def node(_: ThreadState) -> ThreadState:
            return {"messages": [AIMessage(await self.play(name))]}

        return node

    def asking(self, name: str) -> Any:
        """A node that waits for a person."""

        async def node(_: ThreadState) -> ThreadState:
            self.begun[name] += 1
            interrupt("may I?")
            return {"messages": [AIMessage(await self.play(name))]}

        return node

    def once(self, *names: str) -> bool:
        """Whether these, and no others, ran, and each once."""
        return self.begun == self.done == Counter(names)


def beside(**nodes: Any) -> Graph:
    """The first of these nodes, then all others but the last side by side, then the last."""
    first, *branches, last = nodes
    graph = StateGraph(ThreadState)
    for name, node in nodes.items():
        graph.add_node(name, node)
    graph.add_edge(START, first)
    for branch in branches:
        graph.add_edge(first, branch)
    graph.add_edge(branches, last)
    graph.add_edge(last, END)
    return graph.compile()


def with_tools(stage: Stage, *calls: str) -> Graph:
    """A model that calls each of these tools, each a task of its own, and then says what they said."""

    async def model(state: ThreadState) -> ThreadState:
        stage.begun["model"] += 1
        said = [each.text for each in state["messages"] if isinstance(each, ToolMessage)]
        wanted = [{"name": "look_up", "args": {"what": each}, "id": each} for each in calls]
        answer = AIMessage(" ".join(said)) if said else AIMessage("", tool_calls=wanted)
        return {"messages": [answer]}

    @tool
    async def look_up(what: str) -> str:
        """Look something up."""
        return await stage.play(what)

    def each_call(state: ThreadState) -> Any:
        if tools_condition(state) == END:  # type: ignore[arg-type]
            return END
        return [Send("tools", [call]) for call in state["messages"][-1].tool_calls]  # type: ignore[union-attr]

    graph = StateGraph(ThreadState)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode([look_up]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", each_call, ["tools", END])
    graph.add_edge("tools", "model")
    return graph.compile()


class Play:
    """One turn that two workers carry out, one after the other."""

    def __init__(self, redis: EmbeddedRedis, graph: Callable[[], Graph], talk: Talk) -> None:
        self.redis = redis
        self.graph = graph
        self.talk = talk

    @asynccontextmanager
    async def drained(self, until: Callable[[], Any], within_s: float = NEVER_S) -> AsyncIterator[TurnId]:
        """The turn as a worker left it that was told to end when `until` was so. What the test does inside
        lets its step end, or the deadline does.
        """
        async with self._worker(within_s) as worker:
            turn = await self.talk.say("hello")
            await eventually(until)
            draining = asyncio.create_task(worker.drain())
            await eventually(lambda: worker.draining)
            yield turn
            await draining

    async def goes_on(self, turn: TurnId, outcome: str = "completed") -> None:
        """Another worker brings it to this end."""
        assert await self.talk.events("turn.finished", turn) == []
        async with self._worker(NEVER_S):
            assert (await self.talk.finished(turn))["outcome"] == outcome

    async def reads(self, turn: TurnId, *texts: str, asks: int = 0) -> None:
        """The journal as a device reads it, tools aside: these texts in this order, each begun and completed
        once, nothing taken back, so many questions and one end behind them.
        """
        events = await self.talk.events(turn=turn)
        told = [event for event in events if event["type"] not in {"message.created", "turn.started"}]
        told = [event for event in told if event["type"].partition(".")[0] not in {"tool", "subagent"}]
        said, behind = told[: 2 * len(texts)], told[2 * len(texts) :]
        for message in {event["message"] for event in said}:
            kinds = [event["type"] for event in said if event["message"] == message]
            assert kinds == ["message.started", "message.completed"]
        assert [event["type"] for event in behind] == [*["input.requested"] * asks, "turn.finished"]
        assert [event["text"] for event in events if event["type"] == "message.completed"] == list(texts)
        thread = await self.talk.thread()
        assert [each.text for each in thread if isinstance(each, AIMessage) and each.text] == list(texts)
        assert len([each for each in thread if isinstance(each, HumanMessage)]) == 1

    def _worker(self, drain_s: float) -> Any:
        return worker_in_process(self.redis, self.graph(), speaking=None, drain_s=drain_s)


Enter = Callable[[Callable[[], Graph]], Awaitable[Play]]


@pytest.fixture
def playing(workers_redis: EmbeddedRedis, bus: Bus) -> Enter:
    async def begin(graph: Callable[[], Graph]) -> Play:
        return Play(workers_redis, graph, await Talk.new(bus))

    return begin


async def test_a_tool_call_under_way_comes_to_its_end_and_the_next_worker_reads_its_answer(
    playing: Enter,
) -> None:
    stage = Stage("weather")
    play = await playing(lambda: with_tools(stage, "weather"))
    async with play.drained(lambda: stage.begun["weather"]) as turn:
        stage.go.set()
    assert stage.begun == Counter(model=1, weather=1)
    await play.goes_on(turn)
    assert stage.begun == Counter(model=2, weather=1)
    await play.reads(turn, "I am weather.")
    kinds = [type(each) for each in await play.talk.thread()]
    assert kinds == [HumanMessage, AIMessage, ToolMessage, AIMessage]


async def test_of_tool_calls_side_by_side_only_the_one_that_was_cut_is_made_again(playing: Enter) -> None:
    stage = Stage("slow")
    play = await playing(lambda: with_tools(stage, "quick", "slow"))
    async with play.drained(lambda: stage.done["quick"] and stage.begun["slow"], SHORT_S) as turn:
        pass
    assert stage.done == Counter(quick=1)
    stage.go.set()
    await play.goes_on(turn)
    assert stage.begun == Counter(model=2, quick=1, slow=2)
    assert stage.done == Counter(quick=1, slow=1)
    await play.reads(turn, "I am quick. I am slow.")


async def test_branches_side_by_side_all_come_to_their_end_and_none_runs_again(playing: Enter) -> None:
    stage = Stage("left")
    names = ("first", "left", "right", "last")
    play = await playing(lambda: beside(**{name: stage.node(name) for name in names}))
    async with play.drained(lambda: stage.begun["left"] and stage.done["right"]) as turn:
        stage.go.set()
    assert stage.once("first", "left", "right")
    await play.goes_on(turn)
    assert stage.once(*names)
    await play.reads(turn, *(f"I am {name}." for name in names))


async def test_of_branches_side_by_side_only_the_one_that_was_cut_runs_again(playing: Enter) -> None:
    stage = Stage("left")
    names = ("first", "left", "right", "last")
    play = await playing(lambda: beside(**{name: stage.node(name) for name in names}))
    async with play.drained(lambda: stage.begun["left"] and stage.done["right"], SHORT_S) as turn:
        pass
    assert stage.done == Counter(first=1, right=1)
    stage.go.set()
    await play.goes_on(turn)
    assert stage.begun == Counter(first=1, left=2, right=1, last=1)
    assert stage.done == Counter(names)
    await play.reads(turn, *(f"I am {name}." for name in names))


async def test_a_graph_inside_a_branch_stops_between_its_steps_and_its_neighbour_does_not_run_again(
    playing: Enter,
) -> None:
    stage = Stage("inner-1")

    def whole() -> Graph:
        inner = graph_of(**{name: stage.node(name) for name in ("inner-1", "inner-2")})

        async def around(state: ThreadState) -> ThreadState:
            return {"messages": (await inner.ainvoke(state))["messages"][-1:]}

        return beside(
            first=stage.node("first"), left=around, right=stage.node("right"), last=stage.node("last")
        )

    play = await playing(whole)
    async with play.drained(lambda: stage.begun["inner-1"] and stage.done["right"]) as turn:
        stage.go.set()
    assert stage.once("first", "inner-1", "right")
    await play.goes_on(turn)
    assert stage.once("first", "inner-1", "inner-2", "right", "last")
    await play.reads(turn, "I am first.", "I am inner-2.", "I am right.", "I am last.")


async def test_a_wait_for_a_person_right_behind_the_boundary_is_the_next_workers(playing: Enter) -> None:
    stage = Stage("first")
    play = await playing(
        lambda: graph_of(first=stage.node("first"), ask=stage.asking("ask"), last=stage.node("last"))
    )
    async with play.drained(lambda: stage.begun["first"]) as turn:
        stage.go.set()
    assert stage.once("first"), "it stopped in front of who asks"
    await play.goes_on(turn, "interrupted")
    assert stage.begun == Counter(first=1, ask=1)
    await play.reads(turn, "I am first.", asks=1)


async def test_a_wait_for_a_person_in_the_step_under_way_is_the_turns_end_here(playing: Enter) -> None:
    """Nothing is left to do elsewhere: handed over it would ask a second time."""
    stage = Stage("left")
    play = await playing(
        lambda: beside(
            first=stage.node("first"),
            left=stage.node("left"),
            ask=stage.asking("ask"),
            last=stage.node("last"),
        )
    )
    async with play.drained(lambda: stage.begun["left"] and stage.begun["ask"]) as turn:
        stage.go.set()
    assert (await play.talk.finished(turn))["outcome"] == "interrupted"
    assert stage.begun == Counter(first=1, left=1, ask=1)
    assert [each["text"] for each in await play.talk.events("message.completed", turn)] == ["I am first."]


@pytest.mark.parametrize("stops", ["interrupt_before", "interrupt_after"])
async def test_a_breakpoint_behind_the_boundary_is_passed_by_no_worker(playing: Enter, stops: str) -> None:
    """It stops where its author said, also when somebody goes on with it in between."""
    stage, names = Stage("first"), ("first", "second", "third")
    at = ["third"] if stops == "interrupt_before" else ["second"]

    def graph() -> Graph:
        made = graph_of(**{name: stage.node(name) for name in names})
        setattr(made, f"{stops}_nodes", at)
        return made

    play = await playing(graph)
    async with play.drained(lambda: stage.begun["first"]) as turn:
        stage.go.set()
    await play.goes_on(turn, "interrupted")
    assert stage.once("first", "second")
    await play.reads(turn, "I am first.", "I am second.", asks=1)


@pytest.mark.parametrize("stops", ["interrupt_before", "interrupt_after"])
async def test_a_breakpoint_at_the_boundary_ends_the_turn_there(playing: Enter, stops: str) -> None:
    stage, names = Stage("first"), ("first", "second")

    def graph() -> Graph:
        made = graph_of(**{name: stage.node(name) for name in names})
        setattr(made, f"{stops}_nodes", ["second"] if stops == "interrupt_before" else ["first"])
        return made

    play = await playing(graph)
    async with play.drained(lambda: stage.begun["first"]) as turn:
        stage.go.set()
    assert (await play.talk.finished(turn))["outcome"] == "interrupted"
    assert stage.once("first")


async def test_what_was_said_meanwhile_is_answered_by_the_next_worker_in_its_order(playing: Enter) -> None:
    stage = Stage("first")
    play = await playing(lambda: graph_of(**{name: stage.node(name) for name in ("first", "second")}))
    async with play.drained(lambda: stage.begun["first"]) as turn:
        behind = await play.talk.say("and this?")
        stage.go.set()
    assert stage.once("first"), "the other turn was not begun"
    await play.goes_on(turn)
    async with worker_in_process(play.redis, play.graph(), speaking=None):
        assert (await play.talk.finished(behind))["outcome"] == "completed"
    ends = [event["turn"] for event in await play.talk.events("turn.finished")]
    assert ends == [turn, behind]
    said = [event["text"] for event in await play.talk.events("message.completed")]
    assert said == ["I am first.", "I am second."] * 2
