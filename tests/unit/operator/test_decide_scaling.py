"""How many pods, when, and by whose word: tables over the one decision."""

import msgspec
import pytest

from continuo_operator.plan import (
    Claim,
    ClearCost,
    Drain,
    EmitEvent,
    Relabel,
    Scale,
    SetCost,
    Undrain,
    WriteStatus,
)
from continuo_operator.spec import FleetStatus
from continuo_operator.stamps import iso
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

DOWN = f"down.{int(NOW) - 100}"


def only(kind, plan):
    return [effect for effect in plan.effects if isinstance(effect, kind)]


def up(bound: int, since: float) -> FleetStatus:
    return msgspec.convert({"trend": {"direction": "Up", "since": iso(since), "bound": bound}}, FleetStatus)


def test_a_fleet_that_fits_is_left_alone_and_its_status_is_written_once():
    first = decided(snapshot(pod("a", 90), pod("b", 90)))
    assert [type(effect).__name__ for effect in first.effects] == ["WriteStatus"]
    again = decided(snapshot(pod("a", 90), pod("b", 90), status=told(first)))
    assert not again


@pytest.mark.parametrize(
    ("since", "bound", "connections", "scaled"),
    [
        (NOW - 14, 4, 150, None),
        (NOW - 15, 4, 150, 3),
        (NOW - 15, 3, 150, 3),
        (NOW - 15, 9, 400, 6),
    ],
    ids=["window not over", "window over", "least of the window", "at most a step of four"],
)
def test_pods_are_added_when_the_need_has_lasted(since, bound, connections, scaled):
    plan = decided(snapshot(pod("a", connections), pod("b", connections), status=up(bound, since)))
    assert [effect.to_replicas for effect in only(Scale, plan)] == ([scaled] if scaled else [])


def test_a_scale_up_carries_the_version_it_was_decided_on_and_says_why():
    plan = decided(snapshot(pod("a", 150), pod("b", 150), status=up(3, NOW - 20)))
    (scale,) = only(Scale, plan)
    assert (scale.from_replicas, scale.to_replicas, scale.resource_version) == (2, 3, "77")
    (event,) = only(EmitEvent, plan)
    assert (event.reason, event.about) == ("ScaledUp", ("scale",))


def test_a_fleet_below_its_minimum_grows_at_once():
    wants = spec(scaling={"min": 3})
    assert [one.to_replicas for one in only(Scale, decided(snapshot(pod("a", 0), wants=wants)))] == [3]


def test_the_need_for_fewer_pods_is_noted_and_waits_for_its_window():
    plan = decided(snapshot(pod("a", 10), pod("b", 10)))
    trend = told(plan).trend
    assert (trend.direction, trend.bound) == ("Down", 1)
    assert not only(Relabel, plan)


def test_the_emptiest_known_pod_leaves_the_endpoints_first():
    plan = decided(snapshot(pod("a", 40), pod("b", 10), pod("c", 20), status=long_down(1)))
    (cordon,) = only(Relabel, plan)
    assert (cordon.pod, cordon.accepts, cordon.plan) == ("b", False, f"down.{int(NOW)}")
    assert cordon.resource_version == "rv-b"
    assert not only(Drain, plan)
    assert [event.reason for event in only(EmitEvent, plan)] == ["DrainStarted"]


@pytest.mark.parametrize(
    ("hindrance", "reason"),
    [
        ({"connections": None}, "CensusStale"),
        ({"report": {"redis": False}}, "RedisAway"),
    ],
)
def test_a_fleet_is_not_shrunk_while_blind(hindrance, reason):
    plan = decided(snapshot(pod("a", 10), pod("b", 10), pod("c", **hindrance), status=long_down(1)))
    assert not only(Relabel, plan)
    assert condition(plan, "ScalingActive") == ("False", reason)


def test_a_fleet_is_not_shrunk_while_many_of_its_pods_are_not_ready():
    pods = [pod("a", 10), pod("b", 10), pod("c", 10, ready=False), pod("d", 10, ready=False)]
    plan = decided(snapshot(*pods, status=long_down(1)))
    assert not only(Relabel, plan)
    assert condition(plan, "ScalingActive") == ("False", "PodsUnready")


def test_an_unknown_pod_is_taken_for_as_full_as_it_should_be_but_adds_none():
    plan = decided(snapshot(pod("a", 90), pod("b", None)))
    assert told(plan).desired_replicas == 2
    assert told(plan).trend is None
    assert condition(plan, "MetricsStale") == ("True", "NoAnswer")


