"""The number of pods follows the connections,
without flapping and without costing anybody more than a move.
"""

import math
from dataclasses import replace
from functools import partial
from random import Random

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.cluster.designs import KILL, SEEDS, clients_of, fleets
from tests.cluster.fleets import Design
from tests.cluster.runs import runs
from tests.cluster.scenes import (
    follow,
    nobody_lost,
    only_empty_pods_went,
    shrink,
    shrunk,
    stage_of,
    steady,
    two_at_once,
)
from tests.cluster.stage import Kill

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


@pytest.mark.slow
@runs(few=3, share=0.2)
@given(SEEDS, st.sampled_from(["step", "ramp", "sawtooth", "noise"]), st.floats(20.0, 400.0))
def test_the_number_of_pods_turns_at_most_once_in_a_window(seed: int, shape: str, period: float) -> None:
    design = scaled(Design(pods=2, most=6, capacity=40))
    dice = Random(seed)
    middle, swing = 60, 50

    def load(t: float) -> int:
        phase = (t % period) / period
        wave = {
            "step": 1.0 if phase < 0.5 else -1.0,
            "ramp": math.sin(2 * math.pi * phase),
            "sawtooth": 2 * phase - 1,
            "noise": dice.uniform(-1, 1),
        }[shape]
        return int(middle + swing * wave)

    stage = stage_of(design, seed)
    stage.play(partial(follow, load=load, seconds=900.0))
    assert [*steady(stage, DOWN_S), *nobody_lost(stage)] == []


@pytest.mark.slow
@runs(few=3, share=0.3)
@given(SEEDS, st.integers(1, 3), st.floats(5.0, 90.0))
def test_two_operators_never_take_a_pod_twice(seed: int, write: int, stall: float) -> None:
    design = scaled(Design(pods=5, most=6, capacity=50))
    stage = stage_of(design, seed)
    stage.play(partial(two_at_once, clients=95, left=30, stall=(write, stall)))
    assert shrunk(stage, 30) == []
