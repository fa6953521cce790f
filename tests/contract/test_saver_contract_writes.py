"""What tasks wrote and no checkpoint holds yet: first or latest, in whose order, and who need not run."""

import asyncio
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME, SCHEDULED
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from tests.support.saver_twins import AnySaver, SaverKind, assert_twins, on
from tests.support.savers import fresh_thread
from tests.support.thread_types import BEYOND_STOCK, SAMPLES

Written = list[tuple[str, str, Any]]


class Log(TypedDict):
    log: Annotated[list[str], add]


class BrokenError(Exception):
    """What a node fails with."""


async def begun(saver: AnySaver, thread: str) -> Any:
    """A thread with one checkpoint; its config."""
    return await saver.aput(on(thread, space=""), empty_checkpoint(), {"source": "loop", "step": 0}, {})


async def pending(kind: SaverKind, at: Any) -> Written:
    """The pending writes that a saver which wrote none of them reads."""
    kept = await (await kind.open()).aget_tuple(at)
    assert kept is not None
    return list(kept.pending_writes or ())


async def test_of_the_same_write_the_first_counts(kind: SaverKind) -> None:
    saver = await kind.open()
    at = await begun(saver, fresh_thread())
    await saver.aput_writes(at, [("a", 1), ("b", 2)], "task")
    await (await kind.open()).aput_writes(at, [("a", 3), ("c", 4), ("d", 5)], "task")
    assert await pending(kind, at) == [("task", "a", 1), ("task", "b", 2), ("task", "d", 5)]


@pytest.mark.parametrize("channel", [ERROR, SCHEDULED, INTERRUPT, RESUME])
async def test_of_special_writes_the_latest_counts(kind: SaverKind, channel: str) -> None:
    saver = await kind.open()
    at = await begun(saver, fresh_thread())
    await saver.aput_writes(at, [(channel, "old")], "task")
    await saver.aput_writes(at, [(channel, "new")], "task")
    await saver.aput_writes(at, [(channel, "of another")], "zask")
    assert await pending(kind, at) == [("task", channel, "new"), ("zask", channel, "of another")]


async def test_special_and_plain_writes_of_a_task_do_not_meet(kind: SaverKind) -> None:
    saver = await kind.open()
    at = await begun(saver, fresh_thread())
    await saver.aput_writes(at, [("plain", 0), (RESUME, [1]), ("plain", 2)], "task")
    await saver.aput_writes(at, [(ERROR, "e"), (INTERRUPT, "i")], "task")
    channels = [channel for _, channel, _ in await pending(kind, at)]
    assert channels == [RESUME, INTERRUPT, ERROR, "plain", "plain"]


async def test_writes_stand_in_the_order_of_path_task_and_index(kind: SaverKind) -> None:
    saver = await kind.open()
    at = await begun(saver, fresh_thread())
    await saver.aput_writes(at, [("a", number) for number in range(12)], "task-1", "~b")
    await saver.aput_writes(at, [("a", 100)], "task-0", "~b")
    await saver.aput_writes(at, [("a", 200)], "task-9", "~a, 0000000010")
    await saver.aput_writes(at, [("a", 201)], "task-8", "~a, 0000000009")
    await saver.aput_writes(at, [("a", 300)], "task-7")
    await saver.aput_writes(at, [("a", 301)], "task-10")
    values = [value for _, _, value in await pending(kind, at)]
    assert values == [301, 300, 201, 200, 100, *range(12)]


async def test_a_write_may_come_before_its_checkpoint(kind: SaverKind) -> None:
    saver, thread, checkpoint = await kind.open(), fresh_thread(), empty_checkpoint()
    await saver.aput_writes(on(thread, checkpoint["id"], ""), [("early", 1)], "task")
    assert await saver.aget_tuple(on(thread)) is None
    assert [kept async for kept in saver.alist(on(thread))] == []
    at = await saver.aput(on(thread, space=""), checkpoint, {"source": "loop", "step": 0}, {})
    assert await pending(kind, at) == [("task", "early", 1)]


