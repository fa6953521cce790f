"""Revocations on a real Redis: what is revoked stays so, in any order, through a failover; it is audited."""

from collections.abc import AsyncIterator

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.revocations import AHEAD_MS, KEPT_MS
from services.shared.model.errors import BadRequest
from services.shared.model.revocation import Credential, Revocation
from tests.support.bus_house import fresh
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as opened:
        yield opened


def now_ms(bus: Bus) -> int:
    return bus.floor.clock.now_ms()


async def test_tokens_are_told_apart(bus: Bus) -> None:
    user, other, token, now = fresh(), fresh(), fresh(), now_ms(bus)
    await bus.revocations.revoke(Revocation(token=token), by="tests")
    await bus.revocations.revoke(Revocation(user=user, before_ms=now), by="tests")
    asked = [
        Credential(other, token, now),
        Credential(other, fresh(), 0),
        Credential(user, "", now - 1),
        Credential(user, "", now),
        Credential(user),
    ]
    assert await bus.revocations.revoked(asked) == [True, False, True, False, True]
    assert await bus.revocations.revoked([]) == []


async def test_of_two_times_the_later_one_holds(bus: Bus) -> None:
    user, now = fresh(), now_ms(bus)
    for before in (now - 10, now, now - 20):
        await bus.revocations.revoke(Revocation(user=user, before_ms=before), by="tests")
    assert await bus.revocations.revoked([Credential(user, "", now - 5)]) == [True]


async def test_what_ended_by_itself_is_forgotten_with_the_next_one(bus: Bus) -> None:
    over, known = fresh(), fresh()
    await bus.revocations.revoke(Revocation(token=over), by="tests", until_ms=1)
    await bus.revocations.revoke(Revocation(token=known), by="tests", until_ms=now_ms(bus) + 60_000)
    await bus.revocations.revoke(Revocation(token=fresh()), by="tests")
    asked = [Credential("u", over), Credential("u", known)]
    assert await bus.revocations.revoked(asked) == [False, True]


async def test_users_revoked_too_long_ago_are_forgotten(bus: Bus) -> None:
    old, recent, now = fresh(), fresh(), now_ms(bus)
    await bus.revocations.revoke(Revocation(user=old, before_ms=now - KEPT_MS - 1000), by="tests")
    await bus.revocations.revoke(Revocation(user=recent, before_ms=now - 1000), by="tests")
    assert await bus.revocations.revoked([Credential(old), Credential(recent)]) == [False, True]


@pytest.mark.parametrize(
    "wrong",
    [
        Revocation(),
        Revocation(token="t", user="u", before_ms=1),
        Revocation(token="two words"),
        Revocation(token="x" * 129),
        Revocation(user="no body", before_ms=1),
        Revocation(user="u"),
        Revocation(user="u", before_ms=1 << 50),
    ],
)
async def test_what_names_nothing_is_refused(bus: Bus, wrong: Revocation) -> None:
    with pytest.raises(BadRequest):
        await bus.revocations.revoke(wrong, by="tests")
    assert AHEAD_MS < 1 << 50


async def test_the_audit_log_says_who_did_it(bus: Bus) -> None:
    user, token, by = fresh(), fresh(), fresh()
    await bus.revocations.revoke(Revocation(token=token), by=by)
    await bus.revocations.revoke(Revocation(user=user, before_ms=1), by=by)
    await bus.revocations.disconnect(user, by=by)
    until = await bus.audit.now_ms() + 1000

    async def told() -> bool:
        found = [each async for each in bus.audit.export().until(until) if each.actor == by]
        return [(each.action, each.target) for each in found] == [
            ("revoked", f"token {token}"),
            ("revoked", user),
            ("disconnected", user),
        ]

    await eventually(told)


@pytest.mark.slow
async def test_what_was_acknowledged_survives_the_masters_death(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis) as bus:
        user, token = fresh(), fresh()
        await bus.revocations.revoke(Revocation(token=token), by="tests")
        await bus.revocations.revoke(Revocation(user=user, before_ms=now_ms(bus)), by="tests")
        lost = own_redis.master
        own_redis.kill(lost)
        await eventually(lambda: own_redis.master != lost, within_s=20)

        async def asked() -> bool:
            return await bus.revocations.revoked([Credential("u", token), Credential(user)]) == [True, True]

        await eventually(asked, within_s=20)
