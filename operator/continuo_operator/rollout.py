"""How a new revision takes over: all old pods leave the endpoints together once the new ones hold the demand.

Pure. Then each client moves once. Where the new pods cannot hold it all (a smaller surge, no room for more
pods), as many old ones leave as new ones serve, and a client may move more than once: `hops` says how often.
A rollback is the same with the revisions swapped; those of the other revision are given back first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from continuo_operator.arithmetic import expected_hops, surge_pods
from continuo_operator.census import Census
from continuo_operator.snapshot import Deployment, Pod
from continuo_operator.stamps import ROLLOUT, PlanId


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a rollout asks for now."""

    leave: tuple[Pod, ...] = ()
    """Old pods to take out of the endpoints."""
    stay: tuple[Pod, ...] = ()
    """Old pods to give back: what took their place is gone."""
    whole: bool = False
    """Whether the new pods hold all of the demand."""


def takeover(census: Census, deployment: Deployment) -> Takeover:
    """Who leaves, who comes back; nobody while there is one revision only."""
    if not census.old:
        return Takeover()
    gone = [pod for pod in census.old if _left(pod)]
    there = [pod for pod in census.old if not _left(pod)]
    if lost := _lost(census, deployment, gone):
        return Takeover(stay=tuple(lost))
    if census.no_takeover is not None:
        return Takeover()
    if fits(census, deployment):
        stale = [pod for pod in gone if not _led_by(pod, deployment)]
        return Takeover(leave=(*there, *stale), whole=True)
    if not _waited(census, deployment):
        return Takeover()
    room = max(0, _room(census, deployment) - len(gone))
    emptiest = sorted(there, key=lambda pod: (pod.ready, census.connections_of(pod), pod.name))
    return Takeover(leave=tuple(emptiest[:room]))


def fits(census: Census, deployment: Deployment) -> bool:
    """Whether the new pods hold the demand, or are as many as there will be."""
    serving = len(_serving(census))
    spec = census.snapshot.fleet.spec
    holds = serving * spec.scaling.target_connections_per_pod * 100
    enough = holds >= census.demand * spec.rollout.takeover_percent
    return serving > 0 and (enough or serving >= deployment.replicas)


def plan_id(deployment: Deployment, now: float) -> PlanId:
    return PlanId(ROLLOUT, now, deployment.revision)


def hops(deployment: Deployment) -> float:
    """Reconnects per client that a rollout costs with this Deployment's surge."""
    surge = surge_pods(deployment.max_surge, deployment.replicas)
    return expected_hops(pods=deployment.replicas, surge=surge)


def together(census: Census, deployment: Deployment) -> int:
    """Pods that a rollout empties together, now or the next time."""
    surge = surge_pods(deployment.max_surge, deployment.replicas)
    return max(len(census.old), min(surge, deployment.replicas), 1)


def _left(pod: Pod) -> bool:
    return not pod.accepts and pod.plan is not None


def _led_by(pod: Pod, deployment: Deployment) -> bool:
    plan = PlanId.read(pod.plan)
    return plan is not None and plan.kind == ROLLOUT and plan.revision == deployment.revision


def _serving(census: Census) -> list[Pod]:
    return [pod for pod in census.current if census.serving(pod)]


def _room(census: Census, deployment: Deployment) -> int:
    """Old pods that may be out of the endpoints so that as many serve as there should be."""
    return len(census.old) + len(_serving(census)) - deployment.replicas


def _lost(census: Census, deployment: Deployment, gone: list[Pod]) -> list[Pod]:
    """Old pods to give back, the fullest first, when those that take connections cannot hold the demand."""
    holding = [pod for pod in census.alive if pod.accepts and (pod.ready or census.full(pod))]
    capacity = len(holding) * census.snapshot.fleet.spec.drain.capacity_per_pod
    if holding and capacity >= census.demand:
        return []
    surplus = len(gone) - max(0, _room(census, deployment))
    fullest = sorted(gone, key=lambda pod: (-census.connections_of(pod), pod.name))
    return fullest[: max(0, surplus)]


def _waited(census: Census, deployment: Deployment) -> bool:
    """Whether no more new pods can be hoped for: the surge allows no more, or they had their time."""
    serving = _serving(census)
    if len(serving) >= surge_pods(deployment.max_surge, deployment.replicas):
        return bool(serving)
    first = min((pod.ready_since or math.inf for pod in serving), default=math.inf)
    return census.now >= first + census.policy.spread_s
