"""What is due on each pod: who leaves the endpoints, who goes on emptying, who is given back. Pure.

One step per pod and loop: the next loop sees what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from continuo_operator import nodes, rollout, victims
from continuo_operator.census import Census
from continuo_operator.plan import Effect
from continuo_operator.scaling import most_drains
from continuo_operator.snapshot import Deployment, Pod
from continuo_operator.stamps import DOWN, NODE, PlanId
from continuo_operator.victims import Steps, kind_of


@dataclass(frozen=True, slots=True)
class Leaving:
    """Pods that begin to be emptied now, and the plan that says why."""

    pods: tuple[Pod, ...]
    plan: PlanId


@dataclass(frozen=True, slots=True)
class Moves:
    """Pods by what happens to them now."""

    leaving: tuple[Leaving, ...] = ()
    kept: tuple[Pod, ...] = ()
    """Victims of a scale-down that stay victims."""
    back: tuple[Pod, ...] = ()
    """Pods whose plan is dead: given back step by step."""
    pending: int = 0
    """Pods the controller has still to take away."""


def moves(census: Census, deployment: Deployment, target: int) -> Moves:
    """Everything that is to happen to pods, with `target` pods wanted."""
    taken = rollout.takeover(census, deployment)
    rolling = bool(census.old)
    pending = 0 if rolling else max(0, len(census.current) - deployment.replicas)
    wanted = 0 if rolling else max(0, deployment.replicas - target - census.missing) + pending
    down = [pod for pod in victims.downs(census) if not victims.lapsed(pod, census)]
    kept = tuple(down[:wanted])
    back = (*down[wanted:], *taken.stay, *_dead(census, taken))
    leaving = [
        Leaving(taken.leave, rollout.plan_id(deployment, census.now)),
        Leaving(_first(census, deployment, wanted - len(down)), PlanId(DOWN, census.now)),
        Leaving(() if rolling else tuple(nodes.to_drain(census)), PlanId(NODE, census.now)),
    ]
    return Moves(tuple(one for one in _apart(leaving) if one.pods), kept, back, pending)


def given_back(found: Moves, census: Census) -> Moves:
    """While paused: all that was begun is taken back, but for what the controller has still to take."""
    kept = {pod.name for pod in found.kept}
    back = [pod for pod in census.alive if _touched(pod) and pod.name not in kept]
    return Moves(kept=found.kept, back=tuple(back), pending=found.pending)


def effects(found: Moves, census: Census, steps: Steps) -> list[Effect]:
    """One step for each pod that has one to go."""
    begun = {pod.name for one in found.leaving for pod in one.pods}
    back = {pod.name for pod in found.back} - begun
    due: list[Effect | None] = [steps.give_back(pod) for pod in found.back if pod.name in back]
    due += [steps.cordon(pod, one.plan) for one in found.leaving for pod in one.pods]
    for pod in census.alive:
        plan = PlanId.read(pod.plan)
        if plan and pod.name not in begun and pod.name not in back:
            due.append(victims.next_step(pod, plan, census, steps))
    return [effect for effect in due if effect is not None]


def deletable(found: Moves, census: Census, steps: Steps) -> int:
    """How many victims are empty, cheap, and known to be."""
    return sum(
        census.emptied(pod)
        and pod.cost_plan == pod.plan
        and steps.may_be_deleted(pod, census.policy, census.now)
        for pod in found.kept
    )


def _first(census: Census, deployment: Deployment, more: int) -> tuple[Pod, ...]:
    """New victims of a scale-down; none while pods come or go, or while anything is unknown."""
    if more <= 0 or census.frozen or len(census.current) != deployment.replicas:
        return ()
    busy = len(census.leaving) + sum(kind_of(pod) is not None for pod in census.alive)
    room = most_drains(census.snapshot.fleet.spec.drain) - busy
    idle = victims.idle(census)[:more]
    others = victims.candidates(census)[: max(0, min(more - len(idle), room))]
    return tuple(victims.may_begin([*idle, *others], census))


def _dead(census: Census, taken: rollout.Takeover) -> list[Pod]:
    """Pods that bear the traces of a plan that nobody follows any more."""
    going = {pod.name for pod in taken.leave}
    dead = [pod for pod in census.current if _touched(pod) and not _followed(pod, census)]
    return dead + [
        pod for pod in census.old if _touched(pod) and kind_of(pod) is None and pod.name not in going
    ]


def _followed(pod: Pod, census: Census) -> bool:
    kind = kind_of(pod)
    if victims.lapsed(pod, census):
        return False
    return kind == DOWN or (kind == NODE and nodes.leaving(pod, census))


def _touched(pod: Pod) -> bool:
    cordoned = pod.report is not None and pod.report.cordoned
    return not pod.accepts or pod.plan is not None or pod.cost_plan is not None or cordoned


def _apart(leaving: list[Leaving]) -> list[Leaving]:
    """Each pod under the first plan that asks for it."""
    seen: set[str] = set()
    apart = []
    for one in leaving:
        apart.append(Leaving(tuple(pod for pod in one.pods if pod.name not in seen), one.plan))
        seen |= {pod.name for pod in one.pods}
    return apart
