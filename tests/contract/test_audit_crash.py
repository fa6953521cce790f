"""Who is killed in the midst of its deeds, and the master with it, leaves no deed without its entry, and no
entry without its deed.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from tests.support.bus_house import house_of
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually

HOUSE = Path(__file__).parents[2]


async def struck(redis: EmbeddedRedis, conversation: str, *more: str) -> None:
    """Let a process do its deeds, and kill it in the midst of them."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.audit_child", redis.sentinels, conversation, *more),
        stdout=asyncio.subprocess.PIPE,
        cwd=HOUSE,
    )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(30):
            assert await child.stdout.readline()
    finally:
        child.kill()
        await child.wait()


async def done_and_told(bus: Bus, conversation: str) -> tuple[list[str], list[str]]:
    """The messages that are kept, and those with an entry, each in order."""
    order = bus.floor.keys.conversation(conversation).order
    kept = [each.decode() for each in await bus.floor.commands.zrange(order, 0, -1)]
    entries = bus.audit.export().until(await bus.audit.now_ms() + 1)
    told = [e.target async for e in entries if e.conversation == conversation and e.action == "sent"]
    return kept, told


@pytest.mark.slow
async def test_no_deed_is_without_its_entry_whoever_is_killed(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis) as bus:
        talk = await house_of(bus).conversation()
        await struck(own_redis, talk)
        kept, told = await done_and_told(bus, talk)
        assert len(kept) >= 50
        assert kept == told
        lost = own_redis.master
        own_redis.kill(lost)
        await eventually(lambda: own_redis.master != lost, within_s=30)
        assert await done_and_told(bus, talk) == (kept, told)


async def test_an_entry_written_behind_its_deed_would_be_lost(shared_redis: EmbeddedRedis, bus: Bus) -> None:
    """The control: what the test above looks at does tell."""
    talk = await house_of(bus).conversation()
    await struck(shared_redis, talk, "beside")
    kept, told = await done_and_told(bus, talk)
    assert (len(kept), kept[:-1]) == (50, told)
