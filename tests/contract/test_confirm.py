"""The replication tick on a real Redis: it says yes only when a replica has it."""

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.model.errors import NotReplicated
from tests.support.open_bus import open_bus


async def test_a_tick_names_the_replication_it_was_confirmed_under(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis) as bus:
        first, second = await bus.confirmer.tick(), await bus.confirmer.tick()
        info = await bus.floor.commands.info("replication")
        assert first == second == info["master_replid"]


async def test_a_tick_no_replica_takes_is_no_confirmation_but_with_acks_master(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_bus(own_redis, redis_wait_ms=100) as bus, open_bus(own_redis, acks="master") as hasty:
        confirmed = await bus.confirmer.tick()
        for replica in own_redis.replicas:
            own_redis.freeze(replica)
        with pytest.raises(NotReplicated):
            await bus.confirmer.tick()
        assert await hasty.confirmer.tick() == confirmed
        own_redis.thaw(own_redis.replicas[0])
        assert await bus.confirmer.tick() == confirmed
