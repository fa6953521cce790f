"""A connection process that missed control entries finds out by itself who is no member any more."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.keys import CONTROL
from tests.support.door import Door
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    async with EmbeddedRedis(tmp_path / "redis") as servers:
        yield servers


async def test_who_was_removed_in_a_gap_of_control_is_unsubscribed_and_the_others_stay(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with open_bus(redis) as bus, Door(redis, tmp_path / "door") as door:
        conversation, other = fresh_id(), fresh_id()
        for each in (conversation, other):
            await bus.conversations.create(each, "ann", members=["bob"])
        ann, bob = await door.arrive("ann"), await door.arrive("bob")
        for device in (ann, bob):
            for each in (conversation, other):
                assert "subscribe" in await device.ask(subscribe={"channel": f"conversation:{each}"})
        await bus.floor.commands.hdel(bus.floor.keys.conversation(conversation).members, "bob")
        await behind(bus.floor.commands)
        while not (told := [push for push in bob.pushes if "unsubscribe" in push]):
            await bob.line()
        assert [each["channel"] for each in told] == [f"conversation:{conversation}"]
        assert told[0]["unsubscribe"]["code"] == 2000
        assert await eventually(lambda: door.metric('continuo_control_entries_total{kind="gap"} 1.0'))
        answer = await ann.ask(presence_stats={"channel": f"conversation:{conversation}"})
        assert answer["presence_stats"]["num_users"] >= 1
        assert not [push for push in ann.pushes if "unsubscribe" in push]


async def behind(commands: Any) -> None:
    """Let an entry come and go before any follower can read it."""
    async with commands.pipeline(transaction=True) as pipe:
        pipe.xadd(CONTROL, {"kind": "member.removed", "conversation": fresh_id(), "user": "bob"})
        pipe.xtrim(CONTROL, maxlen=0, approximate=False)
        pipe.xadd(CONTROL, {"kind": "turn.cancel", "conversation": fresh_id()})
        await pipe.execute()
