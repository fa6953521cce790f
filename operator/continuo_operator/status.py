"""The fleet's status, and when it is worth a write: what people act on at once, counts seldom. Pure.

At rest nothing is written: counts alone only when they moved by some percent, or every half a minute.
"""

from __future__ import annotations

import msgspec

from continuo_operator.conditions import Facts, conditions
from continuo_operator.snapshot import Deployment, Pod, Policy
from continuo_operator.spec import Draining, FleetStatus
from continuo_operator.stamps import PlanId, iso, seconds

MOST_DRAINS = 10


def status(facts: Facts) -> FleetStatus:
    """What is so now."""
    census, deployment, target = facts.census, facts.deployment, facts.target
    before = census.snapshot.fleet.status
    going = [*(pod for pod in census.alive if PlanId.read(pod.plan)), *census.leaving]
    return FleetStatus(
        observed_generation=census.snapshot.fleet.generation,
        replicas=len(census.alive),
        ready_replicas=sum(pod.ready for pod in census.alive),
        desired_replicas=target.pods if target else before.desired_replicas,
        selector=deployment.selector if deployment else before.selector,
        connections=census.connections,
        draining_replicas=len(going),
        draining_connections=sum(census.connections_of(pod) for pod in going),
        counted_time=iso(census.now),
        last_scale_time=_last_scale(deployment, before),
        trend=target.trend if target else before.trend,
        course=target.course if target else before.course,
        drains=tuple(_draining(pod) for pod in sorted(going, key=lambda pod: pod.name))[:MOST_DRAINS],
        conditions=conditions(facts),
    )


def worth_writing(before: FleetStatus, after: FleetStatus, policy: Policy, now: float) -> bool:
    """Whether anything but counts changed, or the counts by enough, or at all and long ago."""
    if _without_counts(before) != _without_counts(after):
        return True
    moved = max(
        _percent(before.connections, after.connections),
        _percent(before.draining_connections, after.draining_connections),
    )
    waited = now - (seconds(before.counted_time) or 0.0) >= policy.count_every_s
    return moved >= policy.count_change_percent or (moved > 0 and waited)


def _last_scale(deployment: Deployment | None, before: FleetStatus) -> str | None:
    """Read off the Deployment, so it is known whoever scaled it, and died before a word of it was written."""
    if deployment is None or deployment.scaled_at is None:
        return before.last_scale_time
    return iso(deployment.scaled_at)


def _draining(pod: Pod) -> Draining:
    plan = PlanId.read(pod.plan)
    return Draining(
        pod=pod.name,
        plan=str(plan) if plan else "",
        reason=plan.reason if plan else "Ending",
        connections=pod.report.connections if pod.report else 0,
    )


def _without_counts(status: FleetStatus) -> FleetStatus:
    drains = tuple(msgspec.structs.replace(drain, connections=0) for drain in status.drains)
    return msgspec.structs.replace(
        status, connections=0, draining_connections=0, counted_time=None, drains=drains
    )


def _percent(before: int, after: int) -> float:
    if before == after:
        return 0.0
    return abs(after - before) * 100 / max(before, after)
