"""What one reply holds is bounded: who missed more is told to read the history."""

from pathlib import Path

from services.local.embedded import EmbeddedRedis
from tests.support.door import Door
from tests.support.open_bus import fresh_id, open_bus


async def test_who_missed_more_than_a_reply_holds_is_not_recovered(tmp_path: Path) -> None:
    async with (
        EmbeddedRedis(tmp_path / "redis") as redis,
        open_bus(redis) as bus,
        Door(redis, tmp_path / "door", CONTINUO_REPLY_BYTES="65536", CONTINUO_RECOVERY_BYTES="65536") as door,
    ):
        conversation = fresh_id()
        await bus.conversations.create(conversation, "ann", agents=())
        said = [await bus.messages.accept(conversation, "ann", fresh_id(), "x" * 30_000) for _ in range(4)]
        device, channel = await door.arrive("ann"), f"conversation:{conversation}"
        for behind, recovered in ((4, False), (2, True)):
            position = {"epoch": said[0].position.epoch, "offset": said[-1].position.offset - behind}
            reply = (await device.ask(subscribe={"channel": channel, "recover": True, **position}))[
                "subscribe"
            ]
            assert reply.get("recovered", False) is recovered
            assert len(reply.get("publications", [])) == (behind if recovered else 0)
            await device.ask(unsubscribe={"channel": channel})
        answer = await device.ask(history={"channel": channel, "limit": 300})
        assert len(answer["history"]["publications"]) == 3, "its member.joined and two messages"
        assert answer["history"]["offset"] == said[-1].position.offset
