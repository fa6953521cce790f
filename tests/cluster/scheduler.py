"""Nodes, and which pod goes where: the emptiest node that takes it."""

from tests.cluster.caches import Bounds, Controller
from tests.cluster.kinds import NODES, PODS
from tests.cluster.objects import Object, at, is_going, labels_of, name_of, namespace_of, selects
from tests.cluster.store import Event, Key, Store
from tests.cluster.world import World

NO_NODE = 1.0
"""After how many seconds a pod that fits nowhere is looked at again."""


def node(name: str, pods: int = 110) -> Object:
    """A node that takes so many pods."""
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {"allocatable": {"pods": str(pods)}, "conditions": [{"type": "Ready", "status": "True"}]},
    }


class Scheduler(Controller):
    """Knows taints (every effect repels), full nodes, and a required anti-affinity by host name."""

    kinds = (PODS, NODES)
    name = "kube-scheduler"

    def __init__(self, world: World, store: Store, lag: Bounds) -> None:
        super().__init__(world, store, lag)
        self._assumed: dict[str, str] = {}

    def on(self, event: Event) -> None:
        if event.kind is PODS and event.now is not None and not event.now["spec"].get("nodeName"):
            self.ask((namespace_of(event.thing), name_of(event.thing)))

    def look(self, key: Key) -> None:
        pod = self.store.find(PODS, *key)
        if pod is None or is_going(pod) or pod["spec"].get("nodeName"):
            return
        fitting = [each for each in self.store.all(NODES) if self._fits(pod, each)]
        if not fitting:
            self.ask_at(key, self.world.now + NO_NODE)
            return
        chosen = min(fitting, key=lambda each: (len(self._on_node(each)), name_of(each)))
        spec = {**pod["spec"], "nodeName": name_of(chosen)}
        self.store.replace(PODS, {**pod, "spec": spec}, self.name)

    def _on_node(self, node: Object) -> list[Object]:
        return [p for p in self.store.all(PODS) if p["spec"].get("nodeName") == name_of(node)]

    def _fits(self, pod: Object, node: Object) -> bool:
        there = self._on_node(node)
        if at(node, "spec", "unschedulable") or at(node, "spec", "taints"):
            return False
        if len(there) >= int(at(node, "status", "allocatable", "pods", default="110")):
            return False
        rules = at(pod, "spec", "affinity", "podAntiAffinity", default={})
        for rule in rules.get("requiredDuringSchedulingIgnoredDuringExecution", []):
            if any(selects(rule["labelSelector"], labels_of(each)) for each in there):
                return False
        return True
