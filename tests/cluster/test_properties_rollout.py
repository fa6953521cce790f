"""A rollout with surge moves each client once, at the fleet's rate, whenever the operator dies meanwhile."""

from functools import partial

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.cluster.designs import KILL, SEEDS, clients_of, fleets
from tests.cluster.fleets import Design
from tests.cluster.runs import STRIDE, runs
from tests.cluster.scenes import nobody_lost, one_hop, rollout, stage_of
from tests.cluster.stage import Kill, Stage


@runs(few=3)
@given(fleets(), SEEDS, st.floats(0.05, 1.0), st.lists(KILL, max_size=2))
def test_each_client_moves_once(design: Design, seed: int, share: float, kills: list[Kill]) -> None:
    stage = stage_of(design, seed)
    stage.play(partial(rollout, clients=clients_of(design, share), kills=kills))
    note(stage.picture())
    assert one_hop(stage) == []


@pytest.mark.slow
@pytest.mark.parametrize("after_the_work", [False, True])
def test_each_client_moves_once_whichever_effect_was_the_operators_last(after_the_work: bool) -> None:
    """Killed at its first call, its second, and so on, until a rollout comes to its end without."""
    design = Design(pods=3, most=4, capacity=50)
    for at_call in range(1, 400, STRIDE):
        stage = stage_of(design, seed=at_call)
        stage.play(partial(rollout, clients=40, kills=[Kill(at_call, after_the_work)]))
        assert one_hop(stage) == [], f"killed at call {at_call}"
        if not stage.kills:
            return
    raise AssertionError("the operator calls without end")


@runs(few=2, share=0.3)
@given(fleets(least=2), SEEDS, st.floats(0.05, 1.0))
def test_without_an_operator_pods_start_serve_and_drain(design: Design, seed: int, share: float) -> None:
    """More hops than one, then; nobody is lost all the same."""

    async def scene(stage: Stage) -> None:
        await stage.open(clients_of(design, share))
        stage.upgrade("2")
        await stage.rolled()

    stage = stage_of(design, seed)
    stage.play(scene)
    assert nobody_lost(stage) == []
    assert stage.crowd.connected == len(stage.crowd.devices)
    assert all(device.hops >= 1 for device in stage.crowd.devices)


@pytest.mark.slow
@runs(few=3, share=0.3)
@given(fleets(least=2), SEEDS, st.floats(0.05, 0.8), st.floats(1.0, 100.0))
def test_going_back_midway_loses_nobody_and_ends_whole(
    design: Design, seed: int, share: float, after_s: float
) -> None:
    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(clients_of(design, share))
        stage.upgrade("2")
        end = stage.world.now + after_s
        await stage.until(lambda: stage.world.now >= end)
        stage.upgrade("1")
        await stage.rolled()

    stage = stage_of(design, seed)
    stage.play(scene)
    assert nobody_lost(stage) == []
    assert max(device.hops for device in stage.crowd.devices) <= 2
