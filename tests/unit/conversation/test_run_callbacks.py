"""What a graph does, as its watcher hears it from LangChain: real graphs, models and tools, nothing kept."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from services.conversation.graph.callbacks import RunCallbacks
from services.conversation.graph.models import open_model
from services.conversation.graph.state import ThreadState
from services.conversation.graph.watch import Doing, Unwatched
from tests.support.workers import graph_of

MARK = "marked-4711"
"""Stands in all that is said, asked and answered here."""


@dataclass
class Heard:
    """One thing that was heard of."""

    kind: str
    name: str
    above: str
    facts: dict[str, Any] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    chunks: int = 0
    overs: int = 0

    def set(self, **facts: Any) -> None:
        self.facts |= facts

    def failed(self, error: str, kind: str) -> None:
        self.error = (error, kind)

    def over(self) -> None:
        self.overs += 1

    def chunk(self) -> None:
        self.chunks += 1


class Ears(Unwatched):
    """A watcher that keeps all it hears."""

    def __init__(self) -> None:
        self.all: list[Heard] = []

    def _hear(self, kind: str, name: str, within: Doing | None, **facts: Any) -> Heard:
        above = within.name if isinstance(within, Heard) else ""
        self.all.append(Heard(kind, name, above, facts))
        return self.all[-1]

    def node(self, name: str, step: int, within: Doing | None) -> Heard:
        return self._hear("node", name, within, step=step)

    def model(self, name: str, provider: str, within: Doing | None) -> Heard:
        return self._hear("model", name, within, provider=provider)

    def tool(self, name: str, call: str, within: Doing | None) -> Heard:
        return self._hear("tool", name, within, call=call)

    def told(self) -> list[tuple[str, str, str]]:
        """Kind, name, and what it is a part of."""
        return [(one.kind, one.name, one.above) for one in self.all]


async def run(graph: Any, watcher: Any = None, **config: Any) -> Ears:
    ears = watcher or Ears()
    callbacks = RunCallbacks(ears)
    try:
        await graph.ainvoke({"messages": [HumanMessage(MARK)]}, {"callbacks": [callbacks], **config})
    finally:
        callbacks.close()
    return ears


def asking(*, plain: bool) -> Any:
    """A node that asks the built-in model, on the loop or in a thread."""
    model = open_model("", token_s=0.0)

    async def answer(state: ThreadState) -> ThreadState:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def answer_plainly(state: ThreadState) -> ThreadState:
        return {"messages": [model.invoke(state["messages"])]}

    return answer_plainly if plain else answer


@pytest.mark.parametrize("plain", [False, True])
async def test_a_model_is_heard_within_its_node_also_from_a_thread(plain: bool) -> None:
    ears = await run(graph_of(first=lambda _: {}, second=asking(plain=plain)))
    assert ears.told() == [("node", "first", ""), ("node", "second", ""), ("model", "resident", "second")]
    _, second, model = ears.all
    assert second.facts == {"step": 2, "outcome": "completed"}
    assert model.facts["provider"] == "continuo"
    assert model.facts["output_tokens"] > 1
    assert [one.overs for one in ears.all] == [1, 1, 1]


async def test_a_streaming_model_is_heard_at_each_piece() -> None:
    model = open_model("", token_s=0.0)

    async def answer(state: ThreadState) -> ThreadState:
        return {
            "messages": [AIMessage("".join([str(c.text) async for c in model.astream(state["messages"])]))]
        }

    ears = await run(graph_of(answer=answer))
    assert ears.all[-1].chunks > 1


def with_tools(*tools: Any) -> Any:
    """A model that calls each tool once, by ids call-1 and on, and the tools' own node."""
    calls = [
        {"name": one.name, "args": {"what": MARK}, "id": f"call-{number}"}
        for number, one in enumerate(tools, 1)
    ]
    graph = StateGraph(ThreadState)
    graph.add_node("model", lambda _: {"messages": [AIMessage("", tool_calls=calls)]})
    graph.add_node("tools", ToolNode(list(tools), handle_tool_errors=True))
    graph.add_edge(START, "model")
    graph.add_edge("model", "tools")
    graph.add_edge("tools", END)
    return graph.compile()


