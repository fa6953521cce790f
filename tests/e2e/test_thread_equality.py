"""What a thread gives back, after a round trip, after its writer's death and after a failover, is what
LangGraph's in-memory saver would: in type and content, at every depth.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from services.conversation.graph.saver import Saver
from services.conversation.graph.serde import ThreadSerializer
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from tests.support.open_bus import open_bus
from tests.support.saver_twins import differences
from tests.support.savers import GrantedRights, fresh_thread
from tests.support.thread_faults_child import Writing
from tests.support.thread_faults_samples import VALUES, StoppedError, in_memory, sample_graph, stop
from tests.support.thread_faults_turns import Right, threads_of
from tests.support.thread_types import ALLOWED, BEYOND_STOCK, SAMPLES, values
from tests.support.waiting import eventually

GENERATED = 60
"""States written in front of one failover."""


class Told(Saver):
    """Waits for a replica with each checkpoint, as an execution does with what is said."""

    def telling(self, *_: Any) -> bool:
        return True


async def read_elsewhere(redis: EmbeddedRedis, thread: str) -> dict[str, Any]:
    """The thread's values, over another bus, by a reader that knows nothing of it."""
    async with open_bus(redis) as elsewhere:
        return await read(threads_of(elsewhere.checkpoints).reader(), thread)


def at(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}


async def killed_in_its_second_step(redis: EmbeddedRedis, bus: Bus, folder: Path) -> str:
    """A thread whose writer, a process of its own, was killed; what it had left there was kept by then."""
    thread = fresh_thread()
    async with Writing(redis, folder, "samples", thread, await GrantedRights(bus).lease(thread)) as writing:
        await writing.said("stuck")

        async def kept() -> bool:
            found = await threads_of(bus.checkpoints).reader().aget_tuple(at(thread))
            return found is not None and found.metadata["step"] == 1

        await eventually(kept, within_s=10.0)
        writing.child.kill()
    return thread


async def fail_over(redis: EmbeddedRedis) -> None:
    """Kill the master and wait for another."""
    lost = redis.master
    redis.kill(lost)
    await eventually(lambda: redis.master != lost, within_s=20.0)


def assert_equal(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    differing = {name: differences(found[name], wanted[name]) for name in wanted}
    assert not any(differing.values()), {name: lines for name, lines in differing.items() if lines}


async def test_a_thread_gives_back_what_the_in_memory_saver_does(redis: EmbeddedRedis, bus: Bus) -> None:
    thread = fresh_thread()
    right = Right(await GrantedRights(bus).lease(thread))
    saver = threads_of(bus.checkpoints).writer(right, {}, lambda _: None)
    graph = sample_graph(stop).copy(update={"checkpointer": saver})
    with pytest.raises(StoppedError):
        await graph.ainvoke({"begun": 1}, at(thread))
    wanted = await in_memory()
    assert set(VALUES) < wanted.keys()
    assert_equal(await read_elsewhere(redis, thread), wanted)


async def test_a_thread_whose_writer_was_killed_gives_back_the_same_also_after_a_failover(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    thread = await killed_in_its_second_step(redis, bus, tmp_path)
    wanted = await in_memory()
    assert_equal(await read_elsewhere(redis, thread), wanted)
    await fail_over(redis)
    assert_equal(await read_elsewhere(redis, thread), wanted)
    await redis.restart(next(name for name in redis.names if not redis.child(name).alive))
    await redis.settled()


async def test_states_of_any_shape_survive_a_failover(redis: EmbeddedRedis, bus: Bus) -> None:
    states = [value for name, value in SAMPLES.items() if name not in BEYOND_STOCK]

    @settings(
        max_examples=GENERATED,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(values())
    def generate(state: Any) -> None:
        states.append(state)

    generate()
    ours = Told(bus.checkpoints, GrantedRights(bus), serde=ThreadSerializer(ALLOWED))
    stock = InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=ALLOWED))
    wanted: dict[str, dict[str, Any]] = {}
    for state in states:
        thread = fresh_thread()
        await put(ours, thread, state)
        await put(stock, thread, state)
        wanted[thread] = await read(stock, thread)
    for name in BEYOND_STOCK:
        await put(ours, thread := fresh_thread(), SAMPLES[name])
        wanted[thread] = channels_of(SAMPLES[name])
    await fail_over(redis)
    for thread, channels in wanted.items():
        assert_equal(await read(threads_of(bus.checkpoints).reader(), thread), channels)


def channels_of(state: Any) -> dict[str, Any]:
    """A state, alone and in a list that is large enough for its elements to be shared."""
    return {"state": state, "many": [[state, "x" * 2000], [state]]}


async def put(saver: BaseCheckpointSaver[Any], thread: str, state: Any) -> None:
    """One checkpoint with a state."""
    versions = {name: saver.get_next_version(None, None) for name in ("state", "many")}
    channels = channels_of(state)
    made = {**empty_checkpoint(), "channel_versions": versions, "channel_values": channels}
    metadata: Any = {"source": "loop", "step": 1, "parents": {}}
    await saver.aput(at(thread), made, metadata, versions)  # type: ignore[arg-type]


async def read(saver: BaseCheckpointSaver[Any], thread: str) -> dict[str, Any]:
    found = await saver.aget_tuple(at(thread))
    assert found is not None
    return found.checkpoint["channel_values"]
