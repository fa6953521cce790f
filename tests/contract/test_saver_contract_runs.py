"""Runs over a saver: how much is kept meanwhile, the same run entered again, and code in other threads."""

import asyncio
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from services.shared.bus.house import Bus
from tests.support.saver_twins import (
    AnySaver,
    InMemory,
    Ours,
    SaverKind,
    assert_twins,
    history,
    id_of,
    listed,
    on,
)
from tests.support.savers import fresh_thread
from tests.support.thread_types import assert_same


class Log(TypedDict, total=False):
    log: Annotated[list[str], add]


class Failing:
    """A graph of three nodes that counts what ran; the second fails as often as it is told."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.ran: list[str] = []

    def compiled(self, saver: AnySaver) -> Any:
        graph = StateGraph(Log)
        graph.add_sequence([(name, self._node(name)) for name in ("one", "two", "three")])
        graph.add_edge(START, "one")
        return graph.compile(checkpointer=saver)

    def _node(self, name: str) -> Any:
        async def run(_: Log) -> Any:
            self.ran.append(name)
            if name == "two" and self.failures:
                self.failures -= 1
                raise RuntimeError(name)
            return {"log": [name]}

        return run


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_failed_run_leaves_what_its_durability_says(
    twins: tuple[SaverKind, SaverKind], durability: Any
) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        failing = Failing(1)
        with pytest.raises(RuntimeError):
            await failing.compiled(await kind.open()).ainvoke(
                {"log": ["in"]}, on(thread), durability=durability
            )
        kept = await history(await kind.open(), thread)
        result = await failing.compiled(await kind.open()).ainvoke(None, on(thread), durability=durability)
        return result, failing.ran, len(kept)

    result, ran, count = await assert_twins(twins, doings)
    assert result == {"log": ["in", "one", "two", "three"]}
    assert ran == ["one", "two", "two", "three"]
    assert count == (1 if durability == "exit" else 3)


async def test_runs_that_keep_only_their_ends_are_linked(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        for _ in range(4):
            await (
                Failing(0).compiled(await kind.open()).ainvoke({"log": ["in"]}, on(thread), durability="exit")
            )
        return len(await listed(await kind.open(), thread))

    assert await assert_twins(twins, doings) == 4


@pytest.mark.parametrize("again", ["the same", "another"])
async def test_the_same_run_entered_again_resumes_and_another_begins(
    twins: tuple[SaverKind, SaverKind], again: str
) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        failing = Failing(1)
        config = on(thread, metadata={"run_id": "the same"})
        with pytest.raises(RuntimeError):
            await failing.compiled(await kind.open()).ainvoke({"log": ["in"]}, config)
        config = on(thread, metadata={"run_id": again})
        result = await failing.compiled(await kind.open()).ainvoke({"log": ["in"]}, config)
        return result["log"], failing.ran

    log, ran = await assert_twins(twins, doings)
    begun = [] if again == "the same" else ["in", "one"]
    assert log == ["in", "one", *begun, "two", "three"]
    assert ran == ["one", "two", *begun[1:], "two", "three"]


async def test_threads_run_beside_each_other_by_one_saver(kind: SaverKind) -> None:
    saver, threads = await kind.open(), [fresh_thread() for _ in range(20)]
    graph = Failing(0).compiled(saver)
    async with asyncio.TaskGroup() as runs:
        for thread in threads:
            runs.create_task(graph.ainvoke({"log": [thread] * 50}, on(thread)))
    for thread in threads:
        state = await Failing(0).compiled(await kind.open()).aget_state(on(thread))
        assert state.values["log"] == [*[thread] * 50, "one", "two", "three"]


def plain(saver: AnySaver) -> Any:
    """A graph of plain functions, one of which invokes a graph that asks."""
    below = StateGraph(Log)
    below.add_node("before", lambda _: {"log": ["before"]})
    below.add_node("ask", lambda _: {"log": [interrupt("who?")]})
    below.add_edge(START, "before")
    below.add_edge("before", "ask")
    inner = below.compile()
    graph = StateGraph(Log)
    graph.add_node("outer", lambda _: {"log": inner.invoke({"log": []})["log"]})
    graph.add_node("after", lambda _: {"log": ["after"]})
    graph.add_edge(START, "outer")
    graph.add_edge("outer", "after")
    return graph.compile(checkpointer=saver)


async def test_plain_functions_invoke_graphs_that_ask(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        waiting = await plain(await kind.open()).ainvoke({"log": ["in"]}, on(thread))
        result = await plain(await kind.open()).ainvoke(Command(resume="Ann"), on(thread))
        return [each.value for each in waiting["__interrupt__"]], result["log"]

    questions, log = await assert_twins(twins, doings)
    assert (questions, log) == (["who?"], ["in", "before", "Ann", "after"])


async def test_another_thread_runs_reads_changes_and_lists(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        saver = await kind.open()

        def elsewhere() -> Any:
            graph, config = plain(saver), on(thread)
            graph.invoke({"log": ["in"]}, config)
            asked = graph.get_state(config, subgraphs=True)
            graph.invoke(Command(resume="Ann"), config)
            graph.update_state(config, {"log": ["from outside"]})
            states = [state.values for state in graph.get_state_history(config)]
            few = [id_of(kept) for kept in saver.list(on(thread, space=""), limit=2)]
            latest = saver.get_tuple(config)
            past = saver.get_delta_channel_history(config=config, channels=["log"])
            assert latest is not None
            return asked.tasks[0].state.values, states, few[0] == id_of(latest), len(few), past

        return await asyncio.to_thread(elsewhere)

    below, states, newest, count, _ = await assert_twins(twins, doings)
    assert (below, newest, count) == ({"log": ["before"]}, True, 2)
    assert states[0]["log"] == ["in", "before", "Ann", "after", "from outside"]


async def test_long_lists_come_over_to_another_thread_whole(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    for _ in range(20):
        await Failing(0).compiled(saver).ainvoke({"log": []}, on(thread))
    there = await asyncio.to_thread(lambda: [id_of(kept) for kept in saver.list(on(thread))])
    assert there == [id_of(kept) for kept in await listed(saver, thread)]
    assert len(there) == 100


async def test_plain_forms_on_the_loop_itself_are_refused_at_once(bus: Bus) -> None:
    """They would wait for the loop that they hold."""
    saver = await Ours(bus).open()
    with pytest.raises(asyncio.InvalidStateError):
        saver.get_tuple(on(fresh_thread()))
    with pytest.raises(asyncio.InvalidStateError):
        list(saver.list(on(fresh_thread())))


async def test_a_thread_written_by_the_in_memory_saver_is_taken_over(bus: Bus) -> None:
    """Checkpoints handed over one by one, oldest first, as one would move a thread: nothing is different."""
    theirs, ours, thread = InMemory(), Ours(bus), fresh_thread()
    for _ in range(3):
        await Failing(0).compiled(await theirs.open()).ainvoke({"log": ["in"] * 100}, on(thread))
    saver = await ours.open()
    for kept in reversed(await listed(await theirs.open(), thread)):
        parent = kept.parent_config["configurable"]["checkpoint_id"] if kept.parent_config else None
        versions = kept.checkpoint["channel_versions"]
        await saver.aput(on(thread, parent, ""), kept.checkpoint, kept.metadata, versions)
        for task, channel, value in kept.pending_writes or ():
            await saver.aput_writes(kept.config, [(channel, value)], f"{task} {channel}")
    moved, were = await history(await ours.open(), thread), await history(await theirs.open(), thread)
    for each in (*moved, *were):
        each["writes"] = [write[1:] for write in sorted(each["writes"], key=lambda write: str(write[1]))]
    assert_same(moved, were)
