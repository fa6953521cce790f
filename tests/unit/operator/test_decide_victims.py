"""One pod's way out and back: each step in its order, from what stands on the objects alone."""

import pytest

from continuo_operator.plan import ClearCost, Drain, Effect, EmitEvent, Relabel, SetCost, Undrain
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
DOWN = f"down.{AT}"


def steps(plan, name: str = "b") -> list[Effect]:
    return [one for one in plan.effects if getattr(one, "pod", None) == name]


def labelled(since: int, **changed):
    plan = f"down.{since}"
    return pod("b", 20, accepts=False, plan=plan, **changed)


@pytest.mark.parametrize(("ago", "drained"), [(4, False), (5, True), (60, True)])
def test_a_pod_is_drained_once_nobody_is_sent_to_it_any_more(ago, drained):
    plan = decided(snapshot(pod("a", 10), labelled(int(NOW) - ago), status=long_down(1)))
    (step,) = steps(plan) or (None,)
    assert isinstance(step, Drain) is drained


def test_a_drain_is_given_what_is_left_of_the_deadline():
    (step,) = steps(decided(snapshot(pod("a", 10), labelled(AT), status=long_down(1))))
    assert (step.plan, step.within_s) == (DOWN, 110)


def test_a_rollout_s_drain_whose_deadline_has_passed_is_given_a_second():
    late = pod("b", 20, revision="old", accepts=False, plan=f"rollout.new.{AT - 500}")
    (step,) = steps(decided(snapshot(pod("a", 10), late, replicas=1)))
    assert (type(step), step.within_s) == (Drain, 1)


@pytest.mark.parametrize("kind", ["down", "node"])
def test_what_nobody_hurries_and_did_not_begin_by_its_deadline_is_given_back(kind):
    """Told to empty itself now, it would have a second for all."""
    late = pod("b", 20, accepts=False, plan=f"{kind}.{AT - 500}", node="node-2")
    wants = spec(drainTaintedNodes=True)
    leaving = frozenset({"node-2"})
    plan = decided(snapshot(pod("a", 10), late, status=long_down(1), wants=wants, leaving_nodes=leaving))
    (step,) = steps(plan)
    assert (type(step), step.accepts, step.plan) == (Relabel, True, None)


HINDRANCES = [{"connections": None}, {"report": {"redis": False}}]


@pytest.mark.parametrize("hindrance", HINDRANCES, ids=["CensusStale", "RedisAway"])
@pytest.mark.parametrize("kind", ["down", "node"])
def test_what_left_the_endpoints_before_the_operator_went_blind_is_not_drained(kind, hindrance):
    labelled_one = pod("b", 20, accepts=False, plan=f"{kind}.{AT}", node="node-2")
    pods = [pod("a", 10), labelled_one, pod("c", **hindrance)]
    wants = spec(drainTaintedNodes=True)
    leaving = frozenset({"node-2"})
    plan = decided(snapshot(*pods, status=long_down(1), wants=wants, leaving_nodes=leaving))
    assert not steps(plan)
    seen = decided(snapshot(*pods[:2], pod("c", 10), status=long_down(1), wants=wants, leaving_nodes=leaving))
    assert [type(step) for step in steps(seen)] == [Drain]


@pytest.mark.parametrize("hindrance", HINDRANCES, ids=["CensusStale", "RedisAway"])
def test_old_pods_that_were_led_out_are_drained_blind_too(hindrance):
    """Their end is near whatever the operator sees; told now, they have more time for it."""
    led = pod("b", 20, revision="old", accepts=False, plan=f"rollout.new.{AT}")
    plan = decided(snapshot(pod("a", 10), led, pod("c", **hindrance), replicas=2))
    assert [type(step) for step in steps(plan)] == [Drain]


def test_a_pod_that_forgot_its_plan_in_a_restart_is_told_again():
    forgetful = pod("b", 20, accepts=False, plan=DOWN, report={"cordoned": True, "plan": "down.1"})
    (step,) = steps(decided(snapshot(pod("a", 10), forgetful, status=long_down(1))))
    assert isinstance(step, Drain)


def test_an_emptied_pod_is_made_cheap_and_stamped_with_its_plan():
    (step,) = steps(decided(snapshot(pod("a", 10), emptying("b", DOWN), status=long_down(1))))
    assert isinstance(step, SetCost)
    assert (step.cost, step.plan, step.at, step.resource_version) == (-1000, DOWN, NOW, "rv-b")


@pytest.mark.parametrize("left", [1, 20])
def test_a_pod_that_is_not_empty_is_not_made_cheap(left):
    assert not steps(decided(snapshot(pod("a", 10), emptying("b", DOWN, left), status=long_down(1))))


def test_a_victim_is_given_back_when_the_load_rises_and_no_pod_is_added():
    plan = decided(snapshot(pod("a", 150), emptying("b", DOWN, 20), status=long_down(1)))
    assert [type(step) for step in steps(plan)] == [Undrain]
    assert not [one for one in plan.effects if type(one).__name__ == "Scale"]


