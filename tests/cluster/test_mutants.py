"""Each protection taken out must be missed: a run of the same scenes in which some property does not hold.

The same runs with all protections in hold them: without that, a mutant's failure would say nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from continuo_operator.victims import Steps
from tests.cluster.fleets import Design
from tests.cluster.mutants import LateCordon, NoCost, NoPrecondition
from tests.cluster.scenes import one_hop, rollout, shrink, shrunk, stage_of, two_at_once
from tests.cluster.test_properties_scaling import scaled

SEEDS = 40
FLEET = scaled(Design(pods=5, most=6, capacity=50))


def rolls(seed: int, steps: Steps) -> list[str]:
    stage = stage_of(Design(pods=3, most=4, capacity=50), seed, steps)
    return one_hop(stage.play(partial(rollout, clients=60)))


def shrinks(seed: int, steps: Steps) -> list[str]:
    """The busiest pod is not ready in the moment of the scaling, like ours:

    The cost alone tells them apart.
    """
    stage = stage_of(FLEET, seed, steps)
    return shrunk(stage.play(partial(shrink, clients=95, left=30, adversary=True)), 30)


def doubles(seed: int, steps: Steps) -> list[str]:
    """One of two operators stands still between its look and its write, each time for longer."""
    stage = stage_of(FLEET, seed, steps)
    stall = (1, 20.0 + 5.0 * (seed % 8))
    return shrunk(stage.play(partial(two_at_once, clients=95, left=30, stall=stall)), 30)


@dataclass(frozen=True, slots=True)
class Case:
    """A mutant and the scene that shows it."""

    mutant: type[Steps]
    run: Callable[[int, Steps], list[str]]


CASES = [Case(LateCordon, rolls), Case(NoCost, shrinks), Case(NoPrecondition, doubles)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.mutant.__name__)
def test_a_protection_taken_out_is_missed(case: Case) -> None:
    for seed in range(SEEDS):
        if found := case.run(seed, case.mutant()):
            assert case.run(seed, Steps()) == [], f"seed {seed} shows no mutant: {found}"
            return
    raise AssertionError(f"nobody missed what {case.mutant.__name__} takes out")
