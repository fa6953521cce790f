"""What devices see of agents within an agent, and of what nodes write: a real worker around real graphs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph

from services.conversation.graph.models import open_model
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.doing import MOST_TOLD
from services.shared.model.ids import TurnId
from tests.support import doing_graph
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk, graph_of, worker_in_process


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


async def told(redis: EmbeddedRedis, bus: Bus, graph: Any, *kinds: str) -> list[dict[str, Any]]:
    """The events of these kinds of one turn that ended well."""
    async with worker_in_process(redis, graph, speaking=None):
        talk = await Talk.new(bus)
        turn: TurnId = await talk.say("hello")
        end = await talk.finished(turn)
        assert end["outcome"] == "completed", end
    return [each for each in await talk.events(turn=turn) if each["type"].partition(".")[0] in kinds]


def team(inner_says: bool) -> Any:
    """A graph with another as its node, whose model's words come to the thread only if `inner_says`."""

    async def research(state: ThreadState) -> ThreadState:
        get_stream_writer()({"sources": 3})
        said: BaseMessage = await open_model("", token_s=0.0).ainvoke(state["messages"])
        return {"messages": [said]} if inner_says else {}

    async def conclude(_: ThreadState) -> ThreadState:
        return {"messages": [AIMessage("Done.", id="done")]}

    inner = StateGraph(ThreadState).add_node("research", research).add_edge(START, "research").compile()
    return graph_of(team=inner, conclude=conclude)


async def test_an_agent_within_the_agent_is_told_to_begin_and_to_end(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    started, finished = await told(workers_redis, bus, team(inner_says=True), "subagent")
    assert (started["type"], finished["type"]) == ("subagent.started", "subagent.finished")
    assert started["path"] == finished["path"] == ["team"]
    assert started["subagent"] == finished["subagent"]
    assert finished["outcome"] == "completed"


async def test_what_its_models_say_is_streamed_while_they_say_it(
    workers_redis: EmbeddedRedis, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOING", str(tmp_path))
    async with worker_in_process(workers_redis, doing_graph.team, speaking=None):
        talk = await Talk.new(bus)
        turn = await talk.say("speak of wind")

        async def spoken() -> list[dict[str, Any]]:
            deltas = await talk.events("subagent.delta")
            return deltas if "".join(each["text"] for each in deltas) == "It may be wind" else []

        deltas = await eventually(spoken, within_s=20.0)
        [underway] = (await bus.messages.history(talk.id, ANN)).underway
        (tmp_path / "wind").touch()
        await talk.finished(turn)
    [started] = await talk.events("subagent.started", turn)
    assert {each["subagent"] for each in deltas} == {started["subagent"], underway.subagent}
    assert (deltas[0]["at"], underway.text, underway.at) == (0, "It may be wind", len("It may be wind"))
    told = [each for each in await talk.events(turn=turn) if each["type"].startswith(("subagent", "message"))]
    types = [each["type"] for each in told if each["type"] != "message.created"]
    assert types == ["subagent.started", "subagent.finished", "message.started", "message.completed"]
    [over] = await talk.events("subagent.finished", turn)
    assert ("cut" in over, told[-1]["text"]) == (False, "It may be wind. That was it.")
    assert await talk.events("subagent.delta") == [], "what was streamed is over with it"


async def test_what_it_says_is_told_whole_once_the_thread_holds_it(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    said = await told(workers_redis, bus, team(inner_says=True), "message")
    assert [each["type"] for each in said] == ["message.started", "message.completed"] * 2
    assert said[-1]["text"] == "Done."


async def test_what_it_says_to_itself_is_told_to_nobody(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    said = await told(workers_redis, bus, team(inner_says=False), "message")
    assert [each.get("text") for each in said] == [None, "Done."]


async def test_what_a_node_of_it_writes_says_where(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    [written] = await told(workers_redis, bus, team(inner_says=True), "agent")
    assert (written["type"], written["values"], written["path"]) == (
        "agent.custom", [{"sources": 3}], ["team"],
    )  # fmt: skip


async def test_what_nodes_write_is_told_in_order_and_together_whatever_it_is(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async def writes(_: ThreadState) -> ThreadState:
        write = get_stream_writer()
        for value in (1, "two", {"three": [3]}, None, float("nan"), {("a", "b"): 1}, "x" * (MOST_TOLD + 1)):
            write(value)
        return {"messages": [AIMessage("Done.", id="done")]}

    written = await told(workers_redis, bus, graph_of(writes=writes), "agent")
    values = [value for each in written for value in each["values"]]
    assert values == [1, "two", {"three": [3]}, None, "nan", "{('a', 'b'): 1}", None]
    assert [each.get("cut") for each in written if each.get("cut")] == [True]
    assert "path" not in written[0]
