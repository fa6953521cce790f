"""A process that writes a thread is frozen and wakes up after its lease went: nothing it does lands."""

from pathlib import Path
from typing import Any

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from tests.support.savers import GrantedRights, fresh_thread
from tests.support.thread_faults import digest
from tests.support.thread_faults_child import Putting, Writing
from tests.support.thread_faults_turns import Right, threads_of

DOINGS = ("put", "writes", "drop", "delete")


async def woken_too_late(
    redis: EmbeddedRedis, bus: Bus, folder: Path, *fence: str
) -> list[tuple[str, str, Any, Any]]:
    """What the process was asked to do when it woke up, how that ended, and the thread before and after."""
    thread, done = fresh_thread(), []
    lease = await GrantedRights(bus).lease(thread)
    async with Writing(redis, folder, "puts", thread, lease, *fence) as writing:
        await writing.said("put one")
        writing.child.freeze()
        successor = Right(await GrantedRights(bus).lease(thread))
        putting = Putting(threads_of(bus.checkpoints).writer(successor, {}, lambda _: None), thread)
        for _ in range(2):
            await putting.put()
        before = await digest(bus, thread)
        writing.ask("woken")
        writing.child.thaw()
        await writing.said("awake")
        for doing in DOINGS:
            if fence:  # a put that was under way when it froze has landed by now
                before = await digest(bus, thread)
            writing.ask(doing)
            ended = (await writing.said(f"{doing}:")).removeprefix(f"{doing}: ")
            done.append((doing, ended, before, await digest(bus, thread)))
    return done


async def test_no_write_of_a_process_that_lost_its_lease_in_its_sleep_lands(
    shared_redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    for doing, ended, before, after in await woken_too_late(shared_redis, bus, tmp_path):
        assert ended == "LeaseLost", doing
        assert after == before, doing


async def test_without_the_fence_each_of_them_would_land(
    shared_redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    """The control: the same, with scripts that take everybody for the owner."""
    for doing, ended, before, after in await woken_too_late(shared_redis, bus, tmp_path, "unfenced"):
        assert ended == "landed", doing
        assert after != before, doing


async def test_the_fence_is_in_every_script_that_writes_a_thread() -> None:
    """So that what was tried here holds for all."""
    folder = Path(__file__).parents[2] / "services/shared/bus/lua"
    writing = [
        path for path in folder.glob("thread_*.lua") if "lease" in path.read_text().partition("\nlocal ")[0]
    ]
    assert {path.stem for path in writing} >= {"thread_put", "thread_writes", "thread_drop", "thread_delete"}
    for path in folder.glob("thread_*.lua"):
        code = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("--"))
        writes = any(word in code for word in ("'HSET'", "'ZADD'", "'HDEL'", "'ZREM'", "'DEL'", "'RESTORE'"))
        assert not writes or "if not is_owner() then return lease_lost() end" in code, path.name
