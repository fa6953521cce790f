"""The one decision: (snapshot, policy, now) -> plan. Pure, and the whole of it.

Nothing is remembered between two calls: what a plan did shows on the objects, so the same call made again, or
by another operator, goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from continuo_operator import conditions, moves, scaling, victims
from continuo_operator.census import Census
from continuo_operator.conditions import Facts
from continuo_operator.events import tell
from continuo_operator.moves import Moves
from continuo_operator.plan import Claim, Effect, Plan, WriteStatus
from continuo_operator.scaling import Target
from continuo_operator.snapshot import Deployment, Policy, Snapshot
from continuo_operator.status import status, worth_writing
from continuo_operator.victims import Steps

AS_IT_COMES = Steps()


def decide(snapshot: Snapshot, policy: Policy, now: float, steps: Steps = AS_IT_COMES) -> Plan:
    """What to do now. `now`: seconds since 1970. Decides nothing it does not know enough for."""
    census = Census(snapshot, policy, now)
    deployment, fleet = snapshot.deployment, snapshot.fleet
    rival = conditions.rival(fleet, deployment, policy.manager) if deployment else None
    may_act = deployment is not None and deployment.observed and deployment.revision is not None
    target, found = None, Moves()
    done: list[Effect] = []
    if deployment is not None and may_act:
        target = _target(census, deployment, rival)
        found = moves.moves(census, deployment, target.pods)
        if fleet.spec.paused:
            found = moves.given_back(found, census)
            done += moves.effects(found, census, steps)
        else:
            done += _claim(deployment, policy, rival)
            done += moves.effects(found, census, steps)
            done += _scaled(census, deployment, target, found, steps, rival)
    facts = Facts(census, deployment, target, found, rival)
    return Plan(tuple(_told(facts, done)))


def _target(census: Census, deployment: Deployment, rival: str | None) -> Target:
    """Pods to have; those there are, while another writes their number or nobody may."""
    fleet = census.snapshot.fleet
    target = scaling.target(fleet.spec, census, deployment, fleet.status)
    if fleet.spec.paused or rival is not None:
        return replace(target, pods=deployment.replicas, trend=None)
    return target


def _claim(deployment: Deployment, policy: Policy, rival: str | None) -> Iterator[Effect]:
    if rival is None and deployment.replicas_manager != policy.manager:
        yield Claim(
            deployment=deployment.name,
            replicas=deployment.replicas,
            resource_version=deployment.resource_version,
        )


def _scaled(
    census: Census, deployment: Deployment, target: Target, found: Moves, steps: Steps, rival: str | None
) -> Iterator[Effect]:
    """Grow at once; shrink by the victims that are ready to go, and by pods that never came to be."""
    if rival is not None or deployment.replicas_manager != census.policy.manager:
        return
    replicas = deployment.replicas
    if target.pods > replicas:
        wanted: int = target.pods
    else:
        ready = min(moves.deletable(found, census, steps) + census.missing, replicas - target.pods)
        sure = not found.pending and not census.old and census.frozen is None
        if ready <= 0 or not sure or not victims.safe_to_scale(list(found.kept), census):
            return
        wanted = replicas - ready
    if (effect := steps.scale(deployment, wanted)) is not None:
        yield effect


def _told(facts: Facts, done: list[Effect]) -> Iterator[Effect]:
    """The effects, then the status if it is worth a write, then an event for each decision."""
    yield from done
    census = facts.census
    fleet = census.snapshot.fleet
    after = status(facts)
    if worth_writing(fleet.status, after, census.policy, census.now):
        yield WriteStatus(status=after, resource_version=fleet.resource_version)
    yield from tell(facts, after, done)
