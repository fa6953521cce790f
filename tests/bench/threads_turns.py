"""Turns of small graphs with each saver: one after the other, and many at a time. Used by threads_child.

The savers take turns, so that what else the machine does hits all of them. Each turn has a fresh thread that
was filled before, outside of what is measured.
"""

import asyncio
import gc
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median

from services.conversation.graph.build import Graph
from services.conversation.graph.state import STATE_VERSION
from tests.bench.latency import Percentiles
from tests.bench.threads_figures import Around, Crowd, Turn
from tests.bench.threads_meter import Meter, Reading, ticking
from tests.bench.threads_savers import FreshThread, Thread, question, row_of, talk

Savers = Mapping[str, FreshThread]

AT_ONCE = 20
SETTLES = 4
"""Turns until there are old checkpoints to drop."""


async def seeded(fresh: FreshThread, graph: Graph, messages: int) -> Thread:
    """A thread that holds so many messages and waits for the next."""
    thread = await fresh()
    filling = graph.copy(update={"checkpointer": thread.seeding})
    last = [name for name in graph.nodes if not name.startswith("__")][-1]
    await filling.aupdate_state(thread.config, {"messages": talk(messages)}, as_node=last)
    return thread


async def answer(thread: Thread, graph: Graph) -> None:
    """Answer one message, as a worker has a graph do it."""
    running = graph.copy(update={"checkpointer": thread.running})
    await running.ainvoke(
        {"version": STATE_VERSION, "messages": [question()]}, thread.config, durability="async"
    )


async def one_by_one(meter: Meter, savers: Savers, nodes: int, messages: int, turns: int) -> list[Turn]:
    """One turn after the other. The first of each saver does not count."""
    graph = row_of(nodes)
    seen: dict[str, list[Reading]] = {saver: [] for saver in savers}
    for _ in range(turns + 1):
        for saver, fresh in savers.items():
            thread = await seeded(fresh, graph, messages)
            async with meter.reading(seen[saver]):
                await answer(thread, graph)
    kept = {saver: await kept_by_turn(meter, fresh, graph, messages) for saver, fresh in savers.items()}
    return [_turn(saver, nodes, messages, seen[saver][1:], kept[saver]) for saver in savers]


async def kept_by_turn(meter: Meter, fresh: FreshThread, graph: Graph, messages: int) -> int:
    """By how many bytes a turn makes its thread's keys larger."""
    thread = await seeded(fresh, graph, messages)
    # Redis moves a hash that grew into its new table bit by bit, as it is used: reading all of it ends that.
    await thread.seeding.aget_tuple(thread.config)
    _, before = await meter.keys_of(thread.id)
    await answer(thread, graph)
    _, after = await meter.keys_of(thread.id)
    return after - before


def _turn(saver: str, nodes: int, messages: int, seen: Sequence[Reading], kept: int) -> Turn:
    return Turn(
        saver,
        nodes,
        messages,
        wall=Percentiles.of([reading.wall_s for reading in seen]),
        cpu_ms=median(reading.cpu_s for reading in seen) * 1000,
        sends=median(reading.sends for reading in seen),
        sent=median(reading.sent for reading in seen),
        received=median(reading.received for reading in seen),
        kept=kept,
    )


async def around(meter: Meter, fresh: FreshThread, messages: int, turns: int) -> Around:
    """What a worker does before and after a turn, on one thread that grows a little meanwhile."""
    graph, looks, trims = row_of(3), list[Reading](), list[Reading]()
    thread = await seeded(fresh, graph, messages)
    assert thread.trim is not None
    for _ in range(SETTLES + turns):
        async with meter.reading(looks):
            await graph.copy(update={"checkpointer": thread.running}).aget_state(thread.config)
        await answer(thread, graph)
        async with meter.reading(trims):
            await thread.trim()
    look, trim = (median(one.cpu_s for one in seen[SETTLES:]) * 1000 for seen in (looks, trims))
    return Around(messages, look, trim)


async def crowds(
    meter: Meter, savers: Savers, nodes: int, messages: int, turns: int, rounds: int
) -> list[Crowd]:
    """So many turns a round, AT_ONCE of them under way at any time."""
    seen: dict[str, list[Reading]] = {saver: [] for saver in savers}
    late: dict[str, list[float]] = defaultdict(list)
    graph = row_of(nodes)
    for fresh in savers.values():  # opens as many connections as will be used
        await _all([await seeded(fresh, graph, 1) for _ in range(AT_ONCE)], graph)
    for _ in range(rounds):
        for saver, fresh in savers.items():
            threads = [await seeded(fresh, graph, messages) for _ in range(turns)]
            gc.collect()
            async with meter.reading(seen[saver]), ticking() as lateness:
                await _all(threads, graph)
            late[saver] += lateness
    return [_crowd(saver, messages, turns, seen[saver], late[saver]) for saver in savers]


async def _all(threads: Sequence[Thread], graph: Graph) -> None:
    waiting = list(threads)

    async def hand() -> None:
        while waiting:
            await answer(waiting.pop(), graph)

    async with asyncio.TaskGroup() as hands:
        for _ in range(AT_ONCE):
            hands.create_task(hand())


def _crowd(saver: str, messages: int, turns: int, seen: Sequence[Reading], late: Sequence[float]) -> Crowd:
    rate = median(turns / reading.wall_s for reading in seen)
    cpu_ms = median(reading.cpu_s / turns * 1000 for reading in seen)
    return Crowd(saver, messages, rate, cpu_ms, Percentiles.of([*late]), max(late) * 1000)
