"""The live feed on a real Redis: it hears all that is published, knows when it is heard, and notices when it
is deaf.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus import live
from services.shared.bus.house import Bus
from services.shared.model.events import MemberJoined
from services.shared.model.ids import Channel
from services.shared.wire.envelopes import LivePush
from tests.support.open_bus import fresh_id, fresh_user, open_bus
from tests.support.waiting import eventually


@dataclass
class Listener:
    """A feed that runs, and all it handed on."""

    bus: Bus
    heard: list[tuple[Channel, LivePush]] = field(default_factory=list)
    subscribed: int = 0

    def note(self, channel: Channel, push: LivePush) -> None:
        self.heard.append((channel, push))

    def count(self) -> None:
        self.subscribed += 1

    def offsets(self, channel: Channel) -> list[int]:
        return [push.position.offset for each, push in self.heard if each == channel and push.position]


@asynccontextmanager
async def listening(redis: EmbeddedRedis) -> AsyncIterator[Listener]:
    async with open_bus(redis) as bus:
        listener = Listener(bus)
        task = asyncio.create_task(bus.live.run(listener.note, listener.count))
        try:
            yield listener
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def listener(shared_redis: EmbeddedRedis) -> AsyncIterator[Listener]:
    async with listening(shared_redis) as opened:
        yield opened


async def publish(bus: Bus, channel: Channel, once: str = "") -> None:
    """One journal event on a user's channel."""
    event = MemberJoined(fresh_id(), channel.id, "bob", "member")
    await bus.journal.append_user(channel.id, event, once=once or fresh_id())


def user_channel() -> Channel:
    return Channel.of_user(fresh_user("ann"))


def feed_connection(bus: Bus) -> Any:
    """The connection the feed holds: the only one of the blocking pool in these tests."""
    [connection] = bus.floor.blocking.connection_pool._in_use_connections
    return connection


async def test_what_is_published_after_follow_returned_is_heard_with_its_position(listener: Listener) -> None:
    bus, conversation = listener.bus, fresh_id()
    await bus.conversations.create(conversation, "ann")
    channel = Channel.of_conversation(conversation)
    await bus.live.follow(channel)
    accepted = await bus.messages.accept(conversation, "ann", fresh_id(), "h\u00e9 {} \U0001f600")
    await bus.journal.transient(channel, "t", b'{"type":"typing"}')
    await eventually(lambda: len(listener.heard) == 2)
    (_, event), (_, typing) = listener.heard
    body = msgspec.json.decode(event.body)
    assert (event.kind, event.position, body["text"]) == ("e", accepted.position, "h\u00e9 {} \U0001f600")
    assert (typing.kind, typing.position, typing.body) == ("t", None, b'{"type":"typing"}')
    reading = await bus.journal.read(channel, 1, deltas=True)
    assert reading.entries[0].body == event.body


async def test_more_channels_than_one_subscribe_holds_are_all_heard(listener: Listener) -> None:
    channels = [user_channel() for _ in range(live.SUBSCRIBE_AT_ONCE + 100)]
    await asyncio.gather(*(listener.bus.live.follow(channel) for channel in channels))
    for channel in (channels[0], channels[live.SUBSCRIBE_AT_ONCE], channels[-1]):
        await publish(listener.bus, channel)
        await eventually(lambda channel=channel: listener.offsets(channel) == [1])


async def test_what_is_unfollowed_is_heard_no_more_and_can_be_followed_again(listener: Listener) -> None:
    bus, channel, other = listener.bus, user_channel(), user_channel()
    await bus.live.follow(channel)
    await bus.live.follow(other)
    await bus.live.unfollow(channel)
    await publish(bus, channel)
    await publish(bus, other)
    await eventually(lambda: listener.offsets(other) == [1])
    assert listener.offsets(channel) == []
    await bus.live.follow(channel)
    await publish(bus, channel)
    await eventually(lambda: listener.offsets(channel) == [2])


async def test_a_channel_left_and_followed_again_at_once_is_confirmed_by_its_last_subscription(
    listener: Listener,
) -> None:
    """An answer to the first SUBSCRIBE must not confirm the second: an UNSUBSCRIBE is still on its way
    between them.
    """
    bus, channel = listener.bus, user_channel()
    for number in range(30):
        first = asyncio.create_task(bus.live.follow(channel))
        await asyncio.sleep(0)
        await bus.live.unfollow(channel)
        await bus.live.follow(channel)
        await first
        await publish(bus, channel)
        await eventually(lambda number=number: listener.offsets(channel)[-1:] == [number + 1])
        await bus.live.unfollow(channel)


