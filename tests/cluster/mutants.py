"""Operators with one protection taken out: what the properties have to miss in each."""

from dataclasses import replace

from continuo_operator.plan import Drain, Effect, Scale, SetCost
from continuo_operator.snapshot import Deployment, Pod
from continuo_operator.stamps import PlanId
from continuo_operator.victims import Steps


class LateCordon(Steps):
    """Empties a pod while it is an endpoint still, and takes it out afterwards:

    Whoever is sent to it is refused.
    """

    def cordon(self, pod: Pod, plan: PlanId) -> Effect | None:
        begun = PlanId.read(pod.report.plan) if pod.report and pod.report.cordoned else None
        if begun is not None:
            return super().cordon(pod, begun)
        return Drain(pod=pod.name, plan=str(plan), within_s=60.0)


class NoCost(Steps):
    """Writes no cost, and shrinks all the same: the controller then takes whom it likes."""

    def set_cost(self, pod: Pod, plan: PlanId, now: float) -> Effect | None:
        effect = super().set_cost(pod, plan, now)
        return replace(effect, cost=0) if isinstance(effect, SetCost) else effect


class NoPrecondition(Steps):
    """Scales whatever the Deployment has become since it was read."""

    def scale(self, deployment: Deployment, replicas: int) -> Effect | None:
        effect = super().scale(deployment, replicas)
        assert isinstance(effect, Scale)
        return replace(effect, resource_version=None)
