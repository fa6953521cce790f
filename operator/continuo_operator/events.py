"""One event for each decision, under a name that the same decision has again after a crash. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from continuo_operator.conditions import Facts
from continuo_operator.moves import Leaving
from continuo_operator.plan import Claim, Effect, EmitEvent, Relabel, Scale
from continuo_operator.scaling import Target
from continuo_operator.snapshot import Fleet
from continuo_operator.spec import Condition, FleetStatus
from continuo_operator.stamps import DOWN, ROLLOUT, PlanId

BEGUN = {DOWN: "DrainStarted", ROLLOUT: "RolloutTakeover"}
WARNED = ("MetricsStale", "ScaleConflict", "BudgetInfeasible", "VictimMismatch")
NAMED = 5


def tell(facts: Facts, after: FleetStatus, done: list[Effect]) -> Iterator[EmitEvent]:
    """Events of what is done now and of the conditions that turn bad."""
    fleet = facts.census.snapshot.fleet
    for one in facts.moves.leaving:
        yield _begun(fleet, one)
    for effect in done:
        if isinstance(effect, Scale):
            yield _scaled(fleet, effect, facts.target)
        elif isinstance(effect, Claim):
            yield _event(
                fleet,
                f"claim.{effect.resource_version}",
                "ScaleClaimed",
                f"replicas of {effect.deployment}",
                effect,
            )
        elif isinstance(effect, Relabel) and effect.accepts:
            yield from _given_back(fleet, facts, effect)
    yield from _turned(fleet, after)


def _begun(fleet: Fleet, one: Leaving) -> EmitEvent:
    names = sorted(pod.name for pod in one.pods)
    shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return EmitEvent(
        name=f"{fleet.name}.{one.plan}",
        type="Normal",
        reason=BEGUN.get(one.plan.kind, "NodeDrainStarted"),
        message=f"plan {one.plan} takes {shown} out of the endpoints and empties them",
        about=tuple(f"pod/{name}" for name in names),
    )


def _scaled(fleet: Fleet, effect: Scale, target: Target | None) -> EmitEvent:
    grown = effect.to_replicas > effect.from_replicas
    why = f", {target.wish.pods} are needed" if target else ""
    return _event(
        fleet,
        f"scale.{effect.resource_version}",
        "ScaledUp" if grown else "ScaledDown",
        f"{effect.deployment} from {effect.from_replicas} to {effect.to_replicas}{why}",
        effect,
    )


def _given_back(fleet: Fleet, facts: Facts, effect: Relabel) -> Iterator[EmitEvent]:
    pod = next((pod for pod in facts.census.alive if pod.name == effect.pod), None)
    plan = PlanId.read(pod.plan) if pod else None
    if plan is not None:
        name = f"{plan}.{effect.pod}.back"
        yield _event(fleet, name, "DrainCancelled", f"{effect.pod} serves again, plan {plan} is off", effect)


def _turned(fleet: Fleet, after: FleetStatus) -> Iterator[EmitEvent]:
    before = {one.type: one for one in fleet.status.conditions}
    for one in after.conditions:
        was = before.get(one.type)
        if one.type in WARNED and one.status == "True" and (was is None or was.status != "True"):
            yield _warning(fleet, one)


def _warning(fleet: Fleet, one: Condition) -> EmitEvent:
    moment = "".join(filter(str.isdecimal, one.last_transition_time))
    return EmitEvent(
        name=f"{fleet.name}.{one.type.lower()}.{moment}",
        type="Warning",
        reason=one.type,
        message=one.message,
        about=("status",),
    )


def _event(fleet: Fleet, name: str, reason: str, message: str, effect: Scale | Claim | Relabel) -> EmitEvent:
    return EmitEvent(
        name=f"{fleet.name}.{name}", type="Normal", reason=reason, message=message, about=(effect.key,)
    )
