"""How one pod is emptied, taken away, or given back: the steps, and who is chosen.

Pure. Every step looks at the objects alone, so an operator that died between two of them is continued by the
next. `Steps` holds each step by itself: the proofs override one at a time to see that its absence is caught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from continuo_operator.census import Census
from continuo_operator.plan import ClearCost, Drain, Effect, Relabel, Scale, SetCost, Undrain
from continuo_operator.snapshot import Deployment, Fleet, Pod, Policy
from continuo_operator.stamps import DOWN, NODE, ROLLOUT, PlanId

CHEAP = -1000
"""The deletion cost of a victim."""
SHORTEST_S = 1.0
"""Asked of a pod whose deadline has passed: at once, and still not zero."""
SOON_S = 10.0
"""Some loops: in less than that, a plan is not said to be late."""


class Steps:
    """The steps of a drain, in their order."""

    def cordon(self, pod: Pod, plan: PlanId) -> Effect | None:
        """Out of the endpoints, with the plan on it; first of all."""
        return Relabel(pod=pod.name, resource_version=pod.resource_version, accepts=False, plan=str(plan))

    def may_drain(self, pod: Pod, plan: PlanId, fleet: Fleet, now: float) -> bool:
        """Whether nobody is sent to it any more: our watch shows the label, and that has got around."""
        return not pod.accepts and now >= plan.at + fleet.spec.drain.propagation_seconds

    def drain(self, pod: Pod, plan: PlanId, fleet: Fleet, now: float) -> Effect | None:
        left = plan.at + fleet.spec.drain.deadline_seconds - now
        return Drain(pod=pod.name, plan=str(plan), within_s=max(SHORTEST_S, left))

    def set_cost(self, pod: Pod, plan: PlanId, now: float) -> Effect | None:
        """Only of a pod that is empty and not ready: both orders of the controller then agree on it."""
        return SetCost(
            pod=pod.name, resource_version=pod.resource_version, plan=str(plan), at=now, cost=CHEAP
        )

    def may_be_deleted(self, pod: Pod, policy: Policy, now: float) -> bool:
        """Whether the controller knows the cost: our watch shows it, and some time passed."""
        return pod.cost is not None and pod.cost_at is not None and now >= pod.cost_at + policy.slack_s

    def scale(self, deployment: Deployment, replicas: int) -> Effect | None:
        return Scale(
            deployment=deployment.name,
            from_replicas=deployment.replicas,
            to_replicas=replicas,
            resource_version=deployment.resource_version,
        )

    def give_back(self, pod: Pod) -> Effect | None:
        """The next step back to serving: no longer cheap, then undrained, then an endpoint again."""
        if pod.cost_plan is not None:
            return ClearCost(pod=pod.name, resource_version=pod.resource_version)
        if pod.report and pod.report.cordoned:
            return Undrain(pod=pod.name, plan=pod.report.plan or pod.plan or "")
        if not pod.accepts or pod.plan is not None:
            return Relabel(pod=pod.name, resource_version=pod.resource_version, accepts=True, plan=None)
        return None


def next_step(pod: Pod, plan: PlanId, census: Census, steps: Steps) -> Effect | None:
    """What is due on a pod that has a plan: drain it, and for a scale-down make it cheap once it is empty."""
    fleet, now = census.snapshot.fleet, census.now
    if pod.cost_plan is not None and (pod.cost_plan != pod.plan or plan.kind != DOWN):
        return ClearCost(pod=pod.name, resource_version=pod.resource_version)
    if pod.runs and not census.known(pod):
        return None
    if pod.runs and not begun(pod):
        may_drain = steps.may_drain(pod, plan, fleet, now) and (plan.kind == ROLLOUT or not census.frozen)
        return steps.drain(pod, plan, fleet, now) if may_drain else None
    may_cost = plan.kind == DOWN and pod.cost_plan is None and census.frozen is None
    return steps.set_cost(pod, plan, now) if may_cost and census.emptied(pod) else None


def begun(pod: Pod) -> bool:
    """Whether the pod says that it follows its plan."""
    return bool(pod.report and pod.report.cordoned and pod.report.plan == pod.plan)


def lapsed(pod: Pod, census: Census) -> bool:
    """Whether a plan that can wait has not begun in half of its time: what is left would be a rush."""
    plan, drain = PlanId.read(pod.plan), census.snapshot.fleet.spec.drain
    if plan is None or plan.kind == ROLLOUT or begun(pod) or pod.cost_plan is not None:
        return False
    half = max((drain.deadline_seconds - drain.propagation_seconds) / 2, SOON_S)
    return census.known(pod) and census.now > plan.at + drain.propagation_seconds + half


def downs(census: Census) -> list[Pod]:
    """Pods of the newest revision that a scale-down is emptying, the emptiest first."""
    return sorted((pod for pod in census.current if kind_of(pod) == DOWN), key=_emptiest(census))


def kind_of(pod: Pod) -> str | None:
    plan = PlanId.read(pod.plan)
    return plan.kind if plan else None


def idle(census: Census) -> list[Pod]:
    """Pods that hold nobody and take nobody, so that to give them up moves nobody: the first victims."""
    unborn = [pod for pod in census.current if pod.plan is None and pod.accepts and not _has_a_door(pod)]
    emptied = [pod for pod in census.current if kind_of(pod) == NODE and census.emptied(pod)]
    return [*unborn, *emptied]


def candidates(census: Census) -> list[Pod]:
    """Pods that may be emptied, best first: not ready, then fewest connections. The unknown never are."""
    free = [pod for pod in census.current if pod.plan is None and pod.accepts and census.known(pod)]
    free = [pod for pod in free if _has_a_door(pod)]
    return sorted(free, key=_emptiest(census))


def may_begin(chosen: Sequence[Pod], census: Census) -> list[Pod]:
    """Of those chosen, whom the fleet can do without: none that serves while another does not, who stays."""
    ours = {pod.name for pod in chosen}
    rest = [pod for pod in census.current if pod.name not in ours and kind_of(pod) is None]
    whole = all(pod.ready or census.full(pod) for pod in rest)
    return [pod for pod in chosen if whole or not pod.ready]


def safe_to_scale(victims: list[Pod], census: Census) -> bool:
    """Whether the controller has no better victim than ours, which are not ready and cheap.

    Before them go pods in which nothing has begun, and those that another made cheaper.
    """
    ours = {pod.name for pod in victims}
    others = [pod for pod in census.current if pod.name not in ours and not pod.ready and pod.runs]
    return all(pod.cost is None or pod.cost > CHEAP for pod in others)


def _has_a_door(pod: Pod) -> bool:
    return pod.runs or pod.ready


def _emptiest(census: Census) -> Callable[[Pod], tuple[bool, int, str]]:
    return lambda pod: (pod.ready or census.full(pod), census.connections_of(pod), pod.name)