def test_a_blind_operator_adds_no_pod_however_long_it_is_blind():
    """Each new pod is unknown too: taken for full and with headroom on top, they would add one another."""
    wants = spec(scaling={"headroomPercent": 20})
    status = FleetStatus()
    for ago in (100, 60, 20, 0):
        blind = snapshot(*(pod(name, None) for name in "abc"), wants=wants, status=status)
        plan = decided(blind, NOW - ago)
        assert not only(Scale, plan), ago
        status = told(plan) if only(WriteStatus, plan) else status


def test_connections_that_are_known_add_pods_whoever_else_is_silent():
    pods = [pod("a", 150), pod("b", 150), pod("c", None)]
    plan = decided(snapshot(*pods, replicas=2, status=up(3, NOW - 20)))
    assert [one.to_replicas for one in only(Scale, plan)] == [3]


def test_what_a_silent_pod_last_said_holds_the_number_and_never_raises_it():
    """Its clients may have come back elsewhere, and would be counted twice."""
    silent = pod("b", 250, reported=NOW - 60)
    grown = decided(snapshot(pod("a", 150), silent, status=up(3, NOW - 20)))
    assert not only(Scale, grown)
    held = decided(snapshot(pod("a", 10), silent, pod("c", 10), status=long_down(1)))
    assert told(held).desired_replicas == 3
    assert told(held).trend is None


def on_a_dead_node(past_its_end: float):
    """A pod whose node died, as its object stands: so many seconds behind the end of its grace."""
    told_to_end = NOW - 272 - past_its_end
    return pod(
        "dead", 100, reported=told_to_end - 300, ready=False, deleted=told_to_end, ends=NOW - past_its_end
    )


@pytest.mark.parametrize("past_its_end", [-200.0, 3600.0])
def test_the_last_word_of_a_dead_node_adds_no_pod(past_its_end):
    """Its clients are counted where they came back."""
    pods = [pod("a", 90), pod("b", 90), on_a_dead_node(past_its_end)]
    plan = decided(snapshot(*pods, status=up(3, NOW - 60)))
    assert not only(Scale, plan)
    assert told(plan).desired_replicas == 2


@pytest.mark.parametrize(("past_its_end", "shrinks"), [(-200.0, False), (1.0, False), (3600.0, True)])
def test_a_fleet_that_empties_one_pod_at_a_time_waits_for_a_dead_node_no_longer_than_its_grace(
    past_its_end, shrinks
):
    """Nobody ends a pod of a dead node, so its object may stay for ever."""
    wants = spec(drain={"fleetRatePerSecond": 2})
    pods = [pod("a", 10), pod("b", 10), on_a_dead_node(past_its_end)]
    plan = decided(snapshot(*pods, status=long_down(1), wants=wants))
    assert bool(only(Relabel, plan)) is shrinks
    assert told(plan).draining_replicas == (0 if shrinks else 1)


def test_a_pod_that_answers_beyond_its_grace_is_still_there():
    late = pod("late", 90, ready=False, deleted=NOW - 400, ends=NOW - 100)
    plan = decided(snapshot(pod("a", 90), late, status=up(2, NOW - 60)))
    assert [one.to_replicas for one in only(Scale, plan)] == [2]


def test_a_silent_pod_holds_the_number_where_those_that_answer_need_fewer():
    plan = decided(snapshot(pod("a", 10), pod("b", None), pod("c", None), status=long_down(1)))
    assert told(plan).desired_replicas == 3


def test_a_scale_down_takes_one_pod_when_an_emptied_one_is_cheap_and_known_to_be():
    cheap = emptying("b", DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 3)
    plan = decided(snapshot(pod("a", 10), cheap, status=long_down(1)))
    (scale,) = only(Scale, plan)
    assert (scale.from_replicas, scale.to_replicas, scale.resource_version) == (2, 1, "77")
    assert told(plan).last_scale_time is None
    after = decided(snapshot(pod("a", 10), replicas=1, scaled_at=NOW - 1, status=told(plan)))
    assert told(after).last_scale_time == iso(NOW - 1)


@pytest.mark.parametrize(
    "victim",
    [
        emptying("b", DOWN),
        emptying("b", DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 1),
        emptying("b", DOWN, 3, cost=-1000, cost_plan=DOWN, cost_at=NOW - 3),
        emptying("b", DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 3, ready=True),
        emptying("b", DOWN, cost=-1000, cost_plan="down.1", cost_at=NOW - 3),
    ],
    ids=["no cost", "cost too young", "not empty", "still ready", "another plan's cost"],
)
def test_no_pod_is_taken_away_before_its_victim_is_ready_to_go(victim):
    plan = decided(snapshot(pod("a", 10), victim, status=long_down(1)))
    assert not only(Scale, plan)


