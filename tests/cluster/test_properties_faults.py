"""What the operator does when it cannot know, cannot meet the budget, or was away:

As little harm as can be.
"""

import asyncio
import math
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from tests.cluster.cluster import NAMESPACE
from tests.cluster.designs import SEEDS, clients_of, fleets
from tests.cluster.fleets import Design, connection_pods
from tests.cluster.kinds import PODS
from tests.cluster.kubelet import TOLERATED, UNHEARD
from tests.cluster.losses import report
from tests.cluster.objects import is_going, name_of
from tests.cluster.runs import STRIDE, runs
from tests.cluster.scenes import (
    by_any_hand,
    deadlines_kept,
    no_traces,
    nobody_lost,
    only_empty_pods_went,
    rate_kept,
    shrink,
    shrunk,
    stage_of,
    wanted,
)
from tests.cluster.stage import Kill, Stage
from tests.cluster.test_properties_scaling import scaled

MANAGER = "continuo-operator"

WHY = {"silent": "CensusStale", "redis": "RedisAway", "unready": "PodsUnready"}


def blind(stage: Stage, how: str, on: bool) -> None:
    """Take the operator's sight, or give it back."""
    pods = list(connection_pods(stage.cluster).values())
    if how == "redis":
        stage.budget.away = on
    for number, pod in enumerate(pods):
        if how == "silent" and number == 0:
            pod.silent = on
        if how == "unready" and number % 2 == 0:
            pod.flapping = on


@pytest.mark.slow
@runs(few=3, share=0.2)
@given(SEEDS, st.sampled_from(["silent", "redis", "unready"]))
def test_a_fleet_it_cannot_see_is_not_shrunk(seed: int, how: str) -> None:
    design = scaled(Design(pods=4, most=6, capacity=50))

    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(75)
        blind(stage, how, on=True)
        await asyncio.sleep(15.0)
        stage.crowd.become(10)
        size = stage.size
        await asyncio.sleep(240.0)
        assert stage.size == size
        assert stage.cordons() == []
        says = stage.fleet_condition("ScalingActive")
        assert says is not None
        assert (says["status"], says["reason"]) == ("False", WHY[how])
        blind(stage, how, on=False)
        await stage.until(lambda: stage.size == wanted(design, 10))

    stage = stage_of(design, seed)
    stage.play(scene)
    assert nobody_lost(stage) == []


FULL = Design(pods=4, most=6, capacity=50, fleet_rate=10, window_s=5)
"""One pod may be emptied at a time."""


@pytest.mark.slow
@runs(few=3, share=0.2)
@given(SEEDS)
def test_a_lost_node_adds_no_pod_and_does_not_hold_the_fleet_for_ever(seed: int) -> None:
    """So many clients that one more would need a fifth pod; nobody takes the node's object away."""
    design = scaled(FULL)
    lost: list[str] = []

    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(83)
        lost.extend(lose_a_node(stage))
        await stage.until(lambda: stage.crowd.connected == 83)
        await stage.rest(UNHEARD + TOLERATED + design.grace + 60.0)
        assert stage.ready_pods() == 4
        assert [size for _, size in stage.sizes if size > 4] == []
        stage.crowd.become(10)
        await stage.until(lambda: stage.size == wanted(design, 10))

    stage = stage_of(design, seed)
    stage.play(scene)
    assert only_empty_pods_went(stage) == []
    assert all(is_going(stage.store.get(PODS, NAMESPACE, name)) for name in lost)


def lose_a_node(stage: Stage) -> list[str]:
    """A node with connection pods on it; their names."""
    pods = [stage.store.get(PODS, NAMESPACE, name) for name in connection_pods(stage.cluster)]
    node = pods[0]["spec"]["nodeName"]
    stage.cluster.kubelets.lose_node(node)
    return [name_of(pod) for pod in pods if pod["spec"]["nodeName"] == node]


TIGHT = Design(pods=4, most=5, capacity=100, pod_rate=20, window_s=12, scaling={"min": 1})


@pytest.mark.slow
@runs(few=4, share=0.3)
@given(SEEDS, st.integers(2, 5), st.integers(-6, 2))
def test_a_budget_that_does_not_fit_is_told_first_and_deadlines_hold(
    seed: int, pods: int, beside: int
) -> None:
    """All of a rollout's pods drain in one window, whatever the fleet's rate would say.

    beside: closes a second above the least fleet's rate that fits; below 0 it does not.
    """
    least = math.ceil(pods * TIGHT.capacity / TIGHT.drain_s)
    design = replace(TIGHT, pods=pods, fleet_rate=least + beside)

    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(clients_of(design, 1.0))
        stage.told.clear()
        stage.upgrade("2")
        await stage.rolled()

    stage = stage_of(design, seed)
    stage.play(scene)
    first = stage.crowd.closes[0].at
    assert (stage.told.get("BudgetInfeasible", first) < first) == (beside < 0)
    assert [*deadlines_kept(stage), *nobody_lost(stage)] == []
    assert {device.hops for device in stage.crowd.devices} == {1}
    if beside >= 0:
        assert rate_kept(stage) == []


