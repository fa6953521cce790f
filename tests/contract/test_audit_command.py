"""`continuo audit` prints JSON lines in order of time, and only those that were asked for."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.audit import AuditEntry
from tests.support.bus_house import fresh, house_of
from tests.support.open_bus import fresh_user

MEMBERS = ["time", "actor", "action", "conversation", "target", "connection", "trace", "code", "times"]


@asynccontextmanager
async def typed(redis: EmbeddedRedis, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.local", "audit", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"CONTINUO_REDIS_SENTINELS": redis.sentinels},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def printed(redis: EmbeddedRedis, *words: str) -> list[dict[str, Any]]:
    async with typed(redis, *words) as process:
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return [json.loads(line) for line in out.splitlines()]


async def a_moment(bus: Bus) -> None:
    """Until Redis' clock shows another millisecond: within one the partitions have no order."""
    now = await bus.audit.now_ms()
    while await bus.audit.now_ms() == now:
        pass


async def test_what_is_asked_for_is_printed_in_order_of_time(shared_redis: EmbeddedRedis, bus: Bus) -> None:
    house, ann, bob = house_of(bus), fresh_user("ann"), fresh_user("bob")
    talk, other = fresh(), fresh()
    for each in (talk, other):
        await house.conversations.create(each, ann, members=[bob])
        await a_moment(bus)
    await bus.audit.note(
        {bus.audit.named(): AuditEntry("denied", bob, other, "conversation.delete", code=403)}
    )
    await a_moment(bus)
    await house.conversations.remove_member(talk, bob, bob)
    lines = await printed(shared_redis, "--since", "1h")
    assert all(list(line) == MEMBERS for line in lines)
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    of_bob = await printed(shared_redis, "--user", bob)
    assert [line["action"] for line in of_bob] == ["member.added"] * 2 + ["denied", "member.removed"]
    assert (of_bob[2]["code"], of_bob[2]["times"], of_bob[2]["target"]) == (403, 1, "conversation.delete")
    assert of_bob[0]["code"] is None
    in_other = await printed(shared_redis, "--conversation", other, "--since", "2020-01-01")
    assert [line["action"] for line in in_other] == ["created", "member.added", "denied"]
    assert await printed(shared_redis, "--user", bob, "--until", "2020-01-01") == []
    assert await printed(shared_redis, "--user", bob, "--since", of_bob[-1]["time"]) == of_bob[-1:]


async def test_a_reader_that_has_gone_is_no_failure(shared_redis: EmbeddedRedis, bus: Bus) -> None:
    """As with `| head`."""
    await house_of(bus).conversations.create(fresh(), fresh_user("ann"))
    command = [sys.executable, "-m", "services.local", "audit"]
    reads, writes = os.pipe()
    os.close(reads)
    environ = os.environ | {"CONTINUO_REDIS_SENTINELS": shared_redis.sentinels}
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=writes, stderr=asyncio.subprocess.PIPE, env=environ
        )
    finally:
        os.close(writes)
    _, complaint = await process.communicate()
    assert (process.returncode, complaint) == (0, b"")


async def test_who_follows_is_told_what_comes(shared_redis: EmbeddedRedis, bus: Bus) -> None:
    house, ann = house_of(bus), fresh_user("ann")
    await house.conversations.create(fresh(), ann)
    async with typed(shared_redis, "--user", ann, "--follow") as process:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            first = json.loads(await process.stdout.readline())
            await house.conversations.create(fresh(), ann)
            second = json.loads(await process.stdout.readline())
    assert first["conversation"] != second["conversation"]
    assert first["time"] < second["time"]


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--user", "a b"), ("--conversation", "x")])
async def test_what_is_typed_wrongly_is_named(shared_redis: EmbeddedRedis, words: tuple[str, str]) -> None:
    async with typed(shared_redis, *words) as process:
        out, _ = await process.communicate()
    assert process.returncode == 2
    assert words[1] in out.decode()
