"""The sums of draining, with the examples of the design."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuo_operator import arithmetic


def test_the_design_s_example():
    assert arithmetic.drain_seconds(capacity=5000, pod_rate=100, fleet_rate=200, pods=1) == 50
    assert arithmetic.drain_seconds(capacity=5000, pod_rate=100, fleet_rate=200, pods=10) == 250
    times = arithmetic.times(capacity=5000, pod_rate=100, fleet_rate=200, max_pods=10, propagation=5)
    assert (times.drain, times.grace, times.min_ready) == (250, 272, 280)
    assert (times.progress_deadline, times.helm_timeout) == (280 + 60 + 272, 280 + 60 + 272 + 60)


@pytest.mark.parametrize(
    ("surge", "batches"), [("100%", 1), (20, 1), ("50%", 2), (9, 2), ("25%", 4), (1, 10)]
)
def test_helm_waits_for_every_batch_of_a_rollout(surge, batches):
    numbers = {"capacity": 5000, "pod_rate": 100, "fleet_rate": 200, "max_pods": 10, "propagation": 5}
    times = arithmetic.times(**numbers, surge=surge)
    assert times.helm_timeout == batches * (280 + 60) + 272 + 60
    assert times.progress_deadline == 280 + 60 + 272


def test_a_short_drain_still_leaves_a_rollout_the_time_to_pull_its_images():
    """Helm takes a passed progress deadline for the end: it waits longer than that, whatever the drain."""
    times = arithmetic.times(capacity=200, pod_rate=50, fleet_rate=100, max_pods=4, propagation=2)
    assert times.progress_deadline == arithmetic.MIN_PROGRESS_S == 600
    assert times.helm_timeout == 600 + 60


def test_what_does_not_fit_is_refused_with_the_sum():
    with pytest.raises(
        arithmetic.Infeasible, match=r"= 1022 s is more than maxGraceSeconds 600.*40\*5000/200"
    ):
        arithmetic.times(capacity=5000, pod_rate=100, fleet_rate=200, max_pods=40, propagation=5)


@given(
    st.integers(1, 10**5),
    st.integers(1, 10**4),
    st.integers(1, 10**4),
    st.integers(1, 100),
    st.integers(0, 60),
)
def test_a_grace_always_holds_everything_that_happens_in_it(
    capacity, pod_rate, fleet_rate, pods, propagation
):
    try:
        times = arithmetic.times(
            capacity=capacity,
            pod_rate=pod_rate,
            fleet_rate=fleet_rate,
            max_pods=pods,
            propagation=propagation,
        )
    except arithmetic.Infeasible:
        assert max(capacity / pod_rate, pods * capacity / fleet_rate) + propagation > 600 - 17 - 1
        return
    assert times.drain >= capacity / pod_rate
    assert times.drain >= pods * capacity / fleet_rate
    assert times.grace > arithmetic.PRE_STOP_S + propagation + times.drain + arithmetic.FLUSH_S
    assert times.grace <= 600


@pytest.mark.parametrize(
    ("connections", "pods"), [(0, 0), (1, 1), (1666, 1), (1667, 2), (3333, 2), (3334, 3), (20000, 12)]
)
def test_pods_hold_the_connections_and_the_headroom(connections, pods):
    assert arithmetic.pods_needed(connections=connections, headroom_percent=20, target=2000) == pods


@pytest.mark.parametrize(
    ("pods", "surge", "hops"),
    [
        (10, 10, 1.0),
        (10, 20, 1.0),
        (10, 1, 1.594),
        (10, 3, 1.417),
        (10, 4, 1.352),
        (10, 6, 1.24),
        (10, 9, 1.09),
        (4, 1, 1.441),
        (1, 1, 1.0),
        (0, 1, 0.0),
    ],
)
def test_expected_hops(pods, surge, hops):
    assert arithmetic.expected_hops(pods=pods, surge=surge) == pytest.approx(hops, abs=0.001)


def test_the_last_batch_of_a_rollout_may_be_a_small_one():
    """Clients told one by one where to go: the mean of many is what is promised."""
    dice = random.Random(7)
    pods, surge, clients = 10, 3, 4000
    moves = 0
    for _ in range(clients):
        place, new = dice.randrange(pods), 0
        while new < pods:
            batch = range(new, min(new + surge, pods))
            new = batch.stop
            if place in batch:
                moves += 1
                landed = dice.randrange(pods)
                place = landed if landed >= new else -1
    assert moves / clients == pytest.approx(arithmetic.expected_hops(pods=pods, surge=surge), abs=0.03)


@pytest.mark.parametrize(("surge", "pods"), [("100%", 5), ("25%", 2), (3, 3), ("0%", 0)])
def test_a_surge_in_percent_is_rounded_up(surge, pods):
    assert arithmetic.surge_pods(surge, 5) == pods


def test_how_many_drains_fit_the_rate():
    assert arithmetic.fitting_drains(capacity=5000, fleet_rate=200, window=265) == 10
    assert arithmetic.fitting_drains(capacity=5000, fleet_rate=10, window=265) == 0
