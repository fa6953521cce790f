"""What the metrics of the objectives and of the faults say is so, on a real Redis."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.local.embedded import EmbeddedRedis
from services.presence.group import Group
from services.shared import bus as bus_rooms
from services.shared.bus.examine import asking
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.model.errors import LeaseLost
from services.shared.runtime.metrics import FENCED, Metrics
from tests.support.bus_house import house_of
from tests.support.pod import Pod

LUA = Path(bus_rooms.__path__[0]) / "lua"


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"continuo_{name}", labels)


async def test_what_is_shown_to_somebody_is_measured_from_its_time_in_the_journal(bus: Bus) -> None:
    pod, house = Pod(bus), house_of(bus)
    pod.run()
    metrics, conversation = bus.floor.metrics, await house.conversation()
    try:
        await pod.come_and_go(conversation)
    finally:
        await pod.tasks.close()
    assert value(metrics, "delivery_seconds_count", kind="event") == 1.0
    assert value(metrics, "delivery_seconds_count", kind="delta") == 0.0
    # One machine, one clock: it took some time, and less than it took to see it.
    assert value(metrics, "delivery_seconds_bucket", kind="event", le="120.0") == 1.0


async def test_a_write_under_a_lease_that_is_over_is_counted_by_its_script(bus: Bus) -> None:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    with pytest.raises(LeaseLost):
        await bus.leases.release(replace(lease, token=lease.token + 1))
    assert value(bus.floor.metrics, "fenced_total", operation="release") == 1.0


def test_each_script_that_refuses_who_is_no_owner_is_counted_from_nought() -> None:
    """A rate misses what begins at 1, and a picture without a series is taken for a fault of its own."""
    texts = {path.stem: path.read_text() for path in LUA.glob("*.lua")}
    assert set(FENCED) == {name for name, text in texts.items() if "then return lease_lost()" in text}
    assert all(value(Metrics(), "fenced_total", operation=name) == 0.0 for name in FENCED)


async def test_masters_and_replicas_are_counted_as_the_servers_call_themselves(
    own_redis: EmbeddedRedis,
) -> None:
    metrics = Metrics()
    group = Group(RedisSettings(redis_sentinels=tuple(own_redis.sentinels.split(","))), metrics)
    await group.once()
    assert value(metrics, "redis_masters", name="continuo") == 1.0
    assert value(metrics, "redis_replicas", name="continuo") == 2.0
    async with asking(own_redis.address(own_redis.replicas[0])) as client:
        await client.execute_command("REPLICAOF", "NO", "ONE")
    await group.once()
    assert value(metrics, "redis_masters", name="continuo") == 2.0


async def test_no_master_is_counted_as_none_also_when_no_sentinel_answers(own_redis: EmbeddedRedis) -> None:
    metrics = Metrics()
    group = Group(RedisSettings(redis_sentinels=tuple(own_redis.sentinels.split(","))), metrics)
    await group.once()
    await own_redis.stop()
    await group.once()
    assert value(metrics, "redis_masters", name="continuo") == 0.0
    assert group.masters == 0


async def test_a_group_that_was_never_seen_has_no_master() -> None:
    metrics = Metrics()
    await Group(RedisSettings(redis_sentinels=("127.0.0.1:1",)), metrics).once()
    assert value(metrics, "redis_masters", name="continuo") == 0.0
