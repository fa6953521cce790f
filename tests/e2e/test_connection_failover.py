"""Redis fails over beneath a connection process: nobody is cut off, nothing lost, repeated or made up."""

import asyncio
from pathlib import Path

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import Temporary
from services.shared.model.events import ConversationUpdated
from services.shared.model.ids import ConversationId, MessageId, UserId
from tests.support.door import Door
from tests.support.official_client import Followed, Official
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually


@pytest.mark.parametrize("fault", ["kill", "freeze"])
async def test_a_failover_moves_the_channels_and_disconnects_nobody(tmp_path: Path, fault: str) -> None:
    """Conversations are subscribed again (2500) and recover; the user's own channel goes on by a push."""
    async with (
        EmbeddedRedis(tmp_path / "redis") as redis,
        Door(redis, tmp_path / "door") as door,
        open_bus(redis) as bus,
    ):
        device = await Official(door.address, lambda: door.token("ann")).connect()
        conversation = await device.create()
        _, followed = await device.follow(conversation)
        said = [await _say(bus, conversation, f"before {number}") for number in range(3)]
        await _tell(bus, "before")
        lost = redis.master
        (redis.kill if fault == "kill" else redis.freeze)(lost)
        said += [await _say(bus, conversation, f"through {number}") for number in range(3)]
        await _tell(bus, "after")
        assert redis.master != lost
        said += [await _say(bus, conversation, f"after {number}") for number in range(3)]
        await eventually(lambda: followed.said() == said, within_s=20)
        await eventually(lambda: _told(device) == ["before", "after"], within_s=20)
        assert followed.offsets() == sorted(set(followed.offsets()))
        assert [each.recovered for each in followed.subscribed[1:]] == [True]
        assert (device.noted.connecting, device.noted.disconnected) == ([0], []), door.log()
        _all_in_one_epoch_after(followed)
        await device.client.disconnect()


async def _say(bus: Bus, conversation: str, text: str) -> str:
    """Send until it is accepted, as clients do: the message id makes repeats harmless."""
    message = MessageId(fresh_id())
    async with asyncio.timeout(40):
        while True:
            try:
                await bus.messages.accept(ConversationId(conversation), UserId("ann"), message, text)
            except Temporary:
                continue
            return text


async def _tell(bus: Bus, title: str) -> None:
    """An event in the user's own channel."""
    event = ConversationUpdated(conversation="c", title=title)
    async with asyncio.timeout(40):
        while True:
            try:
                await bus.journal.append_user(UserId("ann"), event, once=title)
            except Temporary:
                continue
            return


def _told(device: Official) -> list[str]:
    data = [publication.pub.data for publication in device.noted.publications]
    return [each["title"] for each in data if each["type"] == "conversation.updated"]


def _all_in_one_epoch_after(followed: Followed) -> None:
    epochs = [each.stream_position.epoch for each in followed.subscribed if each.stream_position]
    assert len(set(epochs)) == len(epochs) == 2
