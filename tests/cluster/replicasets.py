"""The ReplicaSet controller: as many active pods as asked for, and what is written about them."""

from tests.cluster.caches import Bounds, Controller
from tests.cluster.kinds import PODS, REPLICASETS
from tests.cluster.objects import (
    Object,
    annotations_of,
    at,
    condition,
    controller_of,
    is_active,
    is_going,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from tests.cluster.store import Event, Key, Store
from tests.cluster.victims import ranked
from tests.cluster.world import World, seconds_of

REFUSED = 5.0
"""After how many seconds a pod that a quota forbade is tried again."""


class ReplicaSets(Controller):
    """Reads from its late cache;

    What it did itself it waits to see there before it counts again (expectations).
    """

    kinds = (PODS, REPLICASETS)

    def __init__(self, world: World, store: Store, lag: Bounds) -> None:
        super().__init__(world, store, lag)
        self.quota: int | None = None
        """Most pods that may be made; those beyond it are refused, and tried again."""
        self._expected: dict[str, set[str]] = {}
        """By uid of a set: the uids of the pods it made and has not seen come, or deleted and not seen go."""

    def on(self, event: Event) -> None:
        thing = event.thing
        if event.kind is REPLICASETS:
            self.ask((namespace_of(thing), name_of(thing)))
            return
        owner = controller_of(thing)
        for each in self.cache.all(REPLICASETS, namespace_of(thing)):
            if uid_of(each) == owner:
                self._saw(uid_of(each), event)
                self.ask((namespace_of(each), name_of(each)))

    def look(self, key: Key) -> None:
        owner = self.cache.find(REPLICASETS, key)
        if owner is None or is_going(owner):
            return
        mine = [pod for pod in self.cache.all(PODS, key[0]) if controller_of(pod) == uid_of(owner)]
        active = [pod for pod in mine if is_active(pod)]
        if not self._expected.get(uid_of(owner)):
            self._manage(owner, active)
        self._report(owner, active, sum(is_going(pod) for pod in mine))

    def _saw(self, owner: str, event: Event) -> None:
        waiting = self._expected.get(owner, set())
        uid = uid_of(event.thing)
        if f"+{uid}" in waiting and event.before is None:
            waiting.discard(f"+{uid}")
        if event.now is None or is_going(event.now):
            waiting.discard(f"-{uid}")

    def _manage(self, owner: Object, active: list[Object]) -> None:
        surplus = len(active) - owner["spec"]["replicas"]
        waiting = self._expected.setdefault(uid_of(owner), set())
        for _ in range(-surplus):
            if self.quota is not None and len(self.store.all(PODS)) >= self.quota:
                self.ask_at((namespace_of(owner), name_of(owner)), self.world.now + REFUSED)
                break
            waiting.add("+" + uid_of(self.store.create(PODS, _pod_of(owner), self.name)))
        if surplus > 0:
            now = self.world.epoch + self.world.now
            for pod in ranked(active, self._siblings(owner), now)[:surplus]:
                waiting.add("-" + uid_of(pod))
                self._delete(pod, waiting)

    def _delete(self, pod: Object, waiting: set[str]) -> None:
        if self.store.find(PODS, namespace_of(pod), name_of(pod)) is None:
            waiting.discard("-" + uid_of(pod))
            return
        self.store.delete(PODS, namespace_of(pod), name_of(pod), self.name)

    def _siblings(self, owner: Object) -> list[Object]:
        above = controller_of(owner)
        sets = self.cache.all(REPLICASETS, namespace_of(owner))
        family = {uid_of(each) for each in sets if above and controller_of(each) == above} | {uid_of(owner)}
        pods = self.cache.all(PODS, namespace_of(owner))
        return [pod for pod in pods if controller_of(pod) in family and is_active(pod)]

    def _report(self, owner: Object, active: list[Object], going: int) -> None:
        wait = owner["spec"]["minReadySeconds"]
        ready = [pod for pod in active if is_ready(pod)]
        left = [wait - self.world.age(_ready_since(pod)) for pod in ready]
        status = {
            "replicas": len(active),
            "readyReplicas": len(ready),
            "availableReplicas": sum(seconds <= 0 for seconds in left),
            "terminatingReplicas": going,
            "observedGeneration": owner["metadata"]["generation"],
        }
        if status != owner.get("status"):
            self.store.replace(REPLICASETS, {**owner, "status": status}, self.name, "status")
        if soonest := min((seconds for seconds in left if seconds > 0), default=0.0):
            self.ask_at((namespace_of(owner), name_of(owner)), self.world.now + soonest + 0.01)


def _ready_since(pod: Object) -> str:
    found = condition(pod, "Ready")
    assert found is not None
    return str(found["lastTransitionTime"])


def _pod_of(owner: Object) -> Object:
    template = owner["spec"]["template"]
    return {
        "metadata": {
            "generateName": f"{name_of(owner)}-",
            "namespace": namespace_of(owner),
            "labels": labels_of(template),
            "annotations": annotations_of(template),
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": at(template, "spec", default={}),
    }


def is_available(pod: Object, wait: float, now: float) -> bool:
    """Whether it has been ready for `wait` seconds; now: seconds since 1970."""
    return is_ready(pod) and now - seconds_of(_ready_since(pod)) >= wait
