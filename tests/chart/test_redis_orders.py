"""The development Redis of the chart, under its own start scripts, stopped and started in every order with
real servers: what was acknowledged is there, one master results, and the Sentinels agree on it.
"""

from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path

import pytest

from services.local.diagnosis import Verdict
from services.local.doctor import examined
from services.shared.bus.settings import RedisSettings
from tests.support.chart_redis import PODS, ChartRedis

pytestmark = pytest.mark.slow


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[ChartRedis]:
    group = ChartRedis(tmp_path / "redis")
    try:
        yield group
    finally:
        group.kill(*PODS)


async def _holds(group: ChartRedis, keys: set[str]) -> None:
    """Every data server has all of these."""
    for number in PODS:
        missing = keys - await group.keys(number)
        assert not missing, (number, missing)


async def _failed_over(group: ChartRedis) -> int:
    """The master's pod dies, another takes over, and it comes back."""
    old = await group.settled(could_fail_over=True)
    group.kill(old)
    await group.settled([pod for pod in PODS if pod != old])
    group.start(old)
    new = await group.settled()
    assert new != old
    return new


async def test_a_new_group_begins_with_pod_0_and_the_doctor_is_content(group: ChartRedis) -> None:
    group.start(*PODS)
    assert await group.settled(could_fail_over=True) == 0
    findings = await examined(RedisSettings(redis_sentinels=group.sentinel_names))
    # What it says of the server that runs here for a Sentinel is not about the chart, which takes another.
    findings = [finding for finding in findings if "is of Valkey 9.1" not in finding.seen]
    assert [finding for finding in findings if finding.verdict is not Verdict.WELL] == []
    assert len(findings) == 3 + 3 * 5 + 2  # the group, each data server, each replica's link


@pytest.mark.parametrize("order", list(permutations(PODS)), ids=str)
async def test_a_new_group_begins_with_pod_0_in_every_order(
    group: ChartRedis, order: tuple[int, ...]
) -> None:
    await group.start_one_by_one(order)
    assert await group.settled() == 0


@pytest.mark.parametrize("failed_over", [False, True], ids=["before a failover", "after a failover"])
async def test_a_group_that_was_killed_comes_back_as_it_was_in_every_order(
    group: ChartRedis, failed_over: bool
) -> None:
    group.start(*PODS)
    master = await _failed_over(group) if failed_over else await group.settled()
    written: set[str] = set()
    for number, order in enumerate(permutations(PODS)):
        written.add(f"key-{number}")
        await group.write(master, f"key-{number}")
        group.kill(*PODS)
        await group.start_one_by_one(order)
        assert await group.settled() == master
        await _holds(group, written)


@pytest.mark.parametrize("failed_over", [False, True], ids=["before a failover", "after a failover"])
@pytest.mark.parametrize("of_master", [False, True], ids=["a replica's volume", "the master's volume"])
async def test_one_volume_may_be_lost_while_all_are_down_in_every_order(
    group: ChartRedis, failed_over: bool, of_master: bool
) -> None:
    group.start(*PODS)
    master = await _failed_over(group) if failed_over else await group.settled()
    written: set[str] = set()
    for number, order in enumerate(permutations(PODS)):
        lost = master if of_master else (master + 1 + number % 2) % 3
        written.add(f"key-{number}")
        await group.write(master, f"key-{number}")
        group.kill(*PODS)
        group.pods[lost].lose_volume()
        await group.start_one_by_one(order)
        before, master = master, await group.settled()
        assert (master != before) == of_master
        await _holds(group, written)
