"""A replica that lacks the last entries is promoted, and as many new ones are appended: same top, other
events.

Of ten entries it holds seven. Whoever stands at the tenth gets everything once, or is told by
`recovered: false`; three entries missed in silence are what must never be, and what a journal without epochs
does.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus import scripts
from services.shared.bus.house import Bus
from services.shared.model.events import ConversationUpdated
from services.shared.model.ids import Channel, ConversationId, MessageId, UserId
from services.shared.model.position import Position
from tests.support.door import Door
from tests.support.forkless import forkless
from tests.support.official_client import Followed, Official
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually

ANN = UserId("ann")
FORK = 7
"""Entries that survive; then three are lost, and three are new."""


@dataclass
class Scene:
    """Two channels of Ann, a conversation and her own, written alike: what each holds, by rounds."""

    redis: EmbeddedRedis
    door: Door
    bus: Bus
    device: Official
    conversation: ConversationId
    followed: Followed

    @property
    def channels(self) -> list[Channel]:
        return [Channel.of_conversation(self.conversation), Channel.of_user(ANN)]

    async def write(self, *words: str) -> None:
        """An entry for each word, in both channels."""
        for word in words:
            await self.bus.messages.accept(self.conversation, ANN, MessageId(fresh_id()), word)
            event = ConversationUpdated(conversation=self.conversation, title=word)
            await self.bus.journal.append_user(ANN, event, once=word)

    async def top(self, channel: Channel) -> Position:
        return (await self.bus.journal.tops([channel]))[channel].position

    async def fail_over(self) -> None:
        """The master dies, the replicas live on with what they have, and one is promoted."""
        lost, replicas = self.redis.master, self.redis.replicas
        self.redis.kill(lost)
        for replica in replicas:
            self.redis.thaw(replica)
        await eventually(lambda: self.redis.master != lost, within_s=40)
        await eventually(self.bus.confirmer.tick, within_s=25)

    async def cut_replication(self) -> None:
        """From now on only the master holds what is written."""
        await self.bus.floor.commands.config_set("min-replicas-to-write", 0)
        for replica in self.redis.replicas:
            self.redis.freeze(replica)
        await self.bus.floor.commands.execute_command("CLIENT", "KILL", "TYPE", "replica")

    async def journal(self, channel: Channel) -> list[tuple[int, str]]:
        """Offset and word of every entry as it is now."""
        entries = (await self.bus.journal.read(channel, 0, deltas=False)).entries
        return [(each.offset, word(msgspec.json.decode(each.body))) for each in entries]

    def told(self, channel: Channel) -> Iterable[Any]:
        """What the official client reported of a channel, in order."""
        if channel.id == self.conversation:
            return self.followed.told
        return [each for each in self.device.noted.told if each.channel == channel.name]

    async def whole(self, channel: Channel) -> bool:
        """Whether the device has, since it was last told to begin anew, exactly what the journal holds."""
        start, delivered = followed_since(self.told(channel))
        return delivered == [entry for entry in await self.journal(channel) if entry[0] > start]

    async def stand_at(self, channel: Channel, position: Position) -> tuple[bool, list[tuple[int, str]]]:
        """Come as a device that was away, standing there: whether it is recovered, and what it then gets."""
        stood = {"recover": True, "epoch": position.epoch, "offset": position.offset}
        device = await self.door.open()
        asked: dict[str, Any] = {"token": self.door.token(ANN)}
        if channel.id == ANN:
            asked["subs"] = {channel.name: stood}
        reply = (await device.ask(connect=asked))["connect"]["subs"].get(channel.name)
        if channel.id != ANN:
            reply = (await device.ask(subscribe={"channel": channel.name, **stood}))["subscribe"]
        await device.connection.close()
        found = [(each["offset"], word(each["data"])) for each in reply.get("publications", [])]
        return bool(reply.get("recovered")), found


def word(event: dict[str, Any]) -> str:
    return str(event.get("text", event.get("title", event["type"])))


def followed_since(told: Iterable[Any]) -> tuple[int, list[tuple[int, str]]]:
    """Where a device began that was told to begin anew, or for the first time, and what it got since."""
    start, delivered = 0, list[tuple[int, str]]()
    for each in told:
        if hasattr(each, "pub"):
            delivered.append((each.pub.offset, word(each.pub.data)))
        elif not (each.was_recovering and each.recovered) and each.stream_position and _anew(each, delivered):
            start, delivered = each.stream_position.offset, []
    return start, delivered


def _anew(subscribed: Any, delivered: list[tuple[int, str]]) -> bool:
    """Whether this subscription is no mere move of `#user` into another epoch, which is told by a push."""
    return subscribed.was_recovering or not delivered


@asynccontextmanager
async def scene(tmp_path: Path, acks: str, door_kind: type[Door] = Door) -> AsyncIterator[Scene]:
    """Seven entries in both channels, replicated and shown; what comes is held by the master alone."""
    async with (
        EmbeddedRedis(tmp_path / "redis") as redis,
        door_kind(redis, tmp_path / "door", CONTINUO_ACKS=acks) as door,
        open_bus(redis, acks="master", redis_deadline_s=30.0) as bus,
    ):
        device = await Official(door.address, lambda: door.token(ANN)).connect()
        conversation = ConversationId(await device.create())
        _, followed = await device.follow(conversation)
        opened = Scene(redis, door, bus, device, conversation, followed)
        await eventually(lambda: len(device.noted.publications) == 1)  # she joined: the first entry of both
        await opened.write(*(f"kept {number}" for number in range(2, FORK + 1)))
        for channel in opened.channels:
            await eventually(lambda channel=channel: opened.whole(channel))
            assert (await opened.top(channel)).offset == FORK
        await bus.floor.commands.execute_command("WAIT", 2, 2000)
        await opened.cut_replication()
        try:
            yield opened
        finally:
            await device.leave()


async def lose_three(opened: Scene) -> dict[Channel, Position]:
    """Three entries that no replica ever gets; where whoever saw them stands."""
    await opened.write("lost 8", "lost 9", "lost 10")
    return {channel: await opened.top(channel) for channel in opened.channels}


async def test_with_acks_replica_nobody_is_shown_what_a_failover_takes_back(tmp_path: Path) -> None:
    async with scene(tmp_path, "replica") as opened:
        await lose_three(opened)
        assert await eventually(lambda: opened.door.metric("continuo_events_held 6.0"))
        await opened.fail_over()
        await opened.write("new 8", "new 9", "new 10")
        for channel in opened.channels:
            await eventually(lambda channel=channel: opened.whole(channel), 20)
            start, delivered = followed_since(opened.told(channel))
            assert start < FORK, "nothing was shown that could not be kept: nobody begins anew"
            assert [text for _, text in delivered][-3:] == ["new 8", "new 9", "new 10"]
        assert not [text for text in said(opened) if text.startswith("lost")]
        assert (opened.device.noted.connecting, opened.device.noted.disconnected) == ([0], [])


async def test_with_acks_master_whoever_was_shown_what_is_lost_is_told_to_begin_anew(tmp_path: Path) -> None:
    async with scene(tmp_path, "master") as opened:
        stood = await lose_three(opened)
        for channel in opened.channels:
            await eventually(lambda channel=channel: opened.whole(channel))
        assert said(opened).count("lost 10") == 2
        await opened.fail_over()
        await opened.write("new 8", "new 9", "new 10")
        for channel in opened.channels:
            assert (await opened.top(channel)).offset == stood[channel].offset == FORK + 3
            await eventually(lambda channel=channel: opened.whole(channel), 20)
            start, _ = followed_since(opened.told(channel))
            assert start >= FORK, "it was told to begin anew"
        assert opened.device.noted.disconnected == []
        await _stand_around_the_fork(opened, stood)


async def test_two_failovers_in_a_row_leave_each_position_true_or_void(tmp_path: Path) -> None:
    async with scene(tmp_path, "master") as opened:
        first = await lose_three(opened)
        dead = opened.redis.master
        await opened.fail_over()
        await opened.redis.restart(dead)
        await opened.redis.settled()
        await opened.write("second 8")
        await opened.bus.floor.commands.execute_command("WAIT", 2, 2000)
        await opened.cut_replication()
        await opened.write("lost again 9", "lost again 10")
        second = {channel: await opened.top(channel) for channel in opened.channels}
        await opened.fail_over()
        await opened.write("third 9", "third 10")
        for channel in opened.channels:
            await eventually(lambda channel=channel: opened.whole(channel), 30)
            journal = await opened.journal(channel)
            assert [text for _, text in journal][-3:] == ["second 8", "third 9", "third 10"]
            for epoch, last in ((first[channel].epoch, FORK), (second[channel].epoch, FORK + 1)):
                for offset in range(FORK - 1, FORK + 5):
                    await _judged(opened, channel, Position(epoch, offset), offset <= last)


async def test_without_epochs_the_same_reader_misses_three_entries_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what the tests above look for can be seen."""
    monkeypatch.setattr(scripts, "_source", forkless(scripts._source))
    scripts.script.cache_clear()
    try:
        async with scene(tmp_path, "master", ForklessDoor) as opened:
            stood = await lose_three(opened)
            await opened.fail_over()
            await opened.write("new 8", "new 9", "new 10")
            for channel in opened.channels:
                assert await opened.stand_at(channel, stood[channel]) == (True, []), "no silent skip"
                with pytest.raises(AssertionError):
                    await _judged(opened, channel, stood[channel], False)
    finally:
        monkeypatch.undo()
        scripts.script.cache_clear()


class ForklessDoor(Door):
    MODULE = "tests.support.forkless"


async def _stand_around_the_fork(opened: Scene, stood: dict[Channel, Position]) -> None:
    """Whoever stands at the fork or below is served, whoever stands above is told that it is void."""
    for channel in opened.channels:
        epoch = stood[channel].epoch
        for offset in (1, FORK - 1, FORK, FORK + 1, FORK + 3, FORK + 4):
            await _judged(opened, channel, Position(epoch, offset), offset <= FORK)
        now = await opened.top(channel)
        assert now.epoch != epoch
        await _judged(opened, channel, now, True)


async def _judged(opened: Scene, channel: Channel, position: Position, served: bool) -> None:
    """Come from there: everything behind it, once and in order, or `recovered: false` and nothing."""
    recovered, found = await opened.stand_at(channel, position)
    missed = [entry for entry in await opened.journal(channel) if entry[0] > position.offset]
    assert (recovered, found) == ((True, missed) if served else (False, [])), f"{channel.name} {position}"


def said(opened: Scene) -> list[str]:
    """All words the device was ever shown."""
    told = (each for channel in opened.channels for each in opened.told(channel))
    return [word(each.pub.data) for each in told if hasattr(each, "pub")]
