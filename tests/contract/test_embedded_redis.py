"""The Redis we start on one machine is the Redis the design asks for, also after it was hurt."""

import shutil
import socket
from contextlib import suppress
from pathlib import Path

import pytest
import redis.asyncio

from services.local.embedded import EmbeddedRedis, EmbeddedRedisError
from services.local.lastmaster import is_whole
from services.local.servers import MASTER_NAME, free_ports
from services.shared.bus import examine
from tests.support.waiting import eventually


async def test_a_started_group_has_a_master_with_two_replicas_and_a_reachable_quorum(
    shared_redis: EmbeddedRedis,
) -> None:
    said = await examine.replication(shared_redis.address(shared_redis.master))
    assert (said.role, said.online_replicas) == ("master", 2)
    for name in ("sentinel-1", "sentinel-2", "sentinel-3"):
        view = await examine.sentinel_view(shared_redis.address(name), MASTER_NAME)
        assert (view.quorum_reachable, view.usable_replicas, view.other_sentinels) == (True, 2, 2)
        assert view.flags == {"master"}
        replicas = {shared_redis.address(replica) for replica in shared_redis.replicas}
        assert set(view.candidates) == replicas


async def test_every_data_server_is_set_up_to_lose_nothing(shared_redis: EmbeddedRedis) -> None:
    for name in ("redis-1", "redis-2", "redis-3"):
        said = await examine.configuration(
            shared_redis.address(name), "appendonly", "maxmemory-policy", "min-replicas-to-write"
        )
        assert said == {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "min-replicas-to-write": "1",
        }
        assert {"search", "rejson"} <= (await examine.modules(shared_redis.address(name))).keys()


async def test_a_killed_master_comes_back_as_a_replica_of_the_one_chosen_meanwhile(
    own_redis: EmbeddedRedis,
) -> None:
    """It restarts within down-after: nobody has noticed its death yet, and it still must not be master
    again.
    """
    old = own_redis.master
    own_redis.kill(old)
    await own_redis.restart(old)
    assert own_redis.master != old
    assert (await examine.replication(own_redis.address(old))).role == "slave"
    await own_redis.settled()


async def test_a_master_that_restarts_at_once_with_an_older_past_makes_nobody_copy_it(
    own_redis: EmbeddedRedis,
) -> None:
    """Its disk had less than its replicas hold, as after a power cut, and no Sentinel has missed it yet."""
    master = own_redis.master
    disk, older = own_redis.folder / master / "appendonlydir", own_redis.folder / "older"
    async with redis.asyncio.Redis(port=own_redis.ports[master]) as client:
        shutil.copytree(disk, older)
        await client.set("kept", "by the replicas")
        assert await client.wait(2, 5000) == 2
    own_redis.kill(master)
    shutil.rmtree(disk)
    older.rename(disk)
    await own_redis.restart(master)
    await own_redis.settled()
    for name in ("redis-1", "redis-2", "redis-3"):
        async with redis.asyncio.Redis(port=own_redis.ports[name]) as client:
            assert await client.get("kept") == b"by the replicas"


async def test_a_frozen_master_is_replaced_and_follows_when_thawed(own_redis: EmbeddedRedis) -> None:
    old = own_redis.master
    own_redis.freeze(old)
    await eventually(lambda: own_redis.master != old, within_s=15)
    own_redis.thaw(old)

    async def follows() -> bool:
        try:
            said = await examine.replication(own_redis.address(old))
        except examine.UnansweredError:  # it closes everybody's connection when it becomes a replica
            return False
        return said.role == "slave" and said.link_up

    await eventually(follows, within_s=25)


@pytest.mark.slow
async def test_after_a_failover_one_sentinel_alone_still_replaces_no_living_master(
    own_redis: EmbeddedRedis,
) -> None:
    """Sentinels of Valkey 9.1 do: what the others said in the failover, they count for ever."""
    first = own_redis.master
    own_redis.kill(first)
    await own_redis.restart(first)
    await own_redis.settled()
    master, alone = own_redis.master, own_redis.address("sentinel-1")
    async with examine.asking(alone) as sentinel:

        async def state() -> dict[str, str]:
            return dict(await sentinel.sentinel_master(MASTER_NAME))

        async def votes_are_old() -> bool:
            return int((await state())["role-reported-time"]) > 6000  # they count for 5 s

        async def sees_it_down() -> bool:
            return "s_down" in (await state())["flags"]

        async def is_at_rest() -> bool:
            return (await state())["flags"] == "master"

        await eventually(votes_are_old, within_s=20)
        await sentinel.execute_command("SENTINEL", "SET", MASTER_NAME, "down-after-milliseconds", 300)
        own_redis.freeze(master)
        await eventually(sees_it_down, within_s=10, every_s=0.02)
        own_redis.thaw(master)
        await eventually(is_at_rest, within_s=30)
    await own_redis.settled()
    assert own_redis.master == master


