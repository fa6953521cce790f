"""What a script's failure means: a server in a bad state is tried again, a fault of ours is not."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import Broken, BusUnavailable, Temporary
from tests.support.open_bus import fresh_id, fresh_user, open_bus
from tests.support.waiting import eventually


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as opened:
        yield opened


async def test_data_a_script_cannot_read_is_a_fault_that_no_repeat_mends(bus: Bus) -> None:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann")
    await bus.floor.commands.set(bus.floor.keys.conversation(conversation).message("m"), "no hash")
    keys = bus.floor.keys.conversation(conversation)
    await bus.floor.commands.zadd(keys.order, {"m": 1})
    with pytest.raises(Broken, match="WRONGTYPE") as fault:
        await bus.messages.history(conversation, "ann")
    assert not isinstance(fault.value, Temporary)


async def test_a_server_that_may_not_write_just_now_is_tried_again(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis) as bus:
        await bus.floor.commands.config_set("min-replicas-to-write", 5)
        with pytest.raises(BusUnavailable, match="NOREPLICAS"):
            await bus.conversations.create(fresh_id(), "ann")
        await bus.floor.commands.config_set("min-replicas-to-write", 0)
        await bus.floor.commands.config_set("maxmemory", 1)
        with pytest.raises(BusUnavailable, match="memory"):
            await bus.conversations.create(fresh_id(), "ann")


async def test_an_outbox_entry_that_cannot_be_applied_stops_no_other(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis) as bus:
        spoilt, well = fresh_user("spoilt"), fresh_user("well")
        await bus.floor.commands.set(bus.floor.keys.user(spoilt).conversations, "no hash")
        await bus.conversations.create(fresh_id(), "ann", members=[spoilt, well])
        relay = asyncio.create_task(bus.outbox.relay("relay"))
        await eventually(lambda: bus.conversations.list_of(well))
        streams = [each.outbox for each in bus.floor.keys.shared()]

        async def left() -> bool:
            return sum([await bus.floor.commands.xlen(each) for each in streams]) == 1

        await eventually(left)
        assert not relay.done()
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)
