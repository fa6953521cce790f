"""Workers share what is ready: nobody takes more than there are hands for, nobody is taken up twice."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from langchain_core.messages import AIMessage

from services.conversation.graph.state import ThreadState
from services.conversation.intake import SWEEP_S
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.ready import STALE_MS
from services.shared.model.ids import AttemptId, NodeId
from services.shared.model.turn import Ready
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from tests.support.bus_house import House, fresh, open_house
from tests.support.open_bus import open_bus
from tests.support.sweeping import sweep_of
from tests.support.waiting import eventually
from tests.support.workers import Talk, graph_of, worker_in_process


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


async def asked(house: House, count: int) -> set[str]:
    """Conversations in as many partitions that all have a turn waiting."""
    found: dict[int, str] = {}
    while len(found) < count:
        conversation = fresh()
        found.setdefault(house.floor.keys.conversation(conversation).partition, conversation)
    for conversation in found.values():
        await house.conversations.create(conversation, "ann")  # type: ignore[arg-type]
        await house.ask(conversation)  # type: ignore[arg-type]
    return set(found.values())


async def test_a_worker_is_given_no_more_than_it_has_hands_and_another_gets_the_rest_at_once(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_house(own_redis.sentinels) as house:
        one, two = NodeId(fresh()), NodeId(fresh())
        await house.turns.ready(one, block_ms=1, count=1)  # makes the group
        waiting = await asked(house, 12)
        first = await house.turns.ready(one, block_ms=100, count=3)
        assert len(first) == 3
        second = await house.turns.ready(two, block_ms=100, count=12)
        assert {each.conversation for each in [*first, *second]} == waiting


async def test_what_a_reader_has_no_hands_for_is_the_next_sweeps(own_redis: EmbeddedRedis) -> None:
    async with open_house(own_redis.sentinels) as house:
        one, two = NodeId(fresh()), NodeId(fresh())
        await house.turns.ready(one, block_ms=1, count=1)
        waiting = await asked(house, 6)
        streams = house.turns._streams
        taken = await streams._read(one, list(streams._number), 1)
        kept = await streams._within(one, taken, 2)
        assert len(kept) == 2
        assert [each.entry for each in await house.turns.orphans(two, count=1)] != []
        rest = [*kept, *await house.turns.orphans(two, count=99)]
        assert {each.conversation for each in rest} <= waiting
        assert len(rest) == 5


async def test_a_burst_is_shared_among_idle_workers_without_a_pause(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    """Each worker has two hands; four conversations become ready at once and all run side by side."""
    together = asyncio.Barrier(4)

    async def answer(_: ThreadState) -> ThreadState:
        await together.wait()
        return {"messages": [AIMessage("Met.")]}

    graph = graph_of(answer=answer)
    assert SWEEP_S * 1000 < STALE_MS
    async with (
        worker_in_process(workers_redis, graph, conversations=2, lease_s=60.0),
        worker_in_process(workers_redis, graph, conversations=2, lease_s=60.0),
    ):
        talks = [await Talk.new(bus) for _ in range(4)]
        turns = await asyncio.gather(*(talk.say("hello") for talk in talks))
        for talk, turn in zip(talks, turns, strict=True):
            assert (await talk.finished(turn, within_s=STALE_MS / 1000))["outcome"] == "completed"


async def test_a_conversation_found_on_two_roads_at_once_is_taken_up_once(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    """The sweep and the ready streams both bring it while no hand is free."""
    held = asyncio.Event()

    async def answer(_: ThreadState) -> ThreadState:
        await held.wait()
        return {"messages": [AIMessage("Here.")]}

    async with worker_in_process(workers_redis, graph_of(answer=answer), conversations=2) as worker:
        busy, other = [await Talk.new(bus) for _ in range(2)], await Talk.new(bus)
        turns = [await talk.say("hello") for talk in busy]
        for talk, turn in zip(busy, turns, strict=True):
            await eventually(partial(talk.events, "turn.started", turn))
        ready = Ready(bus.floor.keys.conversation(other.id).partition, other.id)
        later = await other.say("hello")
        worker._take_up([ready])
        worker._take_up([ready], takeover=True)
        held.set()
        for talk, turn in zip([*busy, other], [*turns, later], strict=True):
            assert (await talk.finished(turn))["outcome"] == "completed"
        await eventually(lambda: not worker._held)
        assert worker._tools.tasks.crash is None
        assert worker._free._value == 2


async def test_the_age_of_the_oldest_waiting_turn_is_seen_also_when_no_worker_lives(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_house(own_redis.sentinels) as house:
        metrics = Metrics()
        sweep = sweep_of(house, SystemClock(), metrics)

        async def age() -> float:
            await sweep.once()
            return float(metrics.turn_queue_oldest_seconds._value.get())

        assert await age() == 0.0
        await asked(house, 3)
        first = await age()
        assert await eventually(age) > 0.0
        assert await age() > first
        worker = NodeId(fresh())
        await house.turns.ready(worker, block_ms=1, count=9)  # makes the group
        for ready in await house.turns.ready(worker, block_ms=100, count=9):
            attempt = AttemptId(fresh())
            await house.leases.claim(ready, worker=worker, attempt=attempt, lease_ms=60_000)
        assert await age() == 0.0