@pytest.mark.parametrize("after_the_work", [False, True])
@pytest.mark.slow
def test_no_cordon_outlives_its_plan_by_more_than_a_loop(after_the_work: bool) -> None:
    """The operator dies at each call of a scale-down in turn, and comes back when the load has come back.

    Seven hundred calls last longer than the whole scale-down.
    """
    design = scaled(Design(pods=3, most=4, capacity=50))
    for at_call in range(1, 700, STRIDE):
        stage = stage_of(design, seed=at_call)

        async def scene(stage: Stage, at_call: int = at_call) -> None:
            stage.operate()
            await stage.open(60)
            await stage.retire()
            stage.operate_once(Kill(at_call, after_the_work))
            stage.crowd.become(10)
            end = stage.world.now + 400.0
            await stage.until(lambda: bool(stage.kills) or stage.world.now > end)
            stage.crowd.become(60 + 20 * (stage.size > 2))
            await asyncio.sleep(20.0)
            stage.operate()
            # One loop to see, and one for each step back: no longer cheap, not drained, an endpoint again.
            await asyncio.sleep(9.0)

        stage.play(scene)
        assert [*no_traces(stage), *nobody_lost(stage)] == [], f"killed at call {at_call}"


@runs(few=1, share=0.2)
@given(fleets(), SEEDS)
def test_at_rest_it_writes_nothing(design: Design, seed: int) -> None:
    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(clients_of(design, 0.7), settle_s=200.0)
        stage.store.writes.clear()
        await asyncio.sleep(600.0)

    stage = stage_of(scaled(design, min=design.pods), seed)
    stage.play(scene)
    assert {key: count for key, count in stage.store.writes.items() if key[1] == MANAGER} == {}


@pytest.mark.slow
@runs(few=2, share=0.2)
@given(fleets(), SEEDS, st.floats(0.1, 1.0))
def test_helm_upgrade_never_changes_the_number_of_pods(design: Design, seed: int, share: float) -> None:
    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(clients_of(design, share), settle_s=120.0)
        stage.sizes.clear()
        for version in "234":
            stage.upgrade(version)
            await asyncio.sleep(5.0)
        await stage.rolled()

    stage = stage_of(scaled(design, min=design.pods), seed)
    stage.play(scene)
    assert len(stage.sizes) <= 1, stage.sizes


SHRINKING = Design(pods=2, most=3, capacity=50, pod_rate=5, fleet_rate=40, warm_up=(1.0, 8.0))
"""Its blows last so long that its own window for a scale-down has passed when it is looked at."""


@runs(few=2, share=0.5)
@given(
    fleets(least=2),
    SEEDS,
    st.floats(0.1, 0.8),
    st.lists(st.sampled_from(["delete", "crash", "node", "rollout"]), min_size=1, max_size=4),
)
@example(SHRINKING, 77, 0.25, ["crash", "rollout", "delete", "rollout"])
def test_whatever_befalls_pods_everybody_is_connected_again(
    design: Design, seed: int, share: float, blows: list[str]
) -> None:
    """Losses that nobody announced are counted and told, not bounded: a dead node says no goodbye."""
    stage = stage_of(design, seed)
    stage.play(partial(by_any_hand, clients=clients_of(design, share), blows=blows))
    event(f"unplanned losses: {'some' if stage.crowd.unplanned else 'none'}")
    report(stage.crowd.unplanned, len(stage.crowd.devices))
    assert no_traces(stage) == []
    if not {"crash", "node"} & set(blows):
        assert nobody_lost(stage) == []


@pytest.mark.slow
@runs(few=2, share=0.1)
@given(SEEDS, st.floats(0.1, 0.4))
def test_a_wrong_victim_costs_nobody_a_place_unannounced(seed: int, left: float) -> None:
    """In the moment of the scaling the emptied pod counts as ready, and the busiest does not: it goes."""
    design = scaled(Design(pods=4, most=5, capacity=50))
    stage = stage_of(design, seed)
    stage.wrong_victim = True
    stage.cluster.replicasets.cache.lag = (0.0, 0.0)
    stage.play(partial(shrink, clients=75, left=int(75 * left), adversary=True))
    assert only_empty_pods_went(stage) != []
    assert "VictimMismatch" in stage.told
    assert [fault for fault in shrunk(stage, int(75 * left)) if "taken away" not in fault] == []
