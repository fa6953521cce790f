"""Presence after another Redis took over: writes of seats are not waited for, the last ones may be lost."""

import asyncio

from services.connection.attendance import Attendance
from services.local.embedded import EmbeddedRedis
from services.shared.bus import keys
from services.shared.model.ids import ConnectionId, ConversationId, NodeId, UserId
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually


async def test_seats_lost_with_a_master_are_entered_again_and_lost_leaves_are_made_up_for(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_bus(own_redis) as bus:
        node, conversation = NodeId("node"), ConversationId(fresh_id())
        staying, gone = ConnectionId(fresh_id()), ConnectionId(fresh_id())
        await bus.conversations.create(conversation, "ann", members=["bob"])
        attendance = Attendance(bus.roster, node, 60_000, dict)
        bus.on_moved(attendance.moved)
        running = [asyncio.create_task(each) for each in (attendance.run(), attendance.beat())]
        attendance.enter(conversation, staying, UserId("ann"), b"")
        await attendance.settled()
        await eventually(lambda: bus.roster.beats())
        # what the next master knows: a seat that was left since, and not the one that was taken
        at = bus.floor.keys.conversation(conversation)
        await bus.floor.commands.delete(at.roster, at.seated, at.present, keys.seats(node))
        await bus.roster.enter(conversation, gone, UserId("bob"), None, node)
        await bus.confirmer.tick()
        own_redis.kill(own_redis.master)

        async def as_it_is() -> bool:
            return set(await bus.roster.of(conversation)) == {staying}

        await eventually(as_it_is, within_s=25)
        assert await bus.roster.held(node) == {(conversation, staying): "ann"}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
