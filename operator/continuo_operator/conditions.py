"""The fleet's conditions, with stable reasons and messages that do not change at rest. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from continuo_operator import rollout, scaling
from continuo_operator.census import Census
from continuo_operator.moves import Moves
from continuo_operator.scaling import Target
from continuo_operator.snapshot import Deployment, Fleet, Pod
from continuo_operator.spec import Condition, Owner
from continuo_operator.stamps import PlanId, iso, seconds
from continuo_operator.victims import downs

CLAIMED = "Claimed"
RELEASED = "Released"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the conditions are made of."""

    census: Census
    deployment: Deployment | None
    target: Target | None
    moves: Moves
    rival: str | None
    """Another that writes the Deployment's replicas."""


@dataclass(frozen=True, slots=True)
class Said:
    """A condition before its times."""

    type: str
    true: bool
    reason: str
    message: str = ""


def conditions(facts: Facts) -> tuple[Condition, ...]:
    """All eight, with the time at which each last turned."""
    fleet = facts.census.snapshot.fleet
    return tuple(_timed(said, fleet, facts.census.now) for said in _all(facts))


def last(fleet: Fleet, kind: str) -> Condition | None:
    """A condition as it was last written."""
    return next((one for one in fleet.status.conditions if one.type == kind), None)


def rival(fleet: Fleet, deployment: Deployment, manager: str) -> str | None:
    """Who took the replicas over since the operator claimed them; None while nobody has."""
    said = last(fleet, "ScaleConflict")
    claimed = said is not None and (said.status == "True" or said.reason == CLAIMED)
    other = deployment.replicas_manager
    return other if claimed and other not in (None, manager) else None


def mismatched(census: Census, pending: int) -> tuple[Pod, ...]:
    """Pods that the controller took in place of an emptied one after the fleet was shrunk."""
    deployment = census.snapshot.deployment
    scaled = deployment.scaled_at if deployment else None
    spared = [pod.cost_at for pod in downs(census) if pod.cost_at is not None]
    if scaled is None or pending or census.old or not spared or scaled < int(min(spared)):
        return ()
    since = min(spared) - 1
    return tuple(
        pod for pod in census.leaving if pod.cost is None and pod.deleted is not None and pod.deleted >= since
    )


def _all(facts: Facts) -> Iterator[Said]:
    yield _ready(facts)
    yield _active(facts)
    yield _limited(facts)
    yield _draining(facts)
    yield _stale(facts)
    yield _conflict(facts)
    yield _infeasible(facts)
    yield _mismatch(facts)


def _ready(facts: Facts) -> Said:
    if facts.deployment is None:
        name = facts.census.snapshot.fleet.spec.deployment
        return Said("Ready", False, "NoDeployment", f"there is no Deployment {name}")
    ready = sum(pod.ready for pod in facts.census.alive)
    serving = sum(pod.ready and pod.accepts for pod in facts.census.alive)
    wanted = min(facts.deployment.replicas, facts.census.snapshot.fleet.spec.scaling.max)
    well = ready >= wanted or (serving > 0 and bool(facts.moves.kept or facts.census.old))
    return Said("Ready", well, "PodsReady" if well else "PodsMissing", f"{ready} ready of {wanted}")


def _active(facts: Facts) -> Said:
    spec = facts.census.snapshot.fleet.spec
    if spec.paused:
        return Said("ScalingActive", False, "Paused", "spec.paused is true")
    if facts.deployment is None:
        return Said("ScalingActive", False, "NoDeployment")
    if facts.rival is not None:
        return Said("ScalingActive", False, "ScaleConflict", f"{facts.rival} writes the replicas")
    if facts.census.frozen is not None:
        frozen = facts.census.frozen
        return Said("ScalingActive", False, frozen.reason, f"nobody is drained: {frozen.message}")
    by = "the connections" if spec.scaling.owner is Owner.OPERATOR else "spec.replicas"
    return Said("ScalingActive", True, spec.scaling.owner.value, f"the number of pods follows {by}")


