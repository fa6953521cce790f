"""Disruption budgets: what they say is left, and whether an eviction may begin."""

import math

from tests.cluster.caches import Controller
from tests.cluster.errors import too_many
from tests.cluster.kinds import BUDGETS, DEPLOYMENTS, PODS, REPLICASETS
from tests.cluster.objects import (
    Object,
    at,
    controller_of,
    is_going,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    selects,
    uid_of,
)
from tests.cluster.store import Event, Key


class Disruptions(Controller):
    """Counts healthy pods into the budgets' status, from its late cache,
    and answers evictions from that status.
    """

    kinds = (PODS, BUDGETS, REPLICASETS, DEPLOYMENTS)

    def on(self, event: Event) -> None:
        for budget in self.cache.all(BUDGETS, namespace_of(event.thing)):
            self.ask((namespace_of(budget), name_of(budget)))

    def look(self, key: Key) -> None:
        budget = self.store.find(BUDGETS, *key)
        if budget is None:
            return
        mine = [p for p in self.cache.all(PODS, key[0]) if selects(budget["spec"]["selector"], labels_of(p))]
        begun = at(budget, "status", "disruptedPods", default={})
        begun = {
            name: at_
            for name, at_ in begun.items()
            if any(name_of(p) == name and not is_going(p) for p in mine)
        }
        healthy = sum(is_ready(p) and not is_going(p) and name_of(p) not in begun for p in mine)
        expected = self._expected(key[0], mine)
        least = _least(budget["spec"], expected)
        status = {
            "currentHealthy": healthy,
            "desiredHealthy": least,
            "expectedPods": expected,
            "disruptionsAllowed": max(0, healthy - least) if expected else 0,
            "disruptedPods": begun,
            "observedGeneration": budget["metadata"]["generation"],
        }
        if status != budget.get("status"):
            self.store.replace(BUDGETS, {**budget, "status": status}, self.name, "status")

    def evict(self, namespace: str, name: str, eviction: Object) -> None:
        """Begin the deletion. Raises ApiError 429 where a budget has nothing left."""
        pod = self.store.get(PODS, namespace, name)
        budgets = [
            b for b in self.store.all(BUDGETS, namespace) if selects(b["spec"]["selector"], labels_of(pod))
        ]
        if not is_going(pod):
            for budget in budgets:
                self._spend(budget, pod)
        grace = at(eviction, "deleteOptions", "gracePeriodSeconds")
        self.store.delete(PODS, namespace, name, "eviction", grace)

    def _spend(self, budget: Object, pod: Object) -> None:
        status = budget.get("status", {})
        always = budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
        fine = status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0
        if not is_ready(pod) and (always or fine):
            return
        left = status.get("disruptionsAllowed", 0)
        if left <= 0 or status.get("observedGeneration") != budget["metadata"]["generation"]:
            raise too_many("Cannot evict pod as it would violate the pod's disruption budget.")
        begun = {**status.get("disruptedPods", {}), name_of(pod): self.world.stamp()}
        spent = {**status, "disruptionsAllowed": left - 1, "disruptedPods": begun}
        self.store.replace(BUDGETS, {**budget, "status": spent}, self.name, "status")

    def _expected(self, namespace: str, pods: list[Object]) -> int:
        sets = {uid_of(s): s for s in self.cache.all(REPLICASETS, namespace)}
        owners = {uid_of(d): d for d in self.cache.all(DEPLOYMENTS, namespace)}
        found: dict[str, Object] = {}
        for pod in pods:
            owner = sets.get(controller_of(pod) or "")
            if owner is not None:
                owner = owners.get(controller_of(owner) or "", owner)
                found[uid_of(owner)] = owner
        return sum(each["spec"]["replicas"] for each in found.values())


def _least(spec: Object, expected: int) -> int:
    if "minAvailable" in spec:
        return _rounded_up(spec["minAvailable"], expected)
    return max(0, expected - _rounded_up(spec.get("maxUnavailable", 1), expected))


def _rounded_up(value: int | str, whole: int) -> int:
    return value if isinstance(value, int) else math.ceil(int(value.rstrip("%")) * whole / 100)