def test_the_way_back_clears_the_cost_first_then_undrains_then_lets_in():
    cheap = emptying("b", DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 1)
    busy = pod("a", 150)
    assert [type(one) for one in steps(decided(snapshot(busy, cheap)))] == [ClearCost]
    (undrain,) = steps(decided(snapshot(busy, emptying("b", DOWN))))
    assert (type(undrain), undrain.plan) == (Undrain, DOWN)
    plan = decided(snapshot(busy, labelled(AT)))
    (relabel,) = steps(plan)
    assert (type(relabel), relabel.accepts, relabel.plan) == (Relabel, True, None)
    assert [one.reason for one in plan.effects if isinstance(one, EmitEvent)] == ["DrainCancelled"]


def test_of_several_victims_the_fullest_comes_back():
    pods = [pod("a", 100), emptying("b", DOWN, 5), emptying("c", DOWN, 60)]
    plan = decided(snapshot(*pods, status=long_down(1), wants=spec(scaling={"down": {"maxStep": 2}})))
    assert [type(one) for one in steps(plan, "c")] == [Undrain]
    assert not steps(plan, "b")


@pytest.mark.parametrize(
    "orphan",
    [
        pod("b", accepts=False),
        pod("b", plan="from somebody else", accepts=False),
        pod("b", accepts=False, plan=f"rollout.older.{AT}"),
        pod("b", accepts=False, plan=f"node.{AT}"),
        pod("b", accepts=False, plan="down.1"),
    ],
    ids=[
        "no plan",
        "unreadable",
        "rollout of a revision that is not the newest",
        "node is back",
        "not needed",
    ],
)
def test_what_a_dead_plan_left_is_taken_back(orphan):
    (step,) = steps(decided(snapshot(pod("a", 50), orphan)))
    assert (type(step), step.accepts) == (Relabel, True)


def test_a_cost_that_nobody_follows_is_cleared():
    (step,) = steps(decided(snapshot(pod("a", 50), pod("b", 60, cost=-1000, cost_plan="down.1"))))
    assert isinstance(step, ClearCost)


def test_a_cost_that_another_wrote_is_none_of_ours():
    plan = decided(snapshot(pod("a", 60), pod("b", 60, cost=5)))
    assert [type(one).__name__ for one in plan.effects] == ["WriteStatus"]
    assert not decided(snapshot(pod("a", 60), pod("b", 60, cost=5), status=told(plan)))


def test_a_pod_that_is_cordoned_without_a_plan_is_undrained():
    cordoned = pod("b", 60, report={"cordoned": True, "plan": "down.1"})
    (step,) = steps(decided(snapshot(pod("a", 60), cordoned)))
    assert (type(step), step.plan) == (Undrain, "down.1")


def mismatch(scaled: float):
    spared = emptying("b", DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 6)
    gone = pod("z", 40, deleted=NOW - 2)
    return decided(snapshot(pod("a", 80), spared, gone, replicas=2, scaled_at=scaled))


def test_a_wrong_victim_is_named_and_the_right_one_given_back():
    plan = mismatch(NOW - 3)
    assert condition(plan, "VictimMismatch") == ("True", "OtherPodDeleted")
    assert [type(step) for step in steps(plan)] == [ClearCost]
    assert [one.reason for one in plan.effects if isinstance(one, EmitEvent)] == ["VictimMismatch"]
    later = decided(snapshot(pod("a", 80), pod("b", 40), status=told(plan)), NOW)
    assert condition(later, "VictimMismatch") == ("True", "OtherPodDeleted")
    assert not [one for one in later.effects if isinstance(one, EmitEvent)]


def test_an_eviction_before_the_scale_is_no_wrong_victim():
    assert condition(mismatch(NOW - 60), "VictimMismatch") == ("False", "AsPlanned")


def test_pods_on_a_node_that_leaves_are_drained_only_if_asked_for():
    pods = [pod("a", 50), pod("b", 50, node="node-2"), pod("c", 50)]
    leaving = frozenset({"node-2"})
    assert not steps(decided(snapshot(*pods, leaving_nodes=leaving)))
    (step,) = steps(decided(snapshot(*pods, leaving_nodes=leaving, wants=spec(drainTaintedNodes=True))))
    assert (type(step), step.plan) == (Relabel, f"node.{int(NOW)}")


def test_the_last_pods_that_hold_the_demand_stay_on_a_node_that_leaves():
    pods = [pod("a", 150, node="node-2"), pod("b", 150, node="node-2")]
    wants = spec(drainTaintedNodes=True)
    plan = decided(snapshot(*pods, leaving_nodes=frozenset({"node-2"}), wants=wants))
    assert not steps(plan, "a")
    assert not steps(plan, "b")
