"""The master is lost in the middle of a turn: its thread ends as if it had not been."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import TurnId
from tests.support.saver_twins import on
from tests.support.thread_faults import digest
from tests.support.thread_faults_graphs import Hurt, Kind, three_nodes, with_changes_alone
from tests.support.thread_faults_turns import assert_state, in_memory
from tests.support.waiting import eventually
from tests.support.workers import ASSISTANT, Talk, WorkerProcess, worker_in_process

LEASE_S = 15.0
"""Longer than a failover: the same attempt goes on."""


class Steps:
    """Holds each node of a graph before its end, until it is let go."""

    def __init__(self) -> None:
        self._reached = asyncio.Semaphore(0)
        self._go = asyncio.Semaphore(0)
        self._free = False

    async def quiet(self) -> None:
        self._reached.release()
        if not self._free:
            await self._go.acquire()

    async def next(self) -> None:
        """Wait until a node is there."""
        async with asyncio.timeout(20.0):
            await self._reached.acquire()

    def go(self) -> None:
        """Let it end."""
        self._go.release()

    def free(self) -> None:
        """Let it end, and all that come."""
        self._free = True
        self.go()


async def kept_steps(talk: Talk) -> int:
    """How many steps the thread's latest checkpoint is behind the input."""
    found = await talk.threads.reader().aget_tuple(on(f"{talk.id}.{ASSISTANT}"))
    return int(found.metadata["step"]) if found else -1


async def reaches(talk: Talk, step: int) -> None:
    async def there() -> bool:
        return await kept_steps(talk) == step

    await eventually(there, within_s=30.0)


async def ended_well(talk: Talk, turn: TurnId, hurt: Hurt, kind: Kind) -> None:
    """The turn is told once, as its thread has it, and that is what the in-memory saver would have."""
    assert (await talk.finished(turn, within_s=40.0))["outcome"] == "completed"
    finals = await talk.events("message.completed", turn)
    graph = hurt.graph.copy(update={"checkpointer": talk.threads.reader()})
    state = await graph.aget_state(on(f"{talk.id}.{ASSISTANT}"))
    assert not state.next
    question, *answers = state.values["messages"]
    assert [answer.text for answer in answers] == [final["text"] for final in finals]
    assert [question.id] == (await talk.events("turn.started", turn))[0]["messages"]
    asked = {"messages": [question]}
    assert_state(dict(state.values), await in_memory(kind(), asked), "after the failover")


async def test_a_worker_that_wakes_up_after_its_takeover_leaves_the_thread_as_it_is(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    async with WorkerProcess(redis, tmp_path, CONTINUO_TOKEN_MS="20") as first:
        turn = await talk.say("count to 100")
        await talk.streaming(turn)
        first.child.freeze()  # before the other starts: on a busy machine that takes longer than this answer
        async with WorkerProcess(redis, tmp_path):
            assert (await talk.finished(turn))["outcome"] == "completed"
            before = await digest(bus, f"{talk.id}.{ASSISTANT}")
            first.child.thaw()
            await eventually(lambda: "lease lost" in first.log.read_text(), within_s=30.0)
            assert await digest(bus, f"{talk.id}.{ASSISTANT}") == before


async def test_a_turn_of_three_nodes_goes_on_through_the_loss_of_the_master(
    redis: EmbeddedRedis, bus: Bus
) -> None:
    steps = Steps()
    hurt = three_nodes().slow(steps)
    async with worker_in_process(redis, hurt.graph, speaking=None, lease_s=LEASE_S):
        talk = await Talk.new(bus)
        turn = await talk.say("what is there?")
        await steps.next()
        steps.go()
        await steps.next()
        lost = redis.master
        redis.kill(lost)
        steps.go()  # what the second node wrote finds no master
        await steps.next()
        steps.go()
        await ended_well(talk, turn, hurt, three_nodes)
        assert hurt.ran == ["early", "answer", "late"]
        assert len(await talk.events("turn.started", turn)) == 1
    await eventually(lambda: redis.master != lost, within_s=20.0)
    await mend(redis, lost)


async def cut_off(redis: EmbeddedRedis) -> tuple[str, ...]:
    """Freeze the replicas and drop them from the master, which goes on alone: what comes is not theirs."""
    host, port = redis.address(redis.master)
    replicas = redis.replicas
    for name in replicas:
        redis.freeze(name)
    async with Redis(host=host, port=port) as master:
        await master.config_set("min-replicas-to-write", 0)
        await master.client_kill_filter(_type="replica")
    return replicas


@pytest.mark.parametrize(("kind", "executions"), [(three_nodes, 1), (with_changes_alone, 2)])
async def test_checkpoints_that_a_failover_takes_back_are_made_good(
    redis: EmbeddedRedis, bus: Bus, kind: Kind, executions: int
) -> None:
    """By the next checkpoint; or, where that does not bring all values, by a second execution."""
    steps = Steps()
    hurt = kind().slow(steps)
    async with worker_in_process(redis, hurt.graph, speaking=None, lease_s=LEASE_S):
        talk = await Talk.new(bus)
        turn = await talk.say("what is there?")
        await steps.next()
        await reaches(talk, 0)
        await Talk.new(bus)  # waited for, and so is what was written before
        replicas = await cut_off(redis)
        steps.go()  # the first node says nothing: nobody waits for a replica
        await steps.next()
        await reaches(talk, 1)
        before = await checkpoints(talk)
        lost = redis.master
        redis.kill(lost)
        for name in replicas:
            redis.thaw(name)
        await eventually(lambda: redis.master != lost, within_s=20.0)
        after = await checkpoints(talk)
        assert after == before[1:], "the failover took nothing back"
        steps.free()
        await ended_well(talk, turn, hurt, kind)
        assert hurt.ran.count("early") == executions
        assert len(await talk.events("turn.started", turn)) == executions
        reader = talk.threads.reader()
        for checkpoint in after:
            assert await reader.aget_tuple(on(f"{talk.id}.{ASSISTANT}", checkpoint, "")) is not None
    await mend(redis, lost)


async def checkpoints(talk: Talk) -> list[str]:
    """The thread's, newest first."""
    page = await talk.bus.checkpoints.page(f"{talk.id}.{ASSISTANT}", "", before="", count=9)
    return [each.place.id for each in page]


async def mend(redis: EmbeddedRedis, lost: str) -> None:
    await redis.restart(lost)
    await redis.settled()