async def test_a_broken_connection_is_opened_anew_and_says_that_something_may_be_missing(
    listener: Listener,
) -> None:
    bus, channel = listener.bus, user_channel()
    await bus.live.follow(channel)
    await eventually(lambda: listener.subscribed == 1)
    await bus.floor.commands.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await eventually(lambda: listener.subscribed == 2)
    await publish(bus, channel)
    await eventually(lambda: listener.offsets(channel) == [1])


async def test_a_connection_dropped_by_ourselves_is_not_opened_in_silence(listener: Listener) -> None:
    bus, channel = listener.bus, user_channel()
    await bus.live.follow(channel)
    await eventually(lambda: listener.subscribed == 1)
    await bus._masters.drop()
    await eventually(lambda: listener.subscribed == 2)
    await publish(bus, channel)
    await eventually(lambda: listener.offsets(channel) == [1])


async def test_a_deaf_feed_notices_and_hears_again(
    shared_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stays open, the server just has no subscription of it any more: nothing breaks, nothing
    comes.
    """
    monkeypatch.setattr(live, "PROBE_EVERY_S", 0.1)
    monkeypatch.setattr(live, "DEAF_AFTER_S", 0.5)
    async with listening(shared_redis) as listener:
        bus, channel = listener.bus, user_channel()
        await bus.live.follow(channel)
        await eventually(lambda: listener.subscribed == 1)
        await feed_connection(bus).send_command("UNSUBSCRIBE")
        await publish(bus, channel)
        await eventually(lambda: listener.subscribed == 2)
        assert bus.floor.metrics.feeds_deaf._value.get() == 1
        assert listener.offsets(channel) == []
        await publish(bus, channel)
        await eventually(lambda: listener.offsets(channel) == [2])


async def test_a_quiet_feed_that_hears_its_probes_is_not_taken_for_deaf(
    shared_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PROBE_EVERY_S", 0.02)
    monkeypatch.setattr(live, "DEAF_AFTER_S", 0.5)
    async with listening(shared_redis) as listener:
        await listener.bus.live.follow(user_channel())
        began = asyncio.get_running_loop().time()
        await eventually(lambda: asyncio.get_running_loop().time() - began > 1.2)
        assert listener.bus.floor.metrics.feeds_deaf._value.get() == 0
        assert listener.subscribed == 1


async def test_a_process_that_stood_still_is_not_taken_for_deaf(
    shared_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PROBE_EVERY_S", 0.05)
    monkeypatch.setattr(live, "DEAF_AFTER_S", 0.5)
    async with listening(shared_redis) as listener:
        bus, channel = listener.bus, user_channel()
        await bus.live.follow(channel)
        for number in range(5):
            until = time.monotonic() + 0.7
            while time.monotonic() < until:
                pass
            await publish(bus, channel)
            await eventually(lambda number=number: listener.offsets(channel)[-1:] == [number + 1])
        assert (bus.floor.metrics.feeds_deaf._value.get(), listener.subscribed) == (0, 1)


async def test_after_the_master_died_the_feed_hears_the_new_one(own_redis: EmbeddedRedis) -> None:
    async with listening(own_redis) as listener:
        bus, channel = listener.bus, user_channel()
        await bus.live.follow(channel)
        await publish(bus, channel)
        await eventually(lambda: listener.offsets(channel) == [1])
        own_redis.kill(own_redis.master)
        await publish(bus, channel)
        # The append may have come before the feed was back: it says so, and the next one is heard.
        await eventually(lambda: listener.subscribed >= 2, within_s=20)
        await publish(bus, channel)
        await eventually(lambda: listener.offsets(channel)[-1:] == [3], within_s=10)


async def test_what_is_followed_and_left_while_there_is_no_connection_leaves_nothing_behind(
    shared_redis: EmbeddedRedis,
) -> None:
    async with open_bus(shared_redis) as bus:
        for _ in range(300):
            channel = Channel.of_conversation(fresh_id())
            following = asyncio.create_task(bus.live.follow(channel))
            await asyncio.sleep(0)
            await bus.live.unfollow(channel)
            await following
        assert bus.live._orders == []
