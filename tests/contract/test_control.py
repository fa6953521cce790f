"""The control stream: followers hear everything after their start, also across a failover."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.keys import CONTROL
from services.shared.wire.envelopes import ControlEntry
from tests.support.bus_house import House, fresh, open_house
from tests.support.waiting import eventually


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


@asynccontextmanager
async def following(house: House) -> AsyncIterator[list[ControlEntry]]:
    """What a follower heard so far; it has started when this begins."""
    heard: list[ControlEntry] = []

    async def follow() -> None:
        async for entry in house.control.follow():
            heard.append(entry)  # noqa: PERF401 - it is read while it grows

    follower = asyncio.create_task(follow())
    sign = ControlEntry("turn.cancel", fresh())

    async def hears() -> bool:
        await house.control.publish(sign)
        return sign in heard

    await eventually(hears, within_s=15)
    try:
        yield heard
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)


async def test_all_followers_hear_entries_in_order(house: House) -> None:
    entries = [ControlEntry("member.removed", fresh(), user=f"u{number}") for number in range(20)]
    async with following(house) as first, following(house) as second:
        for entry in entries:
            await house.control.publish(entry)
        await eventually(lambda: entries[-1] in first and entries[-1] in second)
        for heard in (first, second):
            assert [entry for entry in heard if entry in entries] == entries


async def test_kinds_of_a_newer_release_are_passed_over(house: House) -> None:
    entry = ControlEntry("turn.cancel", fresh(), user="ann", turn=fresh())
    async with following(house) as heard:
        await house.floor.commands.xadd(CONTROL, {"kind": "from.tomorrow", "conversation": "x"})
        await house.control.publish(entry)
        await eventually(lambda: entry in heard)


async def test_a_follower_goes_on_from_where_it_was_when_all_connections_break(house: House) -> None:
    entry = ControlEntry("turn.cancel", fresh())
    async with following(house) as heard:
        await house.floor.blocking.connection_pool.disconnect(inuse_connections=True)
        await house.control.publish(entry)
        await eventually(lambda: entry in heard, within_s=10)
        assert heard.count(entry) == 1
