"""One operator acts at a time: the Lease is taken when it is free, kept while renewed, and left in time."""

import pytest

from continuo_operator.lease import LeaseGuard
from continuo_operator.ports import Conflict, Kind
from services.shared.runtime.clock import FakeClock
from tests.support.small_cluster import SmallCluster


@pytest.fixture
def cluster() -> SmallCluster:
    return SmallCluster([])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def guard(cluster: SmallCluster, clock: FakeClock, identity: str) -> LeaseGuard:
    return LeaseGuard(cluster, clock, name="lease", identity=identity, duration_s=15)


def holder(cluster: SmallCluster) -> str:
    return cluster.object(Kind.LEASES, "lease")["spec"]["holderIdentity"]


async def test_the_first_takes_it_and_the_second_does_not(cluster: SmallCluster, clock: FakeClock):
    one, two = guard(cluster, clock, "one"), guard(cluster, clock, "two")
    assert not one.held
    await one.step()
    await two.step()
    assert (one.held, two.held, holder(cluster)) == (True, False, "one")


async def test_who_cannot_renew_stops_before_another_can_begin(cluster: SmallCluster, clock: FakeClock):
    one, two = guard(cluster, clock, "one"), guard(cluster, clock, "two")
    await one.step()
    await two.step()
    clock.advance(11)
    assert not one.held
    await two.step()
    assert not two.held
    clock.advance(4)
    await two.step()
    assert (two.held, holder(cluster)) == (True, "two")
    assert cluster.object(Kind.LEASES, "lease")["spec"]["leaseTransitions"] == 1


async def test_a_renewed_lease_is_nobody_else_s_however_long_it_lasts(
    cluster: SmallCluster, clock: FakeClock
):
    one, two = guard(cluster, clock, "one"), guard(cluster, clock, "two")
    for _ in range(20):
        await one.step()
        await two.step()
        assert (one.held, two.held) == (True, False)
        clock.advance(5)


async def test_another_s_lease_is_timed_by_our_own_clock(cluster: SmallCluster, clock: FakeClock):
    late = FakeClock(now_ms=clock.now_ms() + 3_600_000)
    one, two = guard(cluster, clock, "one"), guard(cluster, late, "two")
    await one.step()
    await two.step()
    assert not two.held


async def test_of_two_that_take_it_at_once_one_succeeds(cluster: SmallCluster, clock: FakeClock):
    await guard(cluster, clock, "dead").step()
    two, three = guard(cluster, clock, "two"), guard(cluster, clock, "three")
    await two.step()
    await three.step()
    clock.advance(16)
    stale = await cluster.get(Kind.LEASES, "lease")
    await two.step()
    version = stale["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        await cluster.patch(Kind.LEASES, "lease", {"spec": {}}, resource_version=version)
    await three.step()
    assert (two.held, three.held) == (True, False)


async def test_a_restart_under_the_same_name_goes_on_at_once(cluster: SmallCluster, clock: FakeClock):
    await guard(cluster, clock, "one").step()
    again = guard(cluster, clock, "one")
    await again.step()
    assert again.held


async def test_a_released_lease_is_free_at_once(cluster: SmallCluster, clock: FakeClock):
    one, two = guard(cluster, clock, "one"), guard(cluster, clock, "two")
    await one.step()
    await one.release()
    assert not one.held
    await two.step()
    assert two.held
    await one.release()
    assert holder(cluster) == "two"
