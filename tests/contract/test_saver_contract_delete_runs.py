"""Deleting what runs left. It looks through every thread there is: on a Redis no other module writes to."""

import asyncio
from collections.abc import AsyncIterator
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import UnreadableCheckpoint
from tests.support.open_bus import open_bus
from tests.support.saver_twins import AnySaver, Ours, history, listed, on
from tests.support.savers import fresh_thread
from tests.support.thread_types import assert_same


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


def adding(state: list[str], writes: list[list[str]]) -> list[str]:
    return [*state, *(each for write in writes for each in write)]


def talking(saver: AnySaver, delta: bool = False) -> Any:
    """A graph with a list above the size from which it is kept by element, or with a DeltaChannel."""
    reducer: Any = DeltaChannel(adding, snapshot_frequency=1000) if delta else add

    class Log(TypedDict):
        log: Annotated[list[str], reducer]

    graph = StateGraph(Log)
    graph.add_node("say", lambda state: {"log": [line(len(state["log"]))]})
    graph.add_node("more", lambda state: {"log": [line(len(state["log"]))]})
    graph.add_edge(START, "say")
    graph.add_edge("say", "more")
    return graph.compile(checkpointer=saver)


def line(number: int) -> str:
    return f"{number} " + "." * 90


async def talked(ours: Ours, thread: str, run: str, *, delta: bool = False) -> None:
    given = {"log": [line(-1)] * 20}
    await talking(await ours.open(), delta).ainvoke(given, on(thread, metadata={"run_id": run}))


@pytest.mark.parametrize("delta", [False, True], ids=["by element", "by deltas"])
async def test_a_run_goes_and_what_stands_on_it_stays_right(bus: Bus, delta: bool) -> None:
    ours, thread, other = Ours(bus), fresh_thread(), fresh_thread()
    first, middle, last = runs = [fresh_thread() for _ in range(3)]
    for run in runs:
        await talked(ours, thread, run, delta=delta)
    await talked(ours, other, first)
    state = await talking(await ours.open(), delta).aget_state(on(thread))
    were = {each["id"]: each for each in await history(await ours.open(), thread)}
    of_other = await history(await ours.open(), other)
    saver: Any = await ours.open()
    await saver.adelete_for_runs([middle])
    left = await history(await ours.open(), thread)
    if not delta:  # of which ancestors are needed stays
        assert {each["metadata"]["run_id"] for each in left} == {first, last}
    for each in left:
        assert_same(each, were[each["id"]])
    assert_same(await history(saver, other), of_other)
    again = await talking(await ours.open(), delta).aget_state(on(thread))
    assert again.values == state.values
    assert len(again.values["log"]) == 66
    await talked(ours, thread, middle, delta=delta)


async def test_a_damaged_thread_keeps_no_other_from_being_cleared(bus: Bus) -> None:
    ours, run = Ours(bus), fresh_thread()
    threads = [fresh_thread() for _ in range(4)]
    for thread in threads:
        await talked(ours, thread, run)
    damaged = threads[1]
    records, redis = bus.floor.keys.thread(damaged).records, bus.floor.commands
    bodies = [name for name in await redis.hkeys(records) if name.startswith(b"b")]
    await redis.hset(records, mapping=dict.fromkeys(bodies, b"\x01msgpack\0\xdc"))
    saver: Any = await ours.open()
    with pytest.raises(UnreadableCheckpoint, match=damaged):
        await saver.adelete_for_runs([run])
    left = [len(await listed(saver, thread)) for thread in threads if thread != damaged]
    assert left == [0, 0, 0]
    await saver.adelete_thread(damaged)


async def test_another_thread_deletes_copies_and_prunes(bus: Bus) -> None:
    ours, run = Ours(bus), fresh_thread()
    thread, copied, pruned = (fresh_thread() for _ in range(3))
    saver: Any = await ours.open()
    await talked(ours, thread, run)
    await asyncio.to_thread(saver.copy_thread, thread, copied)
    await asyncio.to_thread(saver.copy_thread, thread, pruned)
    await asyncio.to_thread(saver.delete_thread, thread)
    await asyncio.to_thread(saver.prune, [pruned])
    assert [len(await listed(saver, each)) for each in (thread, copied, pruned)] == [0, 4, 1]
    await asyncio.to_thread(saver.delete_for_runs, [run])
    assert [len(await listed(saver, each)) for each in (thread, copied, pruned)] == [0, 0, 0]


async def test_a_list_without_a_thread_names_all_of_them(bus: Bus) -> None:
    ours, run = Ours(bus), fresh_thread()
    threads = {fresh_thread() for _ in range(5)}
    for thread in threads:
        await talked(ours, thread, run)
    found = [kept async for kept in (await ours.open()).alist(None, filter={"run_id": run, "step": 0})]
    assert sorted(kept.config["configurable"]["thread_id"] for kept in found) == sorted(threads)
