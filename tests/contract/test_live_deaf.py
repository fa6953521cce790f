"""What a pod does about what it did not hear: a channel Redis forgot, and a feed that stayed with a master of
yesterday.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from redis.asyncio import Redis

from services.connection.follows import Followed, Follows
from services.connection.outbound import Outbound
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.sentinel import Masters
from services.shared.model.events import MemberJoined
from services.shared.model.ids import Channel
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.metrics import Metrics
from tests.support.open_bus import fresh_id, fresh_user, open_bus
from tests.support.waiting import eventually

NOTICED_S = 5.0


@asynccontextmanager
async def roads(bus: Bus) -> AsyncIterator[tuple[Outbound, Follows]]:
    """A pod's roads from Redis, without its devices."""
    tasks, metrics = Tasks(), Metrics()
    follows = Follows(bus.live, tasks, metrics, immediate=False, burst_bytes=0)
    outbound = Outbound(follows, bus.journal, bus.confirmer, tasks, SystemClock(), metrics)
    for work in (outbound.hear(bus.live), outbound.comparing.run(), outbound.ticker.run()):
        tasks.start("road", work)
    try:
        yield outbound, follows
    finally:
        with suppress(asyncio.CancelledError):
            await tasks.close()


async def follow(bus: Bus, outbound: Outbound, follows: Follows) -> Followed:
    """A user's channel, as if a device had just read it."""
    channel = Channel.of_user(fresh_user("ann"))
    followed = follows.hold(channel)
    await follows.opened(followed)
    outbound.looked(followed, await bus.journal.read(channel, 0, deltas=True))
    return followed


async def append(bus: Bus, followed: Followed) -> int:
    user = followed.channel.id
    event = MemberJoined(fresh_id(), user, "bob", "member")
    return (await bus.journal.append_user(user, event, once=fresh_id())).position.offset


def shown(followed: Followed) -> int:
    return followed.shown


async def test_a_channel_redis_forgot_is_repaired_in_5_s_and_subscribed_anew(
    shared_redis: EmbeddedRedis,
) -> None:
    """The feed itself hears: only the comparison of tops can tell."""
    async with open_bus(shared_redis) as bus, roads(bus) as (outbound, follows):
        followed = await follow(bus, outbound, follows)
        assert await append(bus, followed) == 1
        await eventually(lambda: shown(followed) == 1)
        [connection] = bus.floor.blocking.connection_pool._in_use_connections
        live = bus.floor.keys.channel(followed.channel).live
        await connection.send_command("UNSUBSCRIBE", live)
        await eventually(lambda: not_subscribed(bus, live))
        await append(bus, followed)
        await eventually(lambda: shown(followed) == 2, NOTICED_S)
        assert heard(outbound) == 1, "it was read, not heard"
        assert not bus.live.hearing.deaf
        await eventually(lambda: subscribed(bus, live))
        await append(bus, followed)
        await eventually(lambda: shown(followed) == 3)
        assert heard(outbound) == 2


async def test_a_feed_that_stayed_with_yesterdays_master_notices_in_5_s_and_hears_the_new_one(
    own_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells this process that the master moved; the old one keeps the feed's connection and falls
    silent.
    """

    async def untold(*_: object) -> None:
        pass

    monkeypatch.setattr(Masters, "_told", untold)
    async with open_bus(own_redis) as bus, open_bus(own_redis) as other, roads(bus) as (outbound, follows):
        followed = await follow(bus, outbound, follows)
        await append(bus, followed)
        await eventually(lambda: shown(followed) == 1)
        old = own_redis.master
        async with Redis(host="127.0.0.1", port=own_redis.ports["sentinel-1"]) as sentinel:
            await sentinel.execute_command("SENTINEL", "FAILOVER", "continuo")
        await eventually(lambda: own_redis.master != old, within_s=20)
        own_redis.freeze(old)
        try:
            await eventually(lambda: deafened(bus) == 1, NOTICED_S)
            await eventually(lambda: bus.live.hearing.silent_s < 1, NOTICED_S)
            said = await append(other, followed)
            await eventually(lambda: shown(followed) == said, NOTICED_S)
            before = heard(outbound)
            said = await append(other, followed)
            await eventually(lambda: shown(followed) == said)
            assert heard(outbound) == before + 1
        finally:
            own_redis.thaw(old)


def deafened(bus: Bus) -> int:
    return int(bus.floor.metrics.feeds_deaf._value.get())


def heard(outbound: Outbound) -> int:
    return int(outbound._metrics.events_heard.labels(kind="event")._value.get())


async def subscribed(bus: Bus, live: str) -> bool:
    [(_, count)] = await bus.floor.commands.pubsub_numsub(live)
    return bool(count)


async def not_subscribed(bus: Bus, live: str) -> bool:
    return not await subscribed(bus, live)
