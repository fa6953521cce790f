"""A whole group behind links: each harm to a link has the effect on Redis that the campaign counts on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis.asyncio

from services.local.embedded import EmbeddedRedis
from services.shared.bus import examine
from services.shared.model.errors import NotReplicated, Temporary
from tests.chaos.links import Links, redis_behind
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually


@dataclass
class Group:
    links: Links
    redis: EmbeddedRedis

    def client(self, name: str) -> redis.asyncio.Redis:
        """Past the links, straight to the server."""
        return redis.asyncio.Redis(port=self.redis.ports[name])

    async def offset(self, name: str) -> int:
        return (await examine.replication(self.redis.address(name))).offset

    async def follows(self, name: str) -> bool:
        try:
            said = await examine.replication(self.redis.address(name))
        except examine.UnansweredError:  # a Sentinel that demotes a master ends its clients
            return False
        return said.role == "slave" and said.link_up


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Group]:
    async with Links() as links, redis_behind(links, tmp_path / "redis") as servers:
        yield Group(links, servers)


async def test_servers_sentinels_and_services_meet_through_the_links_under_their_names(group: Group) -> None:
    replicas = {(name, group.redis.master) for name in group.redis.replicas}
    sentinels = {f"sentinel-{number}" for number in (1, 2, 3)}
    among = {(one, other) for one in sentinels for other in sentinels if one != other}
    watching = {(name, server) for name in sentinels for server in ("redis-1", "redis-2", "redis-3")}
    ours = {("?", group.redis.master)} | {("?", name) for name in sentinels}

    async def missing() -> set[tuple[str, str]]:
        seen = {(each["source"], each["destination"]) for each in await group.links.table()}
        return seen ^ (replicas | among | watching | ours)

    async with open_bus(group.redis) as bus:
        await bus.confirmer.tick()
        await eventually(lambda: _none(missing()), within_s=10)


async def _none(things: Awaitable[set[tuple[str, str]]]) -> bool:
    """Whether there are none."""
    return not await things


async def test_delayed_replication_makes_confirmations_slow_or_fail(group: Group) -> None:
    loop = asyncio.get_running_loop()
    master = group.redis.master
    async with open_bus(group.redis) as bus, open_bus(group.redis, redis_wait_ms=100) as hasty:
        await bus.confirmer.tick()
        delays = [await group.links.delay(name, master, 500) for name in group.redis.replicas]
        began = loop.time()
        await bus.confirmer.tick()
        assert loop.time() - began >= 0.5
        with pytest.raises(NotReplicated):
            await hasty.confirmer.tick()
        await group.links.heal(*delays)
        await eventually(lambda: _confirms(hasty))


async def test_a_replica_cut_off_lags_while_the_others_go_on_and_catches_up_when_healed(group: Group) -> None:
    master, (near, far) = group.redis.master, group.redis.replicas
    async with open_bus(group.redis) as bus:
        await bus.confirmer.tick()
        await group.links.cut(far, master)
        behind = await group.offset(far)
        for _ in range(20):
            await bus.confirmer.tick()
        written = await group.offset(master)
        assert await group.offset(near) >= written > behind == await group.offset(far)
        await group.links.heal()
        await eventually(lambda: _reached(group, far, written))
    assert group.redis.master == master


async def test_an_isolated_master_is_replaced_and_what_it_took_meanwhile_does_not_survive(
    group: Group,
) -> None:
    lost = group.redis.master
    async with open_bus(group.redis) as bus:
        await bus.confirmer.tick()
        cuts = await group.links.isolate(lost)
        async with group.client(lost) as alone:
            await alone.set("written", "in isolation")
        await eventually(lambda: group.redis.master != lost, within_s=20)
        await eventually(lambda: _confirms(bus), within_s=20)
        await group.links.heal(*cuts)
        await eventually(lambda: group.follows(lost), within_s=30)
        for name in group.redis.names[:3]:
            async with group.client(name) as server:
                assert await server.get("written") is None


async def test_a_killed_master_comes_back_behind_its_link(group: Group) -> None:
    lost = group.redis.master
    group.redis.kill(lost)
    await group.redis.restart(lost)
    await group.links.know_all(group.redis.pids)
    assert group.redis.master != lost
    await group.redis.settled()
    links = {(each["source"], each["destination"]) for each in await group.links.table()}
    assert (lost, group.redis.master) in links


async def test_a_group_that_starts_again_behind_other_links_keeps_its_last_master(tmp_path: Path) -> None:
    async with Links() as links:
        async with redis_behind(links, tmp_path) as servers:
            first = servers.master
            servers.kill(first)
            await servers.restart(first)
            last = servers.master
        async with redis_behind(links, tmp_path) as servers:
            assert servers.master == last != first


async def _confirms(bus: object) -> bool:
    try:
        return bool(await bus.confirmer.tick())  # type: ignore[attr-defined]
    except Temporary:  # no replica confirms, or none is there yet
        return False


async def _reached(group: Group, name: str, offset: int) -> bool:
    return await group.offset(name) >= offset
