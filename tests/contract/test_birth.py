"""Redis lost everything: every process notices, once, and a Redis that only failed over or did not answer is
not taken for an empty one.
"""

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.keys import BIRTH
from services.shared.model.errors import NotReplicated, Temporary
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually


async def looked(*buses: Bus) -> list[int]:
    """Have each look; how often each found it empty so far."""
    for bus in buses:
        await bus.birth.look()
    return [bus.birth.emptied for bus in buses]


async def test_every_process_notices_once_also_the_one_that_finds_it_first(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis) as one, open_bus(own_redis) as other:
        told: list[str] = []
        one.birth.on_emptied(lambda: told.append("one"))
        other.birth.on_emptied(lambda: told.append("other"))
        assert await looked(one, other, one, other) == [0, 0, 0, 0]
        for times in (1, 2):
            await one.floor.commands.flushall()
            assert await looked(one, other, one, other) == [times] * 4
        assert told == ["one", "other"] * 2
        assert one.birth.finding().facts["emptied"] == 2
        assert not one.birth.finding().ok
        assert one.floor.metrics.redis_emptied._value.get() == 2


async def test_a_failover_is_no_loss_and_neither_is_silence(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis, redis_deadline_s=1.0) as bus:
        assert await looked(bus) == [0]
        await bus.confirmer.tick()
        own_redis.kill(own_redis.master)
        with pytest.raises(Temporary):
            await bus.birth.look()
        assert await eventually(lambda: _answered(bus), within_s=25)
        assert await looked(bus) == [0]
        assert bus.birth.finding().ok
        assert await bus.floor.commands.exists(BIRTH)


async def _answered(bus: Bus) -> bool:
    try:
        await bus.birth.look()
    except Temporary:
        return False
    return True


async def test_a_birth_no_replica_holds_is_not_taken_for_known(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis, redis_wait_ms=50) as bus:
        await bus.floor.commands.delete(BIRTH)
        for name in own_redis.replicas:
            own_redis.freeze(name)
        with pytest.raises(NotReplicated):
            await bus.birth.look()
        await bus.floor.commands.delete(BIRTH)  # what a failover does that the write did not reach
        for name in own_redis.replicas:
            own_redis.thaw(name)
        assert await eventually(lambda: _answered(bus), within_s=20)
        assert await looked(bus) == [0]
