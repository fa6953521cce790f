"""`continuo backup` on real servers: what it takes, what it leaves, and what it never leaves."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from services.local.backup import STALE_S, Backup, NoBackupError
from services.local.embedded import EmbeddedRedis
from services.local.ending import LocalError
from services.shared.bus import examine, snapshot
from services.shared.bus.examine import Access, Address
from services.shared.bus.keys import RESTORING
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.clock import FakeClock, SystemClock
from services.shared.runtime.settings import Secret
from tests.support.machine import continuo
from tests.support.open_bus import open_bus
from tests.support.spoiling_link import Spoil, spoiling_link

HEADER_AND_MORE = 2000
"""So many bytes behind the beginning, every server is in the middle of its data."""


def reached(redis: EmbeddedRedis, **more: Any) -> RedisSettings:
    return RedisSettings(redis_sentinels=tuple(redis.sentinels.split(",")), **more)


def backup(redis: EmbeddedRedis, folder: Path, keep: int = 7, clock: Any = None, **more: Any) -> Backup:
    return Backup(reached(redis, **more), folder, keep, clock or SystemClock())


async def fill(redis: EmbeddedRedis) -> None:
    """More data than is sent at once."""
    async with open_bus(redis) as bus:
        await bus.floor.commands.set("filling", os.urandom(3 << 20))
        await bus.confirmer.tick()


def files(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


@pytest.fixture(params=["by a mark", "by length"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the server says where its data end: up to a mark only to those who know of marks."""
    if request.param == "by length":
        monkeypatch.setattr(snapshot, "_ASKS", snapshot._ASKS[:1])
    return str(request.param)


async def test_it_is_whole_by_either_way_of_sending(
    shared_redis: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    await fill(shared_redis)
    read = {"by a mark": "_until_mark", "by length": "_so_many"}
    taken: list[str] = []
    for name, reader in [(name, getattr(snapshot, name)) for name in read.values()]:
        monkeypatch.setattr(snapshot, name, lambda *a, r=reader, n=name: (taken.append(n), r(*a))[1])
    made = await backup(shared_redis, tmp_path / "to").run()
    assert taken == [read[way]]
    assert files(tmp_path / "to") == {made.name}
    assert made.stat().st_mode & 0o777 == 0o600
    assert made.stat().st_size > 3 << 20


def test_the_command_says_what_it_did(shared_redis: EmbeddedRedis, tmp_path: Path) -> None:
    done = continuo(tmp_path, "backup", "--to", str(tmp_path / "to"), "--sentinels", shared_redis.sentinels)
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = (tmp_path / "to").iterdir()
    [line] = done.stdout.splitlines()
    assert str(made) in line
    assert "checked" in line


async def test_the_newest_stay_and_nothing_else_is_touched(
    shared_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    clock = FakeClock()
    (tmp_path / "a letter.rdb").write_text("no backup")
    made = []
    for _ in range(4):
        made.append(await backup(shared_redis, tmp_path, keep=2, clock=clock).run())
        clock.advance(60)
    assert files(tmp_path) == {made[2].name, made[3].name, "a letter.rdb"}


async def test_what_a_killed_backup_left_goes_after_a_while(
    shared_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    clock = SystemClock()
    young = tmp_path / ".continuo-20260101T000000Z.2.part"
    old = tmp_path / ".continuo-20250101T000000Z.1.part"
    for left in (old, young):
        left.write_text("half")
    past_s = clock.now_ms() / 1000 - STALE_S - 60
    os.utime(old, (past_s, past_s))
    await backup(shared_redis, tmp_path).run()
    assert not old.exists()
    assert young.exists()


async def test_the_replica_that_received_most_is_asked(
    shared_redis: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {shared_redis.address(name): number for number, name in enumerate(shared_redis.replicas, 1)}
    ask = examine.replication

    async def told(server: Address, access: Access = examine.OPEN) -> examine.Replication:
        found = await ask(server, access)
        return examine.Replication(
            found.role, False, True, found.online_replicas, found.master_replid, said.get(server, 99)
        )

    monkeypatch.setattr(examine, "replication", told)
    assert said[await backup(shared_redis, tmp_path)._fullest()] == 2


async def test_a_user_of_its_own_is_enough(own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    told = [
        "-@all",
        "+info",
        "+sync",
        "+replconf",
        "+exists",
        "~{continuo}:restoring",
    ]  # as docs/backup.md says
    rights = ["on", ">open", *told]
    for name in own_redis.replicas:
        async with examine.asking(own_redis.address(name)) as client:
            await client.execute_command("ACL", "SETUSER", "keeper", *rights)
    user = {"redis_username": "keeper", "redis_password": Secret("open")}
    made = await backup(own_redis, tmp_path, **user).run()
    assert made.name in files(tmp_path)
    wrong = {**user, "redis_password": Secret("shut")}
    with pytest.raises(NoBackupError):
        await backup(own_redis, tmp_path / "wrong", **wrong).run()
    assert not (tmp_path / "wrong").exists()


async def test_there_is_none_while_a_restore_is_under_way(
    shared_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with open_bus(shared_redis) as bus:
        await bus.floor.commands.set(RESTORING, "stopped 1")
        await bus.confirmer.tick()
        try:
            with pytest.raises(NoBackupError, match="a restore is under way or was stopped"):
                await backup(shared_redis, tmp_path / "to").run()
        finally:
            await bus.floor.commands.delete(RESTORING)
            await bus.confirmer.tick()
    assert not (tmp_path / "to").exists()
    assert await backup(shared_redis, tmp_path / "to").run()


async def test_without_a_replica_in_step_there_is_none(own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    for name in own_redis.replicas:
        own_redis.kill(name)
    with pytest.raises(NoBackupError, match="no replica is in step"):
        await backup(own_redis, tmp_path).run()
    assert files(tmp_path) == {"redis"}


def cut(before: int, data: bytes) -> bytes | None:
    return None if before > HEADER_AND_MORE else data


def flipped(before: int, data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1]) if before <= HEADER_AND_MORE < before + len(data) else data


@pytest.mark.parametrize(("spoil", "said"), [(cut, "hung up"), (flipped, "check sum")])
async def test_what_breaks_off_or_is_spoiled_leaves_nothing(
    shared_redis: EmbeddedRedis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Spoil,
    said: str,
    way: str,
) -> None:
    await fill(shared_redis)
    before = await backup(shared_redis, tmp_path, clock=FakeClock()).run()
    async with spoiling_link(shared_redis.address(shared_redis.replicas[0]), spoil) as link:
        hurt = backup(shared_redis, tmp_path)

        async def through_the_link() -> Address:
            return link

        monkeypatch.setattr(hurt, "_fullest", through_the_link)
        with pytest.raises(LocalError, match=said):
            await hurt.run()
    assert files(tmp_path) == {before.name}


async def test_one_that_is_stopped_leaves_nothing(
    shared_redis: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shared_redis)
    half = asyncio.Event()

    def note(before: int, data: bytes) -> bytes:
        half.set() if before > HEADER_AND_MORE else None
        return data if before <= HEADER_AND_MORE else b""

    async with spoiling_link(shared_redis.address(shared_redis.replicas[0]), note) as link:
        hurt = backup(shared_redis, tmp_path)

        async def through_the_link() -> Address:
            return link

        monkeypatch.setattr(hurt, "_fullest", through_the_link)
        work = asyncio.create_task(hurt.run())
        await asyncio.wait_for(half.wait(), 20)
        assert len(files(tmp_path)) == 1
        work.cancel()
        await asyncio.wait({work})
    assert work.cancelled()
    assert files(tmp_path) == set()
