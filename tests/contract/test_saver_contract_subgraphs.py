"""Graphs within graphs: each has a space of its own in the thread, of one task or for good."""

from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from tests.support.saver_twins import IDS, AnySaver, SaverKind, assert_twins, listed, on
from tests.support.savers import fresh_thread


class Log(TypedDict, total=False):
    log: Annotated[list[str], add]
    name: Annotated[str, lambda _, new: new]


def step(name: str) -> Any:
    return lambda _: {"log": [name]}


def chain(nodes: dict[str, Any], **how: Any) -> Any:
    """A graph of these nodes, one after the other."""
    graph = StateGraph(Log)
    graph.add_sequence(list(nodes.items()))
    graph.add_edge(START, next(iter(nodes)))
    graph.add_edge(list(nodes)[-1], END)
    return graph.compile(**how)


def ask(question: str) -> Any:
    return lambda _: {"log": [f"{question} {interrupt(question)}"]}


def nested(saver: AnySaver, innermost: Any) -> Any:
    """A graph in a graph in a graph."""
    inner = chain({"deep": step("deep"), "deepest": innermost})
    middle = chain({"before": step("before"), "inner": inner, "after": step("after")})
    return chain({"first": step("first"), "middle": middle, "last": step("last")}, checkpointer=saver)


async def spaces(kind: SaverKind, thread: str) -> list[str]:
    """The spaces a thread has, without the ids of tasks."""
    found = {
        str(kept.config["configurable"]["checkpoint_ns"]) for kept in await listed(await kind.open(), thread)
    }
    return sorted(IDS.sub("", space) for space in found)


