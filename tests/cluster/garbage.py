"""What belongs to something that is gone, goes."""

from functools import partial

from tests.cluster.caches import Bounds
from tests.cluster.kinds import DEPLOYMENTS, PODS, REPLICASETS, SERVICES, SLICES, Kind
from tests.cluster.objects import Object, at, is_going, name_of, namespace_of, uid_of
from tests.cluster.store import Event, Store
from tests.cluster.world import World

_OWNED = {DEPLOYMENTS: (REPLICASETS,), REPLICASETS: (PODS,), SERVICES: (SLICES,)}


class Garbage:
    """Deletes dependents in the background, some seconds after their owner."""

    def __init__(self, world: World, store: Store, lag: Bounds) -> None:
        self._world = world
        self._store = store
        self._lag = lag
        store.listeners.append(self._on)

    def _on(self, event: Event) -> None:
        if event.now is None:
            for kind in _OWNED.get(event.kind, ()):
                self._world.after(
                    self._world.between(self._lag), partial(self._sweep, kind, uid_of(event.thing))
                )

    def _sweep(self, kind: Kind, owner: str) -> None:
        for each in self._store.all(kind):
            if _owned_by(each, owner) and not is_going(each):
                self._store.delete(kind, namespace_of(each), name_of(each), "garbage-collector")


def _owned_by(thing: Object, owner: str) -> bool:
    return any(each["uid"] == owner for each in at(thing, "metadata", "ownerReferences", default=[]))