async def test_writes_belong_to_their_checkpoint_and_space(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    at = await begun(saver, thread)
    below = on(thread, at["configurable"]["checkpoint_id"], "below")
    await saver.aput(on(thread, space="below"), empty_checkpoint(), {"source": "loop", "step": 0}, {})
    await saver.aput_writes(below, [("a", "of the space")], "task")
    await saver.aput_writes(at, [("a", "of the graph")], "task")
    later = await saver.aput(at, empty_checkpoint(), {"source": "loop", "step": 1}, {})
    assert await pending(kind, at) == [("task", "a", "of the graph")]
    assert await pending(kind, later) == []


async def test_written_values_of_every_kind_come_back(twins: tuple[SaverKind, SaverKind]) -> None:
    """As LangGraph's serialiser gives them, which is not always as they were: JSON of a tool's artifact."""

    async def doings(kind: SaverKind, thread: str) -> None:
        saver = await kind.open()
        at = await begun(saver, thread)
        samples = {name: value for name, value in SAMPLES.items() if name not in BEYOND_STOCK}
        await saver.aput_writes(at, list(samples.items()), "task")

    await assert_twins(twins, doings)


async def test_names_may_hold_any_character(kind: SaverKind) -> None:
    saver = await kind.open()
    at = await begun(saver, fresh_thread())
    await saver.aput_writes(at, [("a:b ☕", 1), ("a:b", 2)], "t:1 ☕", "~p, (1, 'x:y'), ☕")
    await saver.aput_writes(at, [("a", 3)], "t:1")
    assert await pending(kind, at) == [("t:1", "a", 3), ("t:1 ☕", "a:b ☕", 1), ("t:1 ☕", "a:b", 2)]


def fan(saver: AnySaver, failing: set[str], ran: list[str]) -> Any:
    """Three nodes beside each other and one after them; `failing` ones fail."""

    def node(name: str) -> Any:
        async def run(_: Log) -> Any:  # all in one tick: which is done when one fails is not left to chance
            ran.append(name)
            if name in failing:
                raise BrokenError(name)
            return {"log": [name]}

        return run

    graph = StateGraph(Log)
    for name in ("left", "middle", "right", "end"):
        graph.add_node(name, node(name))
    for name in ("left", "middle", "right"):
        graph.add_edge(START, name)
    graph.add_edge(["left", "middle", "right"], "end")
    graph.add_edge("end", END)
    return graph.compile(checkpointer=saver)


async def test_what_stood_beside_a_failed_node_does_not_run_again(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        ran, failing = list[str](), {"middle"}
        with pytest.raises(BrokenError):
            await fan(await kind.open(), failing, ran).ainvoke({"log": ["begin"]}, on(thread))
        state = await fan(await kind.open(), failing, ran).aget_state(on(thread))
        seen = [state.next, [(task.name, bool(task.error), task.result) for task in state.tasks], sorted(ran)]
        with pytest.raises(BrokenError):
            await fan(await kind.open(), failing, ran).ainvoke(None, on(thread))
        failing.clear()
        result = await fan(await kind.open(), failing, ran).ainvoke(None, on(thread))
        return [*seen, result, sorted(ran)]

    *_, result, ran = await assert_twins(twins, doings)
    assert result == {"log": ["begin", "left", "middle", "right", "end"]}
    assert ran == ["end", "left", "middle", "middle", "middle", "right"]


def sending(saver: AnySaver, many: int, failing: set[int], ran: list[int]) -> Any:
    async def work(number: int) -> Any:
        if failing and number > max(failing):
            await asyncio.Event().wait()  # until the failure ends it
        ran.append(number)
        if number in failing:
            raise BrokenError(str(number))
        return {"log": [f"{number:03}"]}

    graph = StateGraph(Log)
    graph.add_node("plan", lambda _: {"log": ["plan"]})
    graph.add_node("work", work)
    graph.add_node("end", lambda state: {"log": [f"{len(state['log'])}"]})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda _: [Send("work", number) for number in range(many)], ["work"])
    graph.add_edge("work", "end")
    return graph.compile(checkpointer=saver)


async def test_a_hundred_sends_all_arrive_in_order(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        return await sending(await kind.open(), 100, set(), []).ainvoke({"log": []}, on(thread))

    said = await assert_twins(twins, doings)
    assert said["log"] == ["plan", *(f"{number:03}" for number in range(100)), "101"]


async def test_after_a_crash_amid_sends_only_the_undone_run(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        ran = list[int]()
        graph = sending(await kind.open(), 100, {50}, ran)
        with pytest.raises(BrokenError):
            await graph.ainvoke({"log": []}, on(thread), durability="sync")
        result = await sending(await kind.open(), 100, set(), ran).ainvoke(None, on(thread))
        return result, ran

    result, ran = await assert_twins(twins, doings)
    assert result["log"] == ["plan", *(f"{number:03}" for number in range(100)), "101"]
    assert ran == [*range(51), *range(50, 100)]
