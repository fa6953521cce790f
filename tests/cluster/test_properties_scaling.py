"""The number of pods follows the connections,
without flapping and without costing anybody more than a move.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random

import pytest
from hypothesis import event, given, note
from hypothesis import strategies as st

from tests.cluster.designs import KILL, SEEDS, clients_of, fleets
from tests.cluster.fleets import Design
from tests.cluster.runs import runs
from tests.cluster.scenes import (
    follow,
    nobody_lost,
    only_empty_pods_went,
    reversals,
    shrink,
    shrunk,
    stage_of,
    steady,
    two_at_once,
)
from tests.cluster.stage import Kill, Stage

DOWN_S = 60
SCALING = {"up": {"windowSeconds": 15, "maxStep": 4}, "down": {"windowSeconds": DOWN_S, "maxStep": 1}}


def scaled(design: Design, **scaling: object) -> Design:
    """The same fleet with short windows."""
    return replace(design, scaling={**SCALING, **scaling})


@runs(few=2, share=0.5)
@given(fleets(least=2), SEEDS, st.floats(0.6, 1.0), st.floats(0.0, 0.4), st.lists(KILL, max_size=3))
def test_only_empty_pods_are_taken_away(
    design: Design, seed: int, share: float, left: float, kills: list[Kill]
) -> None:
    design = scaled(design)
    stage = stage_of(design, seed)
    clients = clients_of(design, share)
    rest = int(clients * left)
    stage.play(partial(shrink, clients=clients, left=rest, kills=kills))
    note(stage.picture())
    assert shrunk(stage, rest) == []


@pytest.mark.slow
@runs(few=3, share=0.3)
@given(SEEDS, st.floats(0.002, 0.03), st.booleans())
def test_readiness_that_flaps_makes_no_busy_pod_a_victim(seed: int, flaps: float, adversary: bool) -> None:
    """An unready busy pod comes before a ready one; ours is unready too by then, and cheaper."""
    design = scaled(Design(pods=5, most=6, capacity=50))
    stage = stage_of(design, seed)
    stage.play(partial(shrink, clients=90, left=40, flaps=flaps, adversary=adversary))
    assert [*only_empty_pods_went(stage), *nobody_lost(stage)] == []


SHAPES = ["step", "ramp", "sawtooth", "noise"]
MIDDLE, SWING = 60, 50
ROOMY = Design(pods=2, most=6, capacity=200)
"""One pod holds all there ever are, so nothing that cannot wait comes between two turns."""


def load_of(seed: int, shape: str, period: float) -> Callable[[float], int]:
    """Clients at a moment: a wave about the middle. period: in seconds."""
    dice = Random(seed)

    def load(t: float) -> int:
        phase = (t % period) / period
        wave = {
            "step": 1.0 if phase < 0.5 else -1.0,
            "ramp": math.sin(2 * math.pi * phase),
            "sawtooth": 2 * phase - 1,
            "noise": dice.uniform(-1, 1),
        }[shape]
        return int(MIDDLE + SWING * wave)

    return load


def waved(seed: int, shape: str, period: float) -> Stage:
    stage = stage_of(scaled(ROOMY, targetConnectionsPerPod=20), seed)
    return stage.play(partial(follow, load=load_of(seed, shape, period), seconds=900.0))


@pytest.mark.slow
@runs(few=4, share=0.2)
@given(SEEDS, st.sampled_from(SHAPES), st.floats(DOWN_S, 4.0 * DOWN_S))
def test_the_number_of_pods_turns_at_most_once_in_a_window(seed: int, shape: str, period: float) -> None:
    stage = waved(seed, shape, period)
    event(f"turns: {len(reversals(stage.sizes))}")
    assert [*steady(stage, DOWN_S), *nobody_lost(stage)] == []


@pytest.mark.slow
@pytest.mark.parametrize("period", [150.0, 180.0, 220.0])
def test_turns_stay_a_window_apart_where_the_load_asks_for_more(period: float) -> None:
    """Waves that are low for longer than a window, and high again as soon as pods have gone."""
    stage = waved(1, "step", period)
    assert len(reversals(stage.sizes)) >= 4, stage.sizes
    assert steady(stage, DOWN_S) == []


@pytest.mark.slow
@pytest.mark.parametrize(("clients", "waits"), [(38, False), (30, True)], ids=["nearly full", "room left"])
def test_only_a_fleet_that_is_nearly_full_turns_before_its_window(clients: int, waits: bool) -> None:
    """It has just turned to fewer; of the forty that its one pod may hold, so many come."""

    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(10)
        stage.crowd.become(25)
        await stage.until(lambda: stage.size == 2)
        stage.crowd.become(5)
        await stage.until(lambda: stage.size == 1)
        turned = stage.world.now
        stage.crowd.become(clients)
        await stage.until(lambda: stage.size > 1)
        assert (stage.world.now - turned >= DOWN_S) == waits
        await stage.until(lambda: stage.crowd.connected == clients)

    stage = stage_of(scaled(Design(pods=1, most=6, capacity=40)), seed=1)
    stage.play(scene)
    assert nobody_lost(stage) == []


@pytest.mark.slow
@runs(few=2, share=0.1)
@given(SEEDS)
def test_a_scaling_that_was_an_operators_last_call_is_known_to_the_next(seed: int) -> None:
    """Its moment, which nobody wrote into the status, and its way: the turn back waits for its window."""

    async def scene(stage: Stage) -> None:
        stage.operate()
        await stage.open(60)
        await stage.retire()
        stage.operate([Kill(at_scale=1)])
        stage.crowd.become(10)
        await stage.until(lambda: stage.kills == 1)
        turned, size = stage.world.now, stage.size
        stage.crowd.become(60)
        await stage.until(lambda: abs((stage.last_scale() or 0.0) - turned) <= 1.0, within_s=20.0)
        await stage.until(lambda: stage.size > size)
        assert stage.world.now - turned >= DOWN_S

    stage = stage_of(scaled(replace(ROOMY, pods=3), targetConnectionsPerPod=20, min=2), seed)
    stage.play(scene)
    assert nobody_lost(stage) == []


@pytest.mark.slow
@runs(few=3, share=0.3)
@given(SEEDS, st.integers(1, 3), st.floats(5.0, 90.0))
def test_two_operators_never_take_a_pod_twice(seed: int, write: int, stall: float) -> None:
    design = scaled(Design(pods=5, most=6, capacity=50))
    stage = stage_of(design, seed)
    stage.play(partial(two_at_once, clients=95, left=30, stall=(write, stall)))
    assert shrunk(stage, 30) == []
