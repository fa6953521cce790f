"""Pods that never get ready: they are the first to go, nobody is moved for them, and the fleet goes on."""

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.cluster.cluster import NAMESPACE
from tests.cluster.designs import SEEDS
from tests.cluster.fleets import Design, connection_pods
from tests.cluster.kinds import NODES, PODS
from tests.cluster.runs import runs
from tests.cluster.scenes import nobody_lost, only_empty_pods_went, stage_of, wanted
from tests.cluster.stage import Stage
from tests.cluster.test_properties_scaling import scaled


async def one_more_than_fits(stage: Stage, design: Design) -> None:
    """The fourth pod is asked for and given up again before anybody is moved; then the fleet shrinks."""
    stage.crowd.become(70)
    await stage.until(lambda: stage.size == 4)
    await stage.rest(30.0)
    stage.crowd.become(60)
    await stage.until(lambda: stage.size == 3)
    await stage.rest(30.0)
    assert stage.crowd.closes == []
    stage.crowd.become(10)
    await stage.until(lambda: stage.size == wanted(design, 10))


@pytest.mark.slow
@runs(few=2, share=0.1)
@given(SEEDS)
def test_a_pod_that_finds_no_node_is_the_first_to_go_and_nobody_is_moved_for_it(seed: int) -> None:
    design = scaled(Design(pods=3, most=5, capacity=50))

    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(60)
        for node in stage.store.all(NODES):
            stage.store.replace(NODES, {**node, "spec": {**node["spec"], "unschedulable": True}})
        await one_more_than_fits(stage, design)

    stage = stage_of(design, seed)
    stage.play(scene)
    assert [*only_empty_pods_went(stage), *nobody_lost(stage)] == []


@pytest.mark.slow
@runs(few=2, share=0.1)
@given(SEEDS)
def test_pods_that_a_quota_forbids_do_not_hold_the_fleet(seed: int) -> None:
    """They are given up at once and nobody is moved for them; then it shrinks as any."""
    design = scaled(Design(pods=3, most=5, capacity=50))

    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(60)
        stage.cluster.replicasets.quota = 3
        await one_more_than_fits(stage, design)

    stage = stage_of(design, seed)
    stage.play(scene)
    assert [*only_empty_pods_went(stage), *nobody_lost(stage)] == []


@pytest.mark.slow
@pytest.mark.parametrize("silent", [False, True])
@runs(few=2, share=0.1)
@given(SEEDS, st.floats(0.2, 20.0))
@example(0, 0.2)
def test_a_pod_that_crashes_again_and_again_does_not_hold_the_fleet(
    silent: bool, seed: int, lives: float
) -> None:
    """Met by an operator that never had a word from it; only its own clients lose a place unannounced.

    lives: seconds from each start to the next crash. silent: its admin port answers in none of them.
    """
    design = scaled(Design(pods=4, most=5, capacity=50))
    broken: list[str] = []

    async def crashes(stage: Stage) -> None:
        while (pod := stage.store.find(PODS, NAMESPACE, broken[0])) is not None:
            stage.cluster.kubelets.crash(pod)
            await stage.until(lambda: broken[0] in connection_pods(stage.cluster) or is_gone(stage))
            for process in filter(None, [connection_pods(stage.cluster).get(broken[0])]):
                process.silent = silent
            await asyncio.sleep(lives)

    def is_gone(stage: Stage) -> bool:
        return stage.store.find(PODS, NAMESPACE, broken[0]) is None

    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(60)
        await stage.retire()
        broken.append(min(connection_pods(stage.cluster)))
        crashing = asyncio.get_running_loop().create_task(crashes(stage))
        await stage.rest(20.0)
        stage.operate()
        stage.crowd.become(10)
        await stage.until(lambda: stage.size == wanted(design, 10))
        crashing.cancel()

    stage = stage_of(design, seed)
    stage.play(scene)
    assert only_empty_pods_went(stage) == []
    assert {each.pod for each in stage.crowd.closes if not each.planned} <= set(broken)