def _limited(facts: Facts) -> Said:
    if facts.target is None:
        return Said("ScalingLimited", False, "Unknown")
    wish, bounds = facts.target.wish, facts.census.snapshot.fleet.spec.scaling
    if wish.unbounded > bounds.max:
        return Said("ScalingLimited", True, "AtMaximum", f"more than max = {bounds.max} pods are needed")
    if wish.unbounded < bounds.min:
        return Said("ScalingLimited", True, "AtMinimum", f"fewer than min = {bounds.min} pods are needed")
    return Said("ScalingLimited", False, "WithinBounds")


def _draining(facts: Facts) -> Said:
    plans = sorted({plan.reason for pod in facts.census.alive if (plan := PlanId.read(pod.plan))})
    cost = _hops(facts.deployment) if facts.deployment else ""
    if plans:
        return Said("Draining", True, plans[0], cost if "Rollout" in plans else "")
    if facts.census.leaving:
        return Said("Draining", True, "PodsEnding", cost if facts.census.old else "")
    return Said("Draining", False, "Idle", cost)


def _hops(deployment: Deployment) -> str:
    hops = rollout.hops(deployment)
    if hops <= 1:
        return "in a rollout each client reconnects once"
    return (
        f"with maxSurge {deployment.max_surge} a client reconnects {hops:.2f} times in a rollout, on average"
    )


def _stale(facts: Facts) -> Said:
    frozen = facts.census.frozen
    if frozen is not None and frozen.reason == "CensusStale":
        return Said("MetricsStale", True, "NoAnswer", frozen.message)
    return Said("MetricsStale", False, "AllAnswer")


def _conflict(facts: Facts) -> Said:
    deployment, census = facts.deployment, facts.census
    if census.snapshot.fleet.spec.paused or deployment is None:
        return Said("ScaleConflict", False, RELEASED)
    if facts.rival is not None:
        remedy = "stop it, then set spec.paused to true and back to have the operator claim them again"
        return Said("ScaleConflict", True, "OtherManager", f"{facts.rival} writes the replicas: {remedy}")
    ours = deployment.replicas_manager == census.policy.manager
    return Said("ScaleConflict", False, CLAIMED if ours else RELEASED)


def _infeasible(facts: Facts) -> Said:
    if facts.deployment is None:
        return Said("BudgetInfeasible", False, "Unknown")
    drain = facts.census.snapshot.fleet.spec.drain
    pods = rollout.together(facts.census, facts.deployment)
    closes, window = pods * drain.capacity_per_pod, scaling.window(drain)
    if closes <= window * drain.fleet_rate_per_second:
        return Said("BudgetInfeasible", False, "Fits")
    needed = -(-closes // drain.fleet_rate_per_second)
    message = (
        f"{pods} pods of {drain.capacity_per_pod} connections need {needed} s at "
        f"{drain.fleet_rate_per_second} a second and have {window} s: deadlines are kept, the rate is not"
    )
    return Said("BudgetInfeasible", True, "RateTooLow", message)


def _mismatch(facts: Facts) -> Said:
    census = facts.census
    before = last(census.snapshot.fleet, "VictimMismatch")
    if wrong := mismatched(census, facts.moves.pending):
        names = ", ".join(sorted(pod.name for pod in wrong))
        return Said("VictimMismatch", True, "OtherPodDeleted", f"{names} went in place of an emptied pod")
    if before is not None and before.status == "True":
        turned = seconds(before.last_transition_time) or 0.0
        if census.now - turned < census.policy.mismatch_shown_s:
            return Said("VictimMismatch", True, before.reason, before.message)
    return Said("VictimMismatch", False, "AsPlanned")


def _timed(said: Said, fleet: Fleet, now: float) -> Condition:
    before = last(fleet, said.type)
    status = "True" if said.true else "False"
    turned = before.last_transition_time if before and before.status == status else iso(now)
    return Condition(
        type=said.type,
        status="True" if said.true else "False",
        reason=said.reason,
        message=said.message,
        last_transition_time=turned,
        observed_generation=fleet.generation,
    )
