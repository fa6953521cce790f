"""Presence on fake time: thousands of devices, pods and services that die and freeze, a Redis that pauses.

The invariants are checked after every step (tests/support/presence_world.py). The controls take one rule out
at a time, and the simulation must find that.
"""

import pytest

from services.presence.core.machine import Told
from tests.support.presence_store import Rules
from tests.support.presence_world import ViolationError, World

SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_flaps_nobody_haunts_and_every_leave_is_told_once(seed: int) -> None:
    world = World(seed)
    world.run()
    assert world.told[Told.LEAVE] > 300
    assert len(world.happened) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130))
def test_the_same_with_many_more_seeds(seed: int) -> None:
    World(seed, users=3_000, seconds=200).run()


@pytest.mark.slow
def test_who_comes_back_at_the_last_moment_needs_leaves_to_wait():
    with pytest.raises(ViolationError, match="has left at"):
        World(105, users=3_000, seconds=200, rules=Rules(late_ms=0)).run()


CONTROLS = {
    "leaves are not held back after an interruption": (Rules(leaves_wait=False), "has left at"),
    "a leave is announced on an old judgement": (Rules(fresh_ms=10**9), "has left at"),
    "who came back leaves all the same": (Rules(returns_count=False), "has left at"),
    "no grace": (Rules(grace_ms=0), "has left at"),
    "silence counts while Redis is away": (Rules(step_ms=10**9, settle_ms=0), "has left at"),
    "who sat on a dead pod waits as others do": (Rules(dead_wait_once=False), "nobody was told"),
    "pods are given up late": (Rules(dead_after_ms=15_000), "is listed at"),
    "leases outlive their replicas": (Rules(lease_ms=60_000), "nobody was told|is listed at"),
    "each seat is told as a join": (Rules(joins_are_counted=False), "told twice"),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_a_rule_taken_out_is_missed(control: str) -> None:
    rules, missed = CONTROLS[control]
    with pytest.raises(ViolationError, match=missed):
        _play(rules)


def _play(rules: Rules) -> None:
    for seed in range(12):
        World(seed, users=800, rules=rules).run()