async def test_a_group_that_starts_again_begins_with_its_last_master_and_its_data(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as servers:
        old = servers.master
        servers.kill(old)
        await servers.restart(old)
        last = servers.master
        async with redis.asyncio.Redis(port=servers.ports[last]) as client:
            await client.set("kept", "across")
    async with EmbeddedRedis(tmp_path) as servers:
        assert servers.master == last
        for name in ("redis-1", "redis-2", "redis-3"):
            async with redis.asyncio.Redis(port=servers.ports[name]) as client:
                assert await client.get("kept") == b"across"


@pytest.mark.slow
async def test_a_master_promoted_before_its_disk_has_all_is_not_what_a_group_starts_again_with(
    tmp_path: Path,
) -> None:
    """Both replicas copied the master just now and still write that down, as servers do that cannot keep what
    they were sent; one is promoted, and all end at once.
    """
    async with EmbeddedRedis(tmp_path) as servers:
        old, replicas = servers.master, servers.replicas
        for name in replicas:
            async with redis.asyncio.Redis(port=servers.ports[name]) as client:
                await client.config_set("aof-use-rdb-preamble", "no")
                await client.config_set("rdb-key-save-delay", 60_000_000)
        async with redis.asyncio.Redis(port=servers.ports[old]) as client:
            await client.set("before", "the copy")
            await client.execute_command("DEBUG", "CHANGE-REPL-ID")
            await client.execute_command("CLIENT", "KILL", "TYPE", "replica")
            await eventually(lambda: not any(is_whole(tmp_path / name) for name in replicas), within_s=30)
            await client.set("kept", "acknowledged by both")
            assert await eventually(lambda: client.wait(2, 1000), within_s=30) == 2
        async with redis.asyncio.Redis(port=servers.ports["sentinel-1"]) as client:
            await client.execute_command("SENTINEL", "FAILOVER", MASTER_NAME)
        await eventually(lambda: servers.master != old, within_s=30)
        for name in servers.names:
            servers.kill(name)
    async with EmbeddedRedis(tmp_path) as servers:
        for name in ("redis-1", "redis-2", "redis-3"):
            async with redis.asyncio.Redis(port=servers.ports[name]) as client:
                assert await client.get("kept") == b"acknowledged by both"


async def test_a_master_whose_replicas_are_all_dead_may_be_master_again_with_its_data(
    own_redis: EmbeddedRedis,
) -> None:
    """Nobody alive holds newer data, and waiting for another master would last for ever."""
    master, replicas = own_redis.master, own_redis.replicas
    async with redis.asyncio.Redis(port=own_redis.ports[master]) as client:
        await client.set("kept", "through it")
    for name in (*replicas, master):
        own_redis.kill(name)
    await own_redis.restart(master)
    for name in replicas:
        await own_redis.restart(name)
    await own_redis.settled()
    assert own_redis.master == master
    async with redis.asyncio.Redis(port=own_redis.ports[master]) as client:
        assert await client.get("kept") == b"through it"


async def test_the_group_ends_with_every_process(tmp_path: Path) -> None:
    servers = EmbeddedRedis(tmp_path)
    await servers.start()
    await servers.stop()
    assert not any(servers.child(name).alive for name in servers.names)


async def test_a_sentinel_that_loses_its_port_before_anybody_looks_has_all_start_on_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[list[int]] = []
    with socket.socket() as other:

        def free_and_lost(count: int, among: range) -> list[int]:
            chosen.append(free_ports(count, among))
            if len(chosen) == 1:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with suppress(OSError):  # then somebody else has it by now, which is as good
                    other.bind(("127.0.0.1", chosen[0][-1]))
                    other.listen()
            return chosen[-1]

        monkeypatch.setattr("services.local.embedded.free_ports", free_and_lost)
        async with EmbeddedRedis(tmp_path) as servers:
            assert sorted(servers.ports.values()) == sorted(chosen[1])
    assert len(chosen) == 2


async def test_a_port_in_use_is_named(shared_redis: EmbeddedRedis, tmp_path: Path) -> None:
    taken = shared_redis.ports["redis-1"]
    servers = EmbeddedRedis(tmp_path, ports=[taken, *range(19001, 19006)])
    with pytest.raises(EmbeddedRedisError, match=f"port {taken} is in use"):
        await servers.start()
