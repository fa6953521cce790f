"""The doctor looks at real servers: a sound group passes, each thing that breaks a promise is named."""

import redis.asyncio

from services.local.diagnosis import Finding, Verdict
from services.local.doctor import examined
from services.local.embedded import EmbeddedRedis
from services.shared.bus.settings import RedisSettings


async def _findings(servers: EmbeddedRedis) -> list[Finding]:
    return await examined(RedisSettings(redis_sentinels=tuple(servers.sentinels.split(","))))


def _wrong(findings: list[Finding]) -> list[str]:
    return [finding.seen for finding in findings if finding.verdict is Verdict.WRONG]


async def test_the_embedded_redis_has_nothing_wrong(shared_redis: EmbeddedRedis) -> None:
    findings = await _findings(shared_redis)
    assert [finding for finding in findings if finding.verdict is not Verdict.WELL] == []
    assert len(findings) == 3 + 3 * 5 + 2  # the group, each data server, each replica's link


async def test_settings_that_lose_data_are_named_with_their_remedy(own_redis: EmbeddedRedis) -> None:
    async with redis.asyncio.Redis(port=own_redis.ports[own_redis.master]) as client:
        await client.config_set("appendonly", "no")
        await client.config_set("maxmemory-policy", "allkeys-lru")
        await client.config_set("min-replicas-to-write", "0")
    findings = await _findings(own_redis)
    assert len(_wrong(findings)) == 3
    remedies = " ".join(finding.remedy for finding in findings)
    for setting in ("appendonly yes", "maxmemory-policy noeviction", "min-replicas-to-write 1"):
        assert f"CONFIG SET {setting}" in remedies


async def test_dead_replicas_and_a_lost_quorum_are_named(own_redis: EmbeddedRedis) -> None:
    for name in (*own_redis.replicas, "sentinel-1", "sentinel-2"):
        own_redis.kill(name)
    wrong = " ".join(_wrong(await _findings(own_redis)))
    assert "no replica follows the master" in wrong
    assert "does not answer" in wrong


async def test_nobody_at_the_address_is_said_in_words() -> None:
    findings = await examined(RedisSettings(redis_sentinels=("127.0.0.1:19999",)))
    assert [finding.verdict for finding in findings] == [Verdict.WRONG]
    assert "127.0.0.1:19999 does not answer" in findings[0].seen
