"""A conversation is deleted, by RPC and as the official client sees it on every server."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from centrifuge import ReplyError

from services.shared.wire.codes import PERMISSION_DENIED, REFUSED
from tests.support.official_client import Official
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

Arrive = Callable[..., Awaitable[Official]]


def somebody(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


async def refused(call: Awaitable[object]) -> int:
    with pytest.raises(ReplyError) as error:
        await call
    return int(error.value.code)


async def heard(device: Official, kind: str) -> list[dict[str, Any]]:
    """What came over `#user`, of one type."""
    return [each.pub.data for each in device.noted.publications if each.pub.data["type"] == kind]


async def test_a_deleted_conversation_ends_for_every_device_and_is_gone(arrive: Arrive, house: WholeHouse):
    ann, bob = somebody("ann"), somebody("bob")
    here, there = await arrive(ann), await arrive(bob, server=1)
    conversation = await here.create(bob)
    followers = [(await device.follow(conversation))[1] for device in (here, there)]
    await here.send(conversation, "count to 500")
    await eventually(lambda: followers[1].events("message.delta"), within_s=20)

    assert await refused(there.rpc("conversation.delete", conversation=conversation)) == REFUSED.code
    deleted = await here.rpc("conversation.delete", conversation=conversation)
    for followed in followers:
        await eventually(lambda followed=followed: followed.unsubscribed == [2000], within_s=10)
        last = followed.publications[-1]
        assert (last.data["type"], last.data["by"]) == ("conversation.deleted", ann)
        assert last.offset == deleted["position"]["offset"]
        assert len(followed.events("conversation.deleted")) == 1
    await eventually(lambda: heard(there, "conversation.deleted"), within_s=10)

    again = await here.rpc("conversation.delete", conversation=conversation)
    assert again["position"] == deleted["position"]
    for device in (here, there):
        assert (await device.rpc("conversation.list"))["conversations"] == []
        assert await refused(device.send(conversation, "still there?")) == PERMISSION_DENIED.code
        history = device.rpc("conversation.history", conversation=conversation)
        assert await refused(history) == PERMISSION_DENIED.code
    assert await refused(here.rpc("conversation.create", id=conversation)) == REFUSED.code

    async with open_bus(house.redis) as bus:
        at = bus.floor.keys.conversation(conversation)

        async def left() -> list[str]:
            keys = [key.decode() async for key in bus.floor.commands.scan_iter(f"*{conversation}*")]
            return sorted(key for key in keys if ":u:" not in key)

        async def cleared_away() -> bool:
            return await left() == [at.deleted]

        await eventually(cleared_away, within_s=20)


async def test_a_device_that_was_away_finds_it_gone(arrive: Arrive):
    ann, bob = somebody("ann"), somebody("bob")
    here, away = await arrive(ann), await arrive(bob, server=1)
    conversation = await here.create(bob)
    _, followed = await away.follow(conversation)
    await away.client.disconnect()
    await here.rpc("conversation.delete", conversation=conversation)
    await away.connect()
    await eventually(lambda: followed.unsubscribed == [PERMISSION_DENIED.code], within_s=15)
    assert followed.events("conversation.deleted") == []
    await eventually(lambda: heard(away, "conversation.deleted"), within_s=10)


async def test_who_is_told_of_it_goes_on_hearing_what_is_theirs(arrive: Arrive):
    """The end of a conversation is told over `#user`, too, and is not the end of that."""
    ann, bob = somebody("ann"), somebody("bob")
    here, there = await arrive(ann), await arrive(bob)
    conversation = await here.create(bob)
    await here.rpc("conversation.delete", conversation=conversation)
    await eventually(lambda: heard(there, "conversation.deleted"), within_s=10)
    before = len(await heard(there, "member.joined"))
    await here.create(bob)

    async def invited() -> bool:
        return len(await heard(there, "member.joined")) == before + 1

    await eventually(invited, within_s=10)