@pytest.mark.parametrize(
    ("other", "scaled"),
    [
        ({"ready": False}, [2]),
        ({"ready": False, "connections": None}, [2]),
        ({"ready": False, "connections": None, "ip": None, "node": None, "runs": False}, [2]),
        ({"ready": False, "cost": -1000}, []),
    ],
    ids=[
        "ours is cheaper",
        "silent, ours is cheaper",
        "has not begun and holds nobody",
        "made as cheap by another",
    ],
)
def test_no_pod_is_taken_away_while_a_busy_one_would_go_first(other, scaled):
    cheap = emptying("b", DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 3)
    busy = pod("c", **({"connections": 40} | other))
    plan = decided(snapshot(pod("a", 10), cheap, busy, status=long_down(2)))
    assert [one.to_replicas for one in only(Scale, plan)] == scaled


UNBORN = {"connections": None, "ip": None, "node": None, "ready": False, "runs": False}


def test_a_pod_in_which_nothing_runs_is_the_first_victim_and_nobody_is_moved():
    pods = [pod("a", 10), pod("b", 20)]
    plan = decided(snapshot(*pods, pod("c", **UNBORN), status=long_down(2)))
    assert [one.pod for one in only(Relabel, plan)] == ["c"]
    out = pod("c", accepts=False, plan=DOWN, **UNBORN)
    (cost,) = only(SetCost, decided(snapshot(*pods, out, status=long_down(2))))
    assert cost.pod == "c"
    cheap = pod("c", accepts=False, plan=DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 3, **UNBORN)
    assert [one.to_replicas for one in only(Scale, decided(snapshot(*pods, cheap, status=long_down(2))))] == [
        2
    ]


@pytest.mark.parametrize(("counted", "scaled"), [(2, [2]), (3, []), (None, [])])
def test_a_pod_that_was_never_made_is_given_up_first_unless_the_controller_knows_better(counted, scaled):
    plan = decided(snapshot(pod("a", 10), pod("b", 20), replicas=3, counted=counted, status=long_down(1)))
    assert [one.to_replicas for one in only(Scale, plan)] == scaled
    assert not only(Relabel, plan)


def test_a_victim_that_begins_after_all_is_drained_as_any_other():
    begun = pod("c", 0, accepts=False, plan=DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 3)
    plan = decided(snapshot(pod("a", 10), pod("b", 20), begun, status=long_down(2)))
    assert [one.pod for one in only(Drain, plan)] == ["c"]
    assert not only(Scale, plan)


def test_a_pod_that_a_node_s_plan_emptied_is_the_next_victim_and_nobody_is_moved():
    emptied = emptying("c", f"node.{int(NOW) - 100}", node="node-2")
    wants = spec(drainTaintedNodes=True)
    pods = [pod("a", 10), pod("b", 20), emptied]
    plan = decided(snapshot(*pods, status=long_down(2), wants=wants, leaving_nodes=frozenset({"node-2"})))
    assert [(one.pod, one.plan) for one in only(Relabel, plan)] == [("c", f"down.{int(NOW)}")]


def test_nobody_who_serves_is_emptied_while_a_silent_pod_does_not():
    """It may hold somebody, and is no victim; the fleet has one fewer already."""
    crashing = pod("c", None, ready=False)
    plan = decided(snapshot(pod("a", 10), pod("b", 20), crashing, status=long_down(2)))
    assert not only(Relabel, plan)


def test_a_full_pod_is_not_the_emptiest_though_it_is_not_ready():
    full = pod("a", 190, ready=False)
    plan = decided(snapshot(full, pod("b", 5), pod("c", 5), status=long_down(2)))
    assert [one.pod for one in only(Relabel, plan)] == ["b"]


def test_no_more_is_taken_while_the_controller_has_still_to_take_the_last():
    cheap = emptying("b", DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 3)
    plan = decided(snapshot(pod("a", 10), pod("c", 10), cheap, replicas=2, status=long_down(1)))
    assert not only(Scale, plan)
    assert not only(Relabel, plan)


def test_an_external_owner_is_obeyed_within_the_bounds():
    wants = spec(scaling={"owner": "External", "max": 5}, replicas=8)
    plan = decided(snapshot(pod("a", 0), wants=wants))
    assert [one.to_replicas for one in only(Scale, plan)] == [5]
    assert condition(plan, "ScalingLimited") == ("True", "AtMaximum")


def test_an_external_owner_s_smaller_wish_is_drained_first():
    wants = spec(scaling={"owner": "External"}, replicas=1)
    plan = decided(snapshot(pod("a", 100), pod("b", 90), wants=wants))
    assert [one.pod for one in only(Relabel, plan)] == ["b"]
    assert not only(Scale, plan)


