"""Services:

The EndpointSlice controller, and what new connections see of it, each behind by its own seconds.
"""

from tests.cluster.caches import Bounds, Cache, Controller
from tests.cluster.kinds import PODS, SERVICES, SLICES
from tests.cluster.objects import (
    Object,
    at,
    is_going,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)
from tests.cluster.store import Event, Key, Store
from tests.cluster.world import World


class Endpoints(Controller):
    """One slice per service.

    A pod on its way out stays in it: not ready, terminating, serving while its probe says so.
    """

    kinds = (PODS, SERVICES)
    name = "endpointslice-controller"

    def on(self, event: Event) -> None:
        for service in self.cache.all(SERVICES, namespace_of(event.thing)):
            self.ask((namespace_of(service), name_of(service)))

    def look(self, key: Key) -> None:
        service = self.cache.find(SERVICES, key)
        if service is None:
            return
        wanted = at(service, "spec", "selector", default={})
        pods = [p for p in self.cache.all(PODS, key[0]) if wanted.items() <= labels_of(p).items()]
        entries = [_endpoint(pod) for pod in pods if at(pod, "status", "podIP")]
        entries.sort(key=lambda each: str(each["targetRef"]["name"]))
        found = self.store.find(SLICES, key[0], f"{key[1]}-slice")
        if found is None:
            self.store.create(SLICES, _slice(service, entries), self.name)
        elif found["endpoints"] != entries:
            self.store.replace(SLICES, {**found, "endpoints": entries}, self.name)


def _endpoint(pod: Object) -> Object:
    ready, going = is_ready(pod), is_going(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready and not going, "serving": ready, "terminating": going},
        "targetRef": {"kind": "Pod", "name": name_of(pod), "namespace": namespace_of(pod)},
    }


def _slice(service: Object, entries: list[Object]) -> Object:
    metadata = {
        "name": f"{name_of(service)}-slice",
        "namespace": namespace_of(service),
        "labels": {"kubernetes.io/service-name": name_of(service)},
        "ownerReferences": [owner_reference(service)],
    }
    return {"metadata": metadata, "addressType": "IPv4", "endpoints": entries}


class DataPlane:
    """Where a new connection goes: a random ready endpoint; a serving one on its way out only when none is
    ready.

    Established connections are not its business: they stay.
    """

    def __init__(self, world: World, store: Store, lag: Bounds) -> None:
        self._world = world
        self._cache = Cache(world, store, (SLICES,), lag)

    def pick(self, namespace: str, service: str) -> str | None:
        """The name of a pod; None: nobody serves."""
        found = self._cache.find(SLICES, (namespace, f"{service}-slice"))
        entries = found["endpoints"] if found else []
        for word in ("ready", "serving"):
            names = [each["targetRef"]["name"] for each in entries if each["conditions"][word]]
            if names:
                return str(self._world.dice.choice(names))
        return None
