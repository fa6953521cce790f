"""Too many turns wait: messages are refused before anything is stored, and taken once there is room."""

import asyncio
from pathlib import Path

from services.local.embedded import EmbeddedRedis
from services.shared.model.ids import ConversationId
from tests.support.bus_house import open_house
from tests.support.door import Door
from tests.support.official_client import Official
from tests.support.shown_client import shown
from tests.support.waiting import eventually

MOST = 6


async def test_the_whole_queue_is_bounded_and_a_refused_client_gets_through_later(tmp_path: Path) -> None:
    async with (
        EmbeddedRedis(tmp_path / "redis") as redis,
        Door(redis, tmp_path / "door", CONTINUO_QUEUE_LENGTH=str(MOST)) as door,
        open_house(redis.sentinels) as house,
    ):
        device = await Official(door.address, lambda: door.token("ann")).connect()
        talks = [await device.create() for _ in range(3)]
        outbox = shown().Outbox(device.client)
        for number in range(MOST + 4):
            outbox.say(talks[number % 3], f"said {number}")
        delivery = asyncio.create_task(outbox.deliver())
        await eventually(lambda: len(outbox.sent) == MOST)
        refused = 'continuo_sends_refused_total{where="all"}'
        await eventually(lambda: door.metric(f"{refused} 3.0"), within_s=10)

        async def kept() -> int:
            pages = [await house.messages.history(each, "ann") for each in talks]
            return sum(len(page.messages) for page in pages)

        assert (len(outbox.sent), await kept()) == (MOST, MOST)
        for each in talks:
            lease = await house.claim(ConversationId(each))
            for _ in range(MOST // 3):
                await house.answer(lease)
            await house.leases.release(lease)
        async with asyncio.timeout(30):
            await delivery
        assert len({reply["message"] for _, reply in outbox.sent}) == MOST + 4
        assert outbox.refused == []
        await device.leave()


async def test_one_conversation_s_queue_is_bounded_without_harm_to_others(tmp_path: Path) -> None:
    async with (
        EmbeddedRedis(tmp_path / "redis") as redis,
        Door(redis, tmp_path / "door", CONTINUO_FIFO_LENGTH="2") as door,
    ):
        device = await Official(door.address, lambda: door.token("ann")).connect()
        full, other = await device.create(), await device.create()
        outbox = shown().Outbox(device.client)
        for number in range(3):
            outbox.say(full, f"said {number}")
        delivery = asyncio.create_task(outbox.deliver())
        refused = 'continuo_sends_refused_total{where="conversation"}'
        await eventually(lambda: door.metric(f"{refused} 1.0"), within_s=10)
        assert not (await device.send(other, "hi"))["repeated"]
        delivery.cancel()
        await asyncio.gather(delivery, return_exceptions=True)
        await device.leave()