def test_an_external_owner_s_great_leap_is_drained_as_the_rate_allows():
    wants = spec(scaling={"owner": "External"}, replicas=1, drain={"deadlineSeconds": 25})
    plan = decided(snapshot(*(pod(name, 10) for name in "abcdef"), wants=wants))
    assert len(only(Relabel, plan)) == 2


def test_the_scale_is_claimed_at_first_sight_and_nothing_scaled_before():
    plan = decided(snapshot(pod("a", 0), wants=spec(scaling={"min": 3}), replicas_manager="helm"))
    assert [(one.replicas, one.resource_version) for one in only(Claim, plan)] == [(1, "77")]
    assert not only(Scale, plan)
    assert condition(plan, "ScaleConflict") == ("False", "Released")


def test_another_writer_of_the_replicas_ends_all_scaling_and_is_named():
    claimed = told(decided(snapshot(pod("a", 90))))
    plan = decided(
        snapshot(pod("a", 0), status=claimed, wants=spec(scaling={"min": 3}), replicas_manager="hpa")
    )
    assert not only(Scale, plan)
    assert not only(Claim, plan)
    assert condition(plan, "ScaleConflict") == ("True", "OtherManager")
    still = decided(snapshot(pod("a", 0), status=told(plan), replicas_manager="hpa"))
    assert not only(Claim, still)


def test_a_pause_lets_go_of_the_claim_so_that_its_end_claims_anew():
    claimed = told(decided(snapshot(pod("a", 90))))
    lost = told(decided(snapshot(pod("a", 90), status=claimed, replicas_manager="hpa")))
    paused = decided(snapshot(pod("a", 90), status=lost, wants=spec(paused=True), replicas_manager="hpa"))
    assert condition(paused, "ScalingActive") == ("False", "Paused")
    first = decided(snapshot(pod("a", 90), replicas_manager="helm"))
    after = decided(
        snapshot(pod("a", 90), status=told(paused), replicas_manager="hpa", resource_version="78")
    )
    assert len(only(Claim, after)) == 1
    names = [one.name for plan in (first, after) for one in only(EmitEvent, plan)]
    assert len(set(names)) == len(names) == 2


def test_a_paused_fleet_begins_nothing():
    pods = [pod("a", 10), pod("b", 20)]
    plan = decided(snapshot(*pods, status=long_down(1), wants=spec(paused=True, scaling={"min": 3})))
    assert [type(one).__name__ for one in plan.effects] == ["WriteStatus"]


@pytest.mark.parametrize("plan", [DOWN, f"node.{int(NOW) - 100}", f"rollout.new.{int(NOW) - 100}"])
def test_a_pause_gives_back_what_was_begun_and_ends_quiet(plan):
    old = {"revision": "old"} if plan.startswith("rollout") else {}
    paused = {"wants": spec(paused=True, drainTaintedNodes=True), "leaving_nodes": frozenset({"node-2"})}

    def next_of(victim):
        done = decided(snapshot(pod("a", 10), victim, status=long_down(1), replicas=2 - len(old), **paused))
        return [type(one) for one in done.effects if getattr(one, "pod", None) == "b"]

    there = {"node": "node-2", **old}
    assert next_of(emptying("b", plan, cost=-1000, cost_plan=plan, cost_at=NOW - 3, **there)) == [ClearCost]
    assert next_of(emptying("b", plan, 20, **there)) == [Undrain]
    assert next_of(pod("b", 20, accepts=False, plan=plan, **there)) == [Relabel]
    assert next_of(pod("b", 20, **there)) == []


def test_a_pause_keeps_cheap_what_the_controller_has_still_to_take():
    cheap = emptying("b", DOWN, cost=-1000, cost_plan=DOWN, cost_at=NOW - 3)
    plan = decided(snapshot(pod("a", 10), cheap, replicas=1, wants=spec(paused=True)))
    assert [type(one).__name__ for one in plan.effects] == ["WriteStatus"]


def test_a_pause_that_was_seen_shows_in_the_generation_of_draining():
    at_rest = told(decided(snapshot(pod("a", 90))))
    before = msgspec.structs.replace(
        at_rest,
        observed_generation=2,
        conditions=tuple(msgspec.structs.replace(one, observed_generation=2) for one in at_rest.conditions),
    )
    paused = decided(snapshot(pod("a", 90), status=before, wants=spec(paused=True)))
    (draining,) = [one for one in told(paused).conditions if one.type == "Draining"]
    assert (draining.status, draining.observed_generation) == ("False", 3)


def test_nothing_is_decided_on_a_template_that_the_controller_has_not_seen():
    plan = decided(snapshot(pod("a", 10), pod("b", 10), status=long_down(1), observed=False))
    assert not only(Relabel, plan)
    assert not only(SetCost, plan)
