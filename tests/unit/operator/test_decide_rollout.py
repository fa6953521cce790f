"""A new revision takes over: all at once where it fits, as many as fit where it does not, and back."""

import pytest

from continuo_operator.plan import ClearCost, Drain, EmitEvent, Relabel, Scale, Undrain
from tests.support.fleet_snapshots import (
    NOW,
    condition,
    decided,
    emptying,
    long_down,
    pod,
    snapshot,
    spec,
    told,
)

AT = int(NOW) - 10
TAKEN = f"rollout.new.{AT}"


def olds(count: int, connections: int = 80, **changed):
    return [pod(f"old-{n}", connections, revision="old", **changed) for n in range(count)]


def news(count: int, connections: int = 0, **changed):
    return [pod(f"new-{n}", connections, **changed) for n in range(count)]


def cordoned(plan):
    return [one.pod for one in plan.effects if isinstance(one, Relabel) and not one.accepts]


def test_nobody_leaves_before_the_new_pods_hold_the_demand():
    plan = decided(snapshot(*olds(3), *news(2, ready_since=NOW - 5), replicas=3))
    assert cordoned(plan) == []


def test_all_old_pods_leave_together_when_the_new_ones_fit():
    plan = decided(snapshot(*olds(3), *news(3), replicas=3))
    assert cordoned(plan) == ["old-0", "old-1", "old-2"]
    assert {one.plan for one in plan.effects if isinstance(one, Relabel)} == {f"rollout.new.{int(NOW)}"}
    assert [one.reason for one in plan.effects if isinstance(one, EmitEvent)] == ["RolloutTakeover"]


def test_takeover_percent_asks_for_more_or_less_than_the_demand():
    pods = [*olds(3), *news(2, ready_since=NOW - 5)]
    assert (
        len(cordoned(decided(snapshot(*pods, replicas=3, wants=spec(rollout={"takeoverPercent": 80}))))) == 3
    )


@pytest.mark.parametrize(
    "new",
    [{"ready": False}, {"connections": None}, {"accepts": False, "plan": "node.1"}],
    ids=["not ready", "unknown", "itself leaving"],
)
def test_a_new_pod_that_takes_nobody_is_no_capacity(new):
    held = {"connections": 0} | new
    pods = [*olds(2), pod("new-0", ready_since=NOW - 5, **held), pod("new-1", 0, ready_since=NOW - 5)]
    assert cordoned(decided(snapshot(*pods, replicas=2))) == []


@pytest.mark.parametrize("remembered", [40, None])
def test_an_old_pod_that_crashes_on_and_on_does_not_hold_up_what_mends_it(remembered):
    """Whether this operator remembers its last word or not."""
    crashing = pod("old-x", remembered, revision="old", ready=False, reported=NOW - 60)
    plan = decided(snapshot(*olds(2), crashing, *news(3), replicas=3))
    assert cordoned(plan) == ["old-0", "old-1", "old-x"]
    serving = pod("old-x", remembered, revision="old", reported=NOW - 60)
    assert cordoned(decided(snapshot(*olds(2), serving, *news(3), replicas=3))) == []


def test_nobody_is_moved_while_redis_is_away():
    assert cordoned(decided(snapshot(*olds(2, report={"redis": False}), *news(2), replicas=2))) == []


def test_all_are_drained_together_behind_the_propagation_and_never_made_cheap():
    left = [pod(f"old-{n}", 80, revision="old", accepts=False, plan=TAKEN) for n in range(3)]
    plan = decided(snapshot(*left, *news(3), replicas=3))
    assert [one.pod for one in plan.effects if isinstance(one, Drain)] == ["old-0", "old-1", "old-2"]
    empty = [emptying(f"old-{n}", TAKEN, revision="old") for n in range(3)]
    quiet = decided(snapshot(*empty, *news(3, 80), replicas=3))
    assert [type(one).__name__ for one in quiet.effects] == ["WriteStatus"]


def test_a_smaller_surge_moves_as_many_as_fit_and_says_how_often():
    plan = decided(snapshot(*olds(4), *news(1, ready_since=NOW - 1), replicas=4, max_surge="25%"))
    assert cordoned(plan) == ["old-0"]
    (draining,) = [one for one in told(plan).conditions if one.type == "Draining"]
    assert "1.44 times" in draining.message


def test_where_no_more_new_pods_come_those_that_came_are_used():
    few = news(2, ready_since=NOW - 15)
    assert cordoned(decided(snapshot(*olds(4), *few, replicas=4))) == ["old-0", "old-1"]


def test_a_scale_down_stops_for_a_rollout_and_its_victims_become_part_of_it():
    down = f"down.{AT}"
    victim = emptying("old-v", down, 5, revision="old", cost=-1000, cost_plan=down, cost_at=NOW - 9)
    waiting = decided(
        snapshot(*olds(2), victim, *news(1, ready_since=NOW - 1), replicas=3, status=long_down(1))
    )
    assert not [one for one in waiting.effects if isinstance(one, Scale | Undrain)]
    taking = decided(snapshot(*olds(2), victim, *news(3), replicas=3))
    assert set(cordoned(taking)) == {"old-0", "old-1", "old-v"}
    led = emptying("old-v", TAKEN, revision="old", cost=-1000, cost_plan=down, cost_at=NOW - 9)
    assert ClearCost in [type(one) for one in decided(snapshot(led, *news(1), replicas=1)).effects]


def test_a_rollback_gives_the_revision_it_returns_to_back_before_the_other_leaves():
    back = f"rollout.bad.{AT}"
    ours = [emptying(f"a-{n}", back, 0) for n in range(2)]
    bad = [pod(f"b-{n}", 80, revision="bad") for n in range(2)]
    plan = decided(snapshot(*ours, *bad, replicas=2))
    assert [one.pod for one in plan.effects if isinstance(one, Undrain)] == ["a-0", "a-1"]
    assert cordoned(plan) == []
    returned = decided(snapshot(*[pod(f"a-{n}", 0) for n in range(2)], *bad, replicas=2))
    assert cordoned(returned) == ["b-0", "b-1"]


def test_old_pods_come_back_when_the_new_ones_are_gone():
    left = [emptying(f"old-{n}", TAKEN, 40, revision="old") for n in range(2)]
    plan = decided(snapshot(*left, *news(2, ready=False), replicas=2))
    assert [one.pod for one in plan.effects if isinstance(one, Undrain)] == ["old-0", "old-1"]


def test_one_lost_new_pod_of_many_brings_nobody_back():
    left = [emptying(f"old-{n}", TAKEN, 40, revision="old") for n in range(3)]
    pods = [*left, *news(2), pod("new-2", 0, ready=False)]
    assert not [one for one in decided(snapshot(*pods, replicas=3)).effects if isinstance(one, Undrain)]


def test_a_rate_that_cannot_empty_all_in_time_is_said_before_anybody_leaves():
    wants = spec(drain={"fleetRatePerSecond": 5})
    plan = decided(snapshot(*(pod(name, 80) for name in "abc"), wants=wants))
    assert condition(plan, "BudgetInfeasible") == ("True", "RateTooLow")
    assert cordoned(plan) == []


def test_a_fleet_may_grow_in_the_middle_of_a_rollout():
    wants = spec(scaling={"min": 4})
    plan = decided(snapshot(*olds(2), *news(1), replicas=2, wants=wants))
    assert [one.to_replicas for one in plan.effects if isinstance(one, Scale)] == [4]
