"""What else happens to the development Redis in its life, with real servers under its own scripts: upgrades
pod by pod under load, restarts of a container, lost memories, pods that stay away.
"""

import asyncio
import functools
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from services.shared.bus import examine
from tests.support.chart_redis import NAME, PODS, ChartRedis
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@asynccontextmanager
async def _group(folder: Path, **settings: object) -> AsyncIterator[ChartRedis]:
    group = ChartRedis(folder / "redis", **settings)  # type: ignore[arg-type]
    try:
        yield group
    finally:
        group.kill(*PODS)


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[ChartRedis]:
    async with _group(tmp_path) as group:
        yield group


async def _speak(group: ChartRedis, acknowledged: set[str], stopped: Callable[[], bool]) -> None:
    """Writes to whoever the Sentinels name, and remembers what a replica confirmed."""
    number = 0
    while not stopped():
        number += 1
        try:
            address = await examine.master_address(list(group.sentinels), NAME)
            assert address is not None
            async with redis.asyncio.Redis(host=address[0], port=address[1], socket_timeout=2) as client:
                await client.set(f"key-{number}", "said")
                if await client.wait(1, 1000) >= 1:
                    acknowledged.add(f"key-{number}")
        except (RedisError, OSError, AssertionError):
            await asyncio.sleep(0.05)


async def test_an_upgrade_pod_by_pod_loses_nothing_that_was_acknowledged(group: ChartRedis) -> None:
    group.start(*PODS)
    await group.settled(could_fail_over=True)
    acknowledged: set[str] = set()
    over = False
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_speak(group, acknowledged, lambda: over))
        masters = []
        for number in reversed(PODS):
            before = len(acknowledged)
            await group.stop(number)
            group.start(number)
            masters.append(await group.settled(could_fail_over=True))
            await eventually(lambda before=before: len(acknowledged) > before, within_s=30)
        over = True
    assert masters == [0, 0, masters[-1]]
    assert masters[-1] != 0
    assert "the master moved" in group.pods[0].hook_log.read_text()
    for number in PODS:
        assert acknowledged <= await group.keys(number)


async def test_what_was_rewritten_survives_and_no_module_is_loaded_twice(group: ChartRedis) -> None:
    group.start(*PODS)
    master = await group.settled()
    async with group.client(master) as client:
        await client.config_set("slowlog-max-len", "77")
        await client.config_rewrite()
    written = (group.pods[master].volume / "redis" / "redis.conf").read_text()
    assert written.count("loadmodule ") == 2
    group.kill(*PODS)
    group.start(*PODS)
    assert await group.settled() == master
    said = await examine.configuration(group.servers[master], "slowlog-max-len", "appendonly")
    assert said == {"slowlog-max-len": "77", "appendonly": "yes"}
    assert {"search", "rejson"} <= (await examine.modules(group.servers[master])).keys()


async def test_a_master_that_restarts_at_once_with_an_older_past_makes_nobody_copy_it(
    group: ChartRedis,
) -> None:
    """Its disk had less than its replicas hold, as after a power cut, and no Sentinel has missed it yet."""
    group.start(*PODS)
    master = await group.settled(could_fail_over=True)
    disk, older = group.pods[master].volume / "redis" / "appendonlydir", group.pods[master].volume / "older"
    shutil.copytree(disk, older)
    await group.write(master, "kept by the replicas")
    group.pods[master].server.kill()
    shutil.rmtree(disk)
    older.rename(disk)
    group.pods[master].server.start()
    assert await group.settled() != master
    for number in PODS:
        assert await group.keys(number) == {"kept by the replicas"}


async def test_sentinels_without_a_memory_find_the_master_by_the_data_servers(group: ChartRedis) -> None:
    group.start(*PODS)
    old = await group.settled(could_fail_over=True)
    group.kill(old)
    await group.settled([pod for pod in PODS if pod != old])
    group.start(old)
    new = await group.settled(could_fail_over=True)
    await group.write(new, "kept")
    group.kill(*PODS)
    for pod in group.pods:
        shutil.rmtree(pod.volume / "sentinel")
    await group.start_one_by_one((old, *(pod for pod in PODS if pod != old)))
    assert await group.settled(could_fail_over=True) == new
    assert await group.keys(old) == {"kept"}


async def test_a_pod_that_comes_back_alone_waits_and_serves_nothing(group: ChartRedis) -> None:
    group.start(*PODS)
    master = await group.settled()
    group.kill(*PODS)
    await group.start_one_by_one([master])
    assert group.pods[master].spoken[-1].startswith("wait ")
    assert await group.masters() == []


async def test_two_replicas_choose_a_master_when_theirs_stays_away(tmp_path: Path) -> None:
    async with _group(tmp_path, patience_s=3) as group:
        group.start(*PODS)
        master = await group.settled()
        await group.write(master, "kept")
        others = [pod for pod in PODS if pod != master]
        group.kill(*PODS)
        group.start(*others)
        new = await group.settled(others)
        for number in others:
            assert await group.keys(number) == {"kept"}
        group.start(master)
        assert await group.settled() == new


async def test_a_name_that_no_longer_resolves_keeps_nobody_from_starting(tmp_path: Path) -> None:
    """The third pod is gone, and its name with it."""
    async with _group(tmp_path, patience_s=5) as group:
        group.start(*PODS)
        master = await group.settled()
        await group.write(master, "kept")
        group.kill(*PODS)
        group.rename(2, "gone.invalid")
        group.start(0, 1)
        await group.settled((0, 1))
        for number in (0, 1):
            assert await group.keys(number) == {"kept"}


# -- disks that have not all that was copied -----------------------------------------------------------------


async def test_a_named_master_whose_disk_lags_behind_its_copy_leaves_the_place_to_one_that_has_all(
    tmp_path: Path,
) -> None:
    """As when it was promoted while the append-only file was being written anew, and then all pods died."""
    async with _group(tmp_path, patience_s=3) as group:
        group.start(*PODS)
        master = await group.settled()
        disk, older = group.pods[master].aof, tmp_path / "older"
        shutil.copytree(disk, older)
        await group.write(master, "kept")
        group.kill(*PODS)
        shutil.rmtree(disk)
        older.rename(disk)
        assert group.pods[master].whole
        group.pods[master].put_aside()
        group.start(*PODS)
        assert await group.settled() != master
        for number in PODS:
            assert await group.keys(number) == {"kept"}
            assert not group.pods[number].aside.exists()


async def test_what_an_earlier_life_put_aside_keeps_nobody_from_beginning(group: ChartRedis) -> None:
    group.start(*PODS)
    master = await group.settled()
    await group.write(master, "kept")
    group.kill(*PODS)
    group.pods[master].put_aside(before_the_manifest_s=10)
    group.start(*PODS)
    assert await group.settled() == master
    assert await group.keys(master) == {"kept"}
    assert not group.pods[master].aside.exists()


async def test_a_replica_that_copies_anew_is_not_to_be_promoted_until_its_disk_has_it_all(
    group: ChartRedis,
) -> None:
    group.start(*PODS)
    master = await group.settled()
    pod = next(number for number in PODS if number != master)
    asked = functools.partial(examine.configuration, group.servers[pod], "replica-priority")

    async def is_electable(whole: bool, priority: str) -> bool:
        return group.pods[pod].whole is whole and (await asked())["replica-priority"] == priority

    await eventually(lambda: is_electable(True, "100"), within_s=30)
    group.pods[pod].put_aside()
    await eventually(lambda: is_electable(False, "0"), within_s=30)
    group.pods[pod].aside.unlink()
    await eventually(lambda: is_electable(True, "100"), within_s=30)
