"""The operator may die between any two effects: another goes on, and the end is the same."""

from collections.abc import Callable

import pytest

from continuo_operator.apply import Applier
from continuo_operator.decide import decide
from continuo_operator.gather import Gatherer
from continuo_operator.labels import ACCEPTS, COST, COST_AT, COST_PLAN, PLAN
from continuo_operator.ports import Kind
from continuo_operator.snapshot import Policy
from tests.support.fleet_snapshots import SMALL
from tests.support.small_cluster import SmallCluster

POLICY = Policy()
QUICK = SMALL | {"scaling": {**SMALL["scaling"], "down": {"windowSeconds": 10, "maxStep": 2}}}
ENOUGH = 90


class Dead(BaseException):
    """The process was killed here."""


async def run(cluster: SmallCluster, dies_before: int | None = None, until: int = ENOUGH) -> int:
    """Loops of two seconds; at the n-th effect the operator dies and a new one, knowing nothing, goes on."""
    effects = 0

    def may_act() -> bool:
        nonlocal effects
        effects += 1
        if effects - 1 == dies_before:
            raise Dead
        return True

    gatherer = Gatherer(cluster, cluster, POLICY)
    for _ in range(until):
        try:
            await loop(cluster, gatherer, may_act)
        except Dead:
            gatherer = Gatherer(cluster, cluster, POLICY)
        cluster.advance(2)
    return effects


async def loop(cluster: SmallCluster, gatherer: Gatherer, may_act: Callable[[], bool] = lambda: True) -> None:
    snapshot = await gatherer.snapshot("default", cluster.now)
    assert snapshot is not None
    await Applier(cluster, cluster, POLICY, may_act).apply(snapshot, decide(snapshot, POLICY, cluster.now))


def traces(cluster: SmallCluster) -> list[str]:
    """What drains leave on pods, if they leave anything."""
    found = []
    for name, pod in cluster.pods().items():
        notes = pod["metadata"].get("annotations") or {}
        found += [f"{name} {note}" for note in (PLAN, COST, COST_PLAN, COST_AT) if note in notes]
        found += [name] if pod["metadata"]["labels"][ACCEPTS] != "yes" else []
        found += [name] if cluster.processes[name].cordoned else []
    return found


async def test_a_fleet_shrinks_to_what_it_needs_and_loses_nobody_unasked():
    cluster = SmallCluster([60, 10, 30], spec=QUICK)
    await run(cluster)
    assert [name for name, _ in cluster.deaths] == ["pod-1", "pod-2"]
    assert {left for _, left in cluster.deaths} == {0}
    assert traces(cluster) == []


async def test_at_rest_nothing_is_written():
    cluster = SmallCluster([90, 90])
    await run(cluster, until=5)
    before = len(cluster.writes)
    await run(cluster, until=100)
    assert cluster.writes[before:] == []


async def test_wherever_it_dies_the_end_is_the_same():
    whole = SmallCluster([60, 10, 30], spec=QUICK)
    effects = await run(whole)
    assert effects > 15
    for dies in range(effects):
        cluster = SmallCluster([60, 10, 30], spec=QUICK)
        await run(cluster, dies)
        assert cluster.deaths == whole.deaths, dies
        assert traces(cluster) == [], dies


async def test_wherever_it_dies_a_rise_of_load_brings_the_victim_back_and_adds_no_pod():
    for dies in (None, *range(20)):
        cluster = SmallCluster([60, 90], spec=QUICK | {"scaling": {**QUICK["scaling"], "max": 2}})
        cluster.processes["pod-1"].connections = 40
        await run(cluster, until=9)
        assert cluster.processes["pod-1"].cordoned
        cluster.processes["pod-0"].connections = 150
        await run(cluster, dies)
        assert cluster.deaths == [], dies
        assert sorted(cluster.pods()) == ["pod-0", "pod-1"], dies
        assert traces(cluster) == [], dies


async def test_a_write_that_came_second_fails_and_takes_its_event_along():
    cluster = SmallCluster([0], spec=QUICK | {"scaling": {**QUICK["scaling"], "min": 3}})
    gatherer = Gatherer(cluster, cluster, POLICY)
    await loop(cluster, gatherer)
    snapshot = await gatherer.snapshot("default", cluster.now)
    assert snapshot is not None
    plan = decide(snapshot, POLICY, cluster.now)
    await cluster.patch(Kind.DEPLOYMENTS, "continuo-connection", {"metadata": {"labels": {"x": "y"}}})
    applied = await Applier(cluster, cluster, POLICY).apply(snapshot, plan)
    assert [type(effect).__name__ for effect, _ in applied.failed] == ["Scale"]
    assert {type(effect).__name__ for effect in applied.left_out} == {"EmitEvent"}
    assert len(cluster.pods()) == 1


@pytest.mark.parametrize("after", [0, 1])
async def test_without_the_lease_nothing_more_is_done(after: int):
    cluster = SmallCluster([0], spec=QUICK | {"scaling": {**QUICK["scaling"], "min": 3}})
    asked = 0

    def may_act() -> bool:
        nonlocal asked
        asked += 1
        return asked <= after

    await loop(cluster, Gatherer(cluster, cluster, POLICY), may_act)
    assert len(cluster.writes) == after
