"""Replicas of the presence service share the work by leases: one dies, one freezes, and others carry on."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from services.local.embedded import EmbeddedRedis
from services.presence.settings import PresenceSettings
from services.presence.shards import OwnShards
from services.shared.bus import keys
from services.shared.bus.shards import Shards
from services.shared.model.ids import NodeId
from services.shared.runtime.metrics import Metrics
from tests.contract.test_roster import Ear, a_connection, a_node
from tests.support.bus_house import ANN, House, fresh, open_house
from tests.support.waiting import eventually

CONVERSATIONS = 10
PARTITIONS = 64


@pytest.fixture
async def house(own_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(own_redis.sentinels) as opened:
        yield opened


def own(house: House, name: str) -> OwnShards:
    settings = PresenceSettings(redis=house.floor.settings)
    return OwnShards(Shards(house.floor), name, settings, Metrics())


async def test_replicas_share_all_partitions_and_one_that_ends_leaves_its_part_at_once(house: House) -> None:
    first, second = own(house, "first"), own(house, "second")
    assert await first.look() == set(range(PARTITIONS))
    assert await second.look() == set()
    await first.look()
    halves = await second.look(), await first.look()
    assert halves[0] | halves[1] == set(range(PARTITIONS))
    assert len(halves[0]) == len(halves[1]) == PARTITIONS // 2
    await first.end()
    assert await second.look() == set(range(PARTITIONS))


async def test_the_lease_of_a_silent_replica_runs_out(house: House) -> None:
    silent, other = own(house, "silent"), own(house, "other")
    await silent.look()
    assert await other.look() == set()

    async def took_over() -> bool:
        return await other.look() == set(range(PARTITIONS))

    await eventually(took_over, within_s=30)
    assert await silent.look() == set()


@asynccontextmanager
async def replica(redis: EmbeddedRedis) -> AsyncIterator[asyncio.subprocess.Process]:
    """The presence service as a process of its own."""
    told = {
        "CONTINUO_REDIS_SENTINELS": redis.sentinels,
        "CONTINUO_HOST": "127.0.0.1",
        "CONTINUO_PORT": "0",
        "CONTINUO_GRACE_S": "1",
        "CONTINUO_PRESENCE_SWEEP_S": "0.5",
        "CONTINUO_PRESENCE_DEAD_AFTER_S": "3",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.presence", env=os.environ | told, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


async def owners(house: House) -> Counter[str]:
    """How many shards each replica holds."""
    held = await house.floor.commands.mget([keys.shard(number) for number in range(8)])
    return Counter(each.decode() for each in held if each)


@pytest.mark.slow
async def test_leaves_are_told_once_though_one_replica_is_killed_and_one_freezes(
    house: House, own_redis: EmbeddedRedis
) -> None:
    node, talks = a_node(), [await house.conversation() for _ in range(CONVERSATIONS)]
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(replica(own_redis)) for _ in range(3)]

        async def shared() -> bool:
            held = await owners(house)
            return len(held) == 3 and sum(held.values()) == 8

        await eventually(shared, within_s=60)
        ears = [await stack.enter_async_context(Ear(house, talk)) for talk in talks]
        for talk in talks:
            await house.roster.enter(talk, a_connection(), ANN, None, node)
        dying, frozen = await _by_pid(house, replicas)
        dying.kill()
        frozen.send_signal(signal.SIGSTOP)

        async def all_left() -> bool:
            return all([("l", ANN) in await ear.all() for ear in ears])

        await eventually(all_left, within_s=90)
        frozen.send_signal(signal.SIGCONT)

        async def shared_again() -> bool:
            held = await owners(house)
            return len(held) == 2 and sum(held.values()) == 8

        await eventually(shared_again, within_s=60)
        await _beats(house, NodeId("another"), 3)
        heard = [await ear.all() for ear in ears]
    assert heard == [[("j", ANN), ("l", ANN)]] * CONVERSATIONS


async def _by_pid(
    house: House, replicas: list[asyncio.subprocess.Process]
) -> tuple[asyncio.subprocess.Process, asyncio.subprocess.Process]:
    """Two replicas, each of which holds shards."""
    held = {int(name.rpartition("-")[2]) for name in await owners(house)}
    first, second, _ = [each for each in replicas if each.pid in held]
    return first, second


async def _beats(house: House, node: NodeId, sweeps: int) -> None:
    """Wait until the replicas swept so often: each renews its leases then."""
    seen = set[float]()

    async def swept() -> bool:
        beats = await house.floor.commands.zrange(keys.PORTERS, 0, -1, withscores=True)
        seen.update(float(at) for _, at in beats)
        return len(seen) >= 2 * sweeps

    await house.roster.beat(node, {"of": int(fresh()[:4], 16)})
    await eventually(swept, within_s=60)