async def test_graphs_within_graphs_have_spaces_of_their_own(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        graph = nested(await kind.open(), step("deepest"))
        first = await graph.ainvoke({"log": ["a"]}, on(thread))
        second = await nested(await kind.open(), step("deepest")).ainvoke({"log": ["b"]}, on(thread))
        return first, second, await spaces(kind, thread)

    *_, found = await assert_twins(twins, doings)
    assert found == ["", "middle:", "middle:", "middle:|inner:", "middle:|inner:"]


async def test_an_interrupt_far_below_is_seen_above_and_resumed(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        first = await nested(await kind.open(), ask("who?")).ainvoke({"log": ["a"]}, on(thread))
        graph = nested(await kind.open(), ask("who?"))
        state = await graph.aget_state(on(thread), subgraphs=True)
        below = state.tasks[0].state
        deepest = below.tasks[0].state
        seen = [(each.next, each.values, each.interrupts) for each in (state, below, deepest)]
        second = await nested(await kind.open(), ask("who?")).ainvoke(Command(resume="Ann"), on(thread))
        return first, seen, second, (await graph.aget_state(on(thread))).next

    _, seen, second, following = await assert_twins(twins, doings)
    assert [names for names, *_ in seen] == [("middle",), ("inner",), ("deepest",)]
    assert second["log"][-3:] == ["who? Ann", "after", "last"]
    assert following == ()


class Notes(TypedDict, total=False):
    notes: Annotated[list[str], add]


def remembering(saver: AnySaver) -> Any:
    """A graph with one below it that keeps its memory from call to call."""
    memory = StateGraph(Notes)
    memory.add_node("note", lambda state: {"notes": [f"after {len(state['notes'])}"]})
    memory.add_edge(START, "note")
    kept = memory.compile(checkpointer=True)
    return chain({"first": step("first"), "memory": kept, "last": step("last")}, checkpointer=saver)


async def test_a_graph_that_keeps_its_memory_goes_on_from_it(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        for word in "abc":
            await remembering(await kind.open()).ainvoke({"log": [word]}, on(thread))
        kept = await (await kind.open()).aget_tuple(on(thread, space="memory"))
        assert kept is not None
        return kept.checkpoint["channel_values"], await spaces(kind, thread)

    values, found = await assert_twins(twins, doings)
    assert values["notes"] == ["after 0", "after 1", "after 2"]
    assert found == ["", "memory"]


async def test_a_space_can_be_read_and_changed_from_above(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        graph = nested(await kind.open(), ask("who?"))
        await graph.ainvoke({"log": ["a"]}, on(thread))
        state = await graph.aget_state(on(thread), subgraphs=True)
        below = state.tasks[0].state.config
        await graph.aupdate_state(below, {"log": ["from above"]})
        changed = await nested(await kind.open(), ask("who?")).aget_state(on(thread), subgraphs=True)
        result = await nested(await kind.open(), ask("who?")).ainvoke(Command(resume="Bob"), on(thread))
        return changed.tasks[0].state.values, result

    changed, result = await assert_twins(twins, doings)
    assert "from above" in changed["log"]
    assert "who? Bob" in result["log"]


def asking_each(saver: AnySaver, names: list[str]) -> Any:
    """As many graphs beside each other as there are names; each asks."""
    below = chain({"hello": lambda state: {"log": [f"hello {state['name']}"]}, "ask": _ask_by_name})
    graph = StateGraph(Log)
    graph.add_node("below", below)
    graph.add_conditional_edges(START, lambda _: [Send("below", {"name": name}) for name in names], ["below"])
    return graph.compile(checkpointer=saver)


def _ask_by_name(state: Log) -> Any:
    return {"log": [f"{state['name']} {interrupt(state['name'])}"]}


async def test_several_interrupts_at_once_are_resumed_by_their_ids(kind: SaverKind) -> None:
    """Not compared as wholes: in which order the graphs beside each other are first seen is chance."""
    names, thread = ["ann", "bob", "cat"], fresh_thread()
    await asking_each(await kind.open(), names).ainvoke({"log": []}, on(thread))
    state = await asking_each(await kind.open(), names).aget_state(on(thread))
    asked = {waiting.value: waiting.id for waiting in state.interrupts}
    assert sorted(asked) == names
    one = Command(resume={asked["bob"]: "B"})
    still = await asking_each(await kind.open(), names).ainvoke(one, on(thread))
    assert sorted(waiting.value for waiting in still["__interrupt__"]) == ["ann", "cat"]
    rest = Command(resume={asked["ann"]: "A", asked["cat"]: "C"})
    result = await asking_each(await kind.open(), names).ainvoke(rest, on(thread))
    said = [f"{name} {name[0].upper()}" for name in names]
    assert result["log"] == [
        word for name, line in zip(names, said, strict=True) for word in (f"hello {name}", line)
    ]
    assert await spaces(kind, thread) == ["", "below:", "below:", "below:"]


@pytest.mark.parametrize("resumed", [("one",), ("one", "two"), ("one", "two", "three")])
async def test_interrupts_one_after_another_in_a_node_take_their_answers_in_order(
    twins: tuple[SaverKind, SaverKind], resumed: tuple[str, ...]
) -> None:
    def three(_: Log) -> Any:
        return {"log": [interrupt("a"), interrupt("b"), interrupt("c")]}

    async def doings(kind: SaverKind, thread: str) -> Any:
        await chain({"three": three}, checkpointer=await kind.open()).ainvoke({"log": []}, on(thread))
        said = []
        for answer in resumed:
            graph = chain({"three": three}, checkpointer=await kind.open())
            said.append(await graph.ainvoke(Command(resume=answer), on(thread)))
        return [(one.get("log"), [waiting.value for waiting in one.get("__interrupt__", ())]) for one in said]

    said = await assert_twins(twins, doings)
    assert [waiting for _, waiting in said] == [["b"], ["c"], []][: len(resumed)]
    assert said[-1][0] == (list(resumed) if len(resumed) == 3 else [])


async def test_interrupts_in_a_loop_ask_again_each_time(twins: tuple[SaverKind, SaverKind]) -> None:
    def looping(saver: AnySaver) -> Any:
        graph = StateGraph(Log)
        graph.add_node("ask", lambda state: {"log": [interrupt(f"number {len(state['log'])}")]})
        graph.add_edge(START, "ask")
        graph.add_conditional_edges("ask", lambda s: END if s["log"][-1] == "stop" else "ask", ["ask", END])
        return graph.compile(checkpointer=saver)

    async def doings(kind: SaverKind, thread: str) -> Any:
        answers = [Command(resume=answer) for answer in ("a", "b", "c", "stop")]
        said = [await looping(await kind.open()).ainvoke(one, on(thread)) for one in ({"log": []}, *answers)]
        return [[waiting.value for waiting in one.get("__interrupt__", ())] for one in said], said[-1]["log"]

    questions, log = await assert_twins(twins, doings)
    assert questions == [["number 0"], ["number 1"], ["number 2"], ["number 3"], []]
    assert log == ["a", "b", "c", "stop"]
