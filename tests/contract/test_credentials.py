"""The password of Redis changes under a running process: new connections log in with what is in force."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio

from services.local.embedded import EmbeddedRedis
from services.shared.bus.sentinel import Masters
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.settings import load
from tests.support.open_bus import fresh_user


@pytest.fixture
async def master(shared_redis: EmbeddedRedis) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis(port=shared_redis.ports[shared_redis.master]) as client:
        yield client


async def test_a_password_is_replaced_without_a_restart(
    shared_redis: EmbeddedRedis, master: redis.asyncio.Redis, tmp_path: Path
) -> None:
    user, file = fresh_user("ann"), tmp_path / "password"
    await master.execute_command("ACL", "SETUSER", user, "on", ">first", "~*", "&*", "+@all")
    file.write_text("first\n")
    environ = {
        "CONTINUO_REDIS_SENTINELS": shared_redis.sentinels,
        "CONTINUO_REDIS_USERNAME": user,
        "CONTINUO_REDIS_PASSWORD_FILE": str(file),
    }
    masters = Masters(load(RedisSettings, environ), Metrics())
    try:
        assert await masters.commands.acl_whoami() == user
        await master.execute_command("ACL", "SETUSER", user, ">second")
        file.write_text("second\n")
        await master.execute_command("ACL", "SETUSER", user, "<first")
        await masters.drop()
        assert await masters.commands.acl_whoami() == user
    finally:
        await masters.close()
        await master.execute_command("ACL", "DELUSER", user)
