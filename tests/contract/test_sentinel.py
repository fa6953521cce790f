"""The way to the master through failovers: what was acknowledged is there, and callers see a pause, not
errors.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.exceptions import RedisError

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.scripts import script
from services.shared.bus.settings import RedisSettings
from services.shared.model.errors import Broken, BusUnavailable
from services.shared.model.ids import Channel
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from tests.support.open_bus import fresh_id, open_bus
from tests.support.talking import kept_ids, talking
from tests.support.waiting import eventually


async def kill_master(redis: EmbeddedRedis, bus: Bus) -> None:
    redis.kill(redis.master)


async def freeze_master(redis: EmbeddedRedis, bus: Bus) -> None:
    redis.freeze(redis.master)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [kill_master, freeze_master])
async def test_losing_the_master_pauses_speakers_and_loses_nothing_that_was_acknowledged(
    own_redis: EmbeddedRedis, harm: Callable[[EmbeddedRedis, Bus], Awaitable[None]]
) -> None:
    lost = own_redis.master
    async with open_bus(own_redis) as bus:
        async with talking(bus) as talk:
            await harm(own_redis, bus)
            await eventually(lambda: own_redis.master != lost, within_s=20)
            after = len(talk.acknowledged)
            await eventually(lambda: len(talk.acknowledged) > after + 40, within_s=20)
        kept = await kept_ids(bus, talk.conversation)
        assert len(kept) == len(set(kept))
        assert set(talk.acknowledged) <= set(kept)
        # At most the WAITs that were under way may fail; nobody sees a connection error.
        assert not [error for error in talk.errors if isinstance(error, BusUnavailable)]
        own_redis.thaw(lost)


async def test_what_cannot_be_sent_is_a_mistake_and_no_outage(shared_redis: EmbeddedRedis) -> None:
    nothing: Any = None
    async with open_bus(shared_redis) as bus:
        with pytest.raises(Broken, match="thread_spaces: this can't be sent"):
            await bus.floor.scripts.run("thread_spaces", [bus.floor.keys.thread("c.a").order], [nothing])
        assert await bus.checkpoints.spaces("c.a") == []


@pytest.mark.slow
async def test_a_planned_failover_leaves_nobody_at_the_old_master(own_redis: EmbeddedRedis) -> None:
    lost = own_redis.master
    async with open_bus(own_redis) as bus:
        async with talking(bus) as talk:
            sentinel = bus._masters._sentinel.sentinels[0]
            await sentinel.execute_command("SENTINEL", "FAILOVER", "continuo")
            await eventually(lambda: own_redis.master != lost, within_s=20)
            after = len(talk.acknowledged)
            await eventually(lambda: len(talk.acknowledged) > after + 40, within_s=20)
            assert await eventually(lambda: bus.floor.metrics.redis_failovers._value.get() >= 1)
        counted = bus.floor.metrics.registry.get_sample_value
        assert counted("continuo_redis_reconnects_total", {"pool": "commands"})
        kept = await kept_ids(bus, talk.conversation)
        assert set(talk.acknowledged) <= set(kept)
        _, port = own_redis.address(own_redis.master)
        pool = bus.floor.commands.connection_pool
        assert {connection.port for connection in pool._available_connections if connection.is_connected} == {
            port
        }


async def test_a_demoted_master_answers_no_read_from_what_it_holds(own_redis: EmbeddedRedis) -> None:
    """A replica has the same journal, and would serve it for ever without a hint that it is behind."""
    async with open_bus(own_redis) as bus:
        conversation = fresh_id()
        await bus.conversations.create(conversation, "ann")
        await bus.confirmer.tick()
        keys = bus.floor.keys.conversation(conversation)
        host, port = own_redis.address(own_redis.replicas[0])
        replica = type(bus.floor.commands)(host=host, port=port)
        try:
            with pytest.raises(RedisError, match="replica"):
                await replica.eval(script("tops").text, 2, keys.head, keys.journal)
        finally:
            await replica.aclose()
        tops = await bus.journal.tops([Channel.of_conversation(conversation)])
        assert tops[Channel.of_conversation(conversation)].top == 1


async def test_without_a_master_a_call_ends_by_its_deadline_with_an_error_of_ours(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_bus(own_redis, redis_deadline_s=0.6) as bus:
        for name in own_redis.names:
            own_redis.kill(name)
        with pytest.raises(BusUnavailable) as refused:
            await bus.confirmer.tick()
        assert refused.value.__cause__ is not None


async def test_where_nobody_listens_the_bus_does_not_open() -> None:
    settings = RedisSettings(redis_sentinels=("127.0.0.1:1",), redis_deadline_s=0.5)
    with pytest.raises(BusUnavailable):
        await Bus.open(settings, process="p", clock=SystemClock(), metrics=Metrics())


async def test_a_dead_sentinel_costs_no_time_to_speak_of(own_redis: EmbeddedRedis) -> None:
    own_redis.freeze("sentinel-1")
    own_redis.kill("sentinel-2")
    async with open_bus(own_redis, redis_deadline_s=3.0) as bus:
        await bus.confirmer.tick()
    own_redis.thaw("sentinel-1")


async def test_callers_that_look_for_the_master_at_once_lose_no_sentinel(own_redis: EmbeddedRedis) -> None:
    """Each puts the one that answered first; what one moves, another has in its hands."""
    async with open_bus(own_redis) as bus:
        manager = bus._masters._sentinel
        before = set(manager.sentinels)
        ports = {own_redis.address(name)[1]: name for name in own_redis.names if name.startswith("sentinel")}
        first = manager.sentinels[0].connection_pool.connection_kwargs["port"]
        own_redis.kill(ports[first])
        looking = [manager.discover_master("continuo") for _ in range(20)]
        assert len(set(await asyncio.gather(*looking))) == 1
        assert len(manager.sentinels) == len(before)
        assert set(manager.sentinels) == before
        assert manager.sentinels[0].connection_pool.connection_kwargs["port"] != first


async def test_more_callers_than_sockets_wait_their_turn(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis, redis_command_connections=2) as bus:
        # Scripts share a socket, so these are plain commands.
        times = await asyncio.gather(*(bus.floor.commands.time() for _ in range(50)))
        assert len(times) == 50
        pool = bus.floor.commands.connection_pool
        assert len(pool._available_connections) == 2


async def test_a_cancelled_call_leaves_no_socket_behind_with_a_foreign_reply(
    shared_redis: EmbeddedRedis,
) -> None:
    async with open_bus(shared_redis, redis_command_connections=2) as bus:
        for steps in range(40):
            call = asyncio.create_task(bus.conversations.role(fresh_id(), "ann"))
            for _ in range(steps % 8):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert len(await bus.confirmer.tick()) == 40


async def test_scripts_forgotten_by_the_server_are_loaded_again(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis) as bus:
        confirmed = await bus.confirmer.tick()
        await bus.floor.commands.script_flush()
        assert await bus.confirmer.tick() == confirmed
        await bus.floor.commands.script_flush()
        assert await bus.conversations.role(fresh_id(), "ann") is None