@tool
async def look_up(what: str) -> str:
    """Look something up."""
    return f"found {what}"


@tool
async def breaks(what: str) -> str:
    """Break."""
    raise ConnectionError(what)


async def test_tools_are_heard_by_name_and_call_and_one_that_raises_has_failed() -> None:
    ears = await run(with_tools(look_up, breaks))
    assert sorted(ears.told()[2:]) == [("tool", "breaks", "tools"), ("tool", "look_up", "tools")]
    one, other = sorted(ears.all[2:], key=lambda each: each.name)
    assert (one.facts, one.error) == (
        {"call": "call-2", "outcome": "failed"},
        ("ConnectionError", "broken"),
    )
    assert (other.facts, other.error) == ({"call": "call-1", "outcome": "completed"}, None)


async def test_nothing_that_was_said_asked_or_answered_is_heard() -> None:
    ears = await run(with_tools(look_up, breaks))
    more = await run(graph_of(answer=asking(plain=False)))
    assert MARK not in repr([*ears.all, *more.all])


async def test_a_subgraphs_nodes_are_heard_within_the_node_that_runs_it() -> None:
    inner = graph_of(deep=asking(plain=False))
    ears = await run(graph_of(outer=inner))
    assert ears.told() == [("node", "outer", ""), ("node", "deep", "outer"), ("model", "resident", "deep")]


async def test_a_node_that_raises_has_failed_and_one_that_waits_for_a_person_has_not() -> None:
    def answer(_: ThreadState) -> ThreadState:
        raise ValueError(MARK)

    ears = Ears()
    with pytest.raises(ValueError, match=MARK):
        await run(graph_of(answer=answer), ears)
    assert (ears.all[0].error, ears.all[0].facts["outcome"]) == (("ValueError", "broken"), "failed")

    def ask(_: ThreadState) -> ThreadState:
        return {"messages": [AIMessage(str(interrupt("Sure?")))]}

    graph = graph_of(ask=ask).copy(update={"checkpointer": InMemorySaver()})
    waits = await run(graph, configurable={"thread_id": "t"})
    assert (waits.all[0].error, waits.all[0].facts["outcome"]) == (None, "interrupted")


async def test_what_a_stopped_run_leaves_open_is_over_at_its_end() -> None:
    begun = asyncio.Event()

    async def answer(_: ThreadState) -> ThreadState:
        begun.set()
        await asyncio.Event().wait()
        return {}

    ears = Ears()
    running = asyncio.create_task(run(graph_of(answer=answer), ears))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [one.overs for one in ears.all] == [1]
    assert ears.all[0].error is None


class Broken:
    """Fails at whatever it is told."""

    context = ""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("watching is broken")


class BrokenLater(Ears):
    """Fails at whatever comes behind a beginning."""

    def _hear(self, kind: str, name: str, within: Doing | None, **facts: Any) -> Any:
        return Broken()


@pytest.mark.parametrize("broken", [Broken, BrokenLater])
async def test_a_watcher_that_fails_hurts_no_run(broken: Any) -> None:
    graph, watcher = with_tools(look_up), broken()
    callbacks = RunCallbacks(watcher)
    done = await graph.ainvoke({"messages": [HumanMessage("hello")]}, {"callbacks": [callbacks]})
    assert done["messages"][-1].text == f"found {MARK}"
    assert callbacks._stumbled
    callbacks.close()
    asked = graph_of(answer=asking(plain=False))
    done = await asked.ainvoke({"messages": [HumanMessage("hi")]}, {"callbacks": [RunCallbacks(watcher)]})
    assert done["messages"][-1].text
