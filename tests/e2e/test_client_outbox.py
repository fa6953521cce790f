"""The outbox that docs/clients.md shows, as it stands there: what is sent again is said once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from tests.support.door import Door
from tests.support.mute_road import MuteRoad
from tests.support.official_client import Official
from tests.support.open_bus import open_bus
from tests.support.shown_client import shown
from tests.support.waiting import eventually


@pytest.mark.parametrize("failover", [False, True], ids=["cut", "cut and failover"])
async def test_a_message_whose_reply_was_lost_is_said_once_when_sent_again_elsewhere(
    tmp_path: Path, failover: bool
) -> None:
    async with (
        EmbeddedRedis(tmp_path / "redis") as redis,
        Door(redis, tmp_path / "door") as door,
        Door(redis, tmp_path / "other") as other,
        MuteRoad(door.port) as road,
        open_bus(redis) as bus,
    ):
        address = door.address.replace(str(door.port), str(road.port))
        device = await Official(address, lambda: door.token("ann"), max_reconnect_delay=1).connect()
        conversation = await device.create()
        outbox = shown().Outbox(device.client)
        message = outbox.say(conversation, "was it said?")
        road.mute = True
        delivery = asyncio.create_task(outbox.deliver())

        async def texts() -> list[str]:
            return [each.text for each in (await bus.messages.history(conversation, "ann")).messages]

        await eventually(texts)
        assert outbox.sent == []
        device.client._address = other.address
        if failover:
            redis.kill(redis.master)
        road.cut()
        async with asyncio.timeout(60):
            await delivery
        [(sent, reply)] = outbox.sent
        assert (sent, reply["message"], reply["repeated"]) == (message, message["id"], True)
        assert await eventually(texts) == ["was it said?"]
        await device.leave()


async def test_what_the_server_will_never_take_leaves_the_outbox_and_lets_the_rest_through(
    tmp_path: Path, redis: EmbeddedRedis
) -> None:
    async with Door(redis, tmp_path / "door") as door:
        device = await Official(door.address, lambda: door.token("ann")).connect()
        conversation = await device.create()
        outbox = shown().Outbox(device.client)
        first = outbox.say(conversation, "first")
        other: dict[str, Any] = {**first, "text": "another"}
        old = {**first, "id": "01234567" + first["id"][8:]}
        outbox.unsent += [first, other, old]
        outbox.say(conversation, "last")
        await outbox.deliver()
        assert [reply["repeated"] for _, reply in outbox.sent] == [False, True, False]
        assert [error.code for _, error in outbox.refused] == [409, 410]
        assert " s behind the server's clock" in outbox.refused[1][1].message
        await device.leave()
