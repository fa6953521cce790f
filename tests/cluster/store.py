"""The objects of one cluster: versions, conflicts, uids, generations, finalizers, and the log that watches
read.

Objects that it hands out are never changed in place. Every write is one event, told to the listeners at once;
a write that changes nothing is none.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from tests.cluster.applying import written
from tests.cluster.errors import conflict, exists, gone, not_found
from tests.cluster.kinds import Kind, defaulted
from tests.cluster.objects import Object, copied, is_going, name_of, namespace_of
from tests.cluster.validation import check
from tests.cluster.world import World

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """One write: `now` is None where the object went, `before` where it came."""

    version: int
    kind: Kind
    before: Object | None
    now: Object | None

    @property
    def thing(self) -> Object:
        found = self.now if self.now is not None else self.before
        assert found is not None
        return found


class Store:
    """All of it in memory. `writes` counts them by kind and manager: what a proof of thrift reads."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.version = 1000
        self.log: list[Event] = []
        self.forgotten = 1000
        self.listeners: list[Callable[[Event], None]] = []
        self.writes: Counter[tuple[str, str]] = Counter()
        self._objects: dict[Kind, dict[Key, Object]] = {}

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        found = self.find(kind, namespace, name)
        if found is None:
            raise not_found(f'{kind} "{name}"')
        return found

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return self._objects.get(kind, {}).get((namespace, name))

    def all(self, kind: Kind, namespace: str = "") -> list[Object]:
        """Every object of the kind, of one namespace or of all."""
        found = self._objects.get(kind, {}).values()
        return [each for each in found if not namespace or namespace_of(each) == namespace]

    def create(self, kind: Kind, thing: Object, manager: str = "") -> Object:
        """Raises ApiError 409 where the name is taken, 422 where the object cannot be."""
        metadata = {k: v for k, v in thing["metadata"].items() if k != "resourceVersion"}
        if "name" not in metadata:
            metadata["name"] = metadata.pop("generateName") + f"{self.world.dice.getrandbits(24):06x}"
        key = (metadata.get("namespace", ""), metadata["name"])
        if key in self._objects.get(kind, {}):
            raise exists(f'{kind} "{key[1]}"')
        metadata |= {"uid": str(UUID(int=self.world.dice.getrandbits(128))), "generation": 1}
        metadata["creationTimestamp"] = self.world.stamp()
        kept = {k: v for k, v in thing.items() if k != "status" or "status" not in kind.subresources}
        born = {"apiVersion": kind.api_version, "kind": kind.kind, **copied(kept), "metadata": metadata}
        born = defaulted(kind, born)
        check(kind, born)
        return self._commit(kind, None, self._claimed(kind, None, born, manager), manager)

    def replace(
        self, kind: Kind, new: Object, manager: str = "", subresource: str = "", *, owned: bool = False
    ) -> Object:
        """Write an object that was read and changed. Raises ApiError 404, or 409 where it changed meanwhile.

        subresource: `status` writes the status alone; "" all but the status. owned: managedFields are in it
        already.
        """
        stored = self.get(kind, namespace_of(new), name_of(new))
        self._check(kind, stored, new)
        new = self._part(kind, stored, new, subresource)
        if not owned:
            new = self._claimed(kind, stored, new, manager, subresource)
        if _content(new) == _content(stored):
            return stored
        if is_going(new) and not new["metadata"].get("finalizers") and not kind.graceful:
            return self._remove(kind, stored, manager)
        return self._commit(kind, stored, new, manager)

    def change(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        manager: str = "",
        subresource: str = "",
    ) -> Object:
        """Write what `change` makes of a copy of the object."""
        stored = self.get(kind, namespace, name)
        return self.replace(kind, change(copied(stored)), manager, subresource)

    def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        manager: str = "",
        grace: float | None = None,
        uid: str | None = None,
    ) -> Object:
        """Begin or end a deletion:

        What has finalizers or a kubelet stays until they are done. grace 0: at once.
        """
        stored = self.get(kind, namespace, name)
        if uid is not None and stored["metadata"]["uid"] != uid:
            raise conflict(f'the UID of {kind} "{name}" is another')
        waits = kind.graceful and stored["spec"].get("nodeName") and grace != 0
        if not waits and not stored["metadata"].get("finalizers"):
            return self._remove(kind, stored, manager)
        if is_going(stored) and not kind.graceful:
            return stored
        return self._commit(kind, stored, self._going(kind, stored, grace), manager)

    def forget(self, before: int | None = None) -> None:
        """Let watches from before that version fail with 410, as a compaction does; None: from before now."""
        self.forgotten = self.version if before is None else before
        self.log = [event for event in self.log if event.version > self.forgotten]

    def since(self, kind: Kind, version: int) -> list[Event]:
        """What happened to the kind after that version. Raises ApiError 410 where that is forgotten."""
        if version < self.forgotten:
            raise gone(f"too old resource version: {version} ({self.forgotten})")
        return [event for event in self.log if event.version > version and event.kind is kind]

    def _going(self, kind: Kind, stored: Object, grace: float | None) -> Object:
        wait = 0.0
        if kind.graceful:
            wait = float(stored["spec"]["terminationGracePeriodSeconds"] if grace is None else grace)
            if is_going(stored):
                wait = min(wait, stored["metadata"]["deletionGracePeriodSeconds"])
        going = {"deletionTimestamp": self.world.stamp(wait), "deletionGracePeriodSeconds": wait}
        return {**stored, "metadata": {**stored["metadata"], **going}}

    def _check(self, kind: Kind, stored: Object, new: Object) -> None:
        for field in ("resourceVersion", "uid"):
            wanted = new["metadata"].get(field)
            if wanted and wanted != stored["metadata"][field]:
                raise conflict(f'{kind} "{name_of(new)}": the object has been modified ({field})')

    def _part(self, kind: Kind, stored: Object, new: Object, subresource: str) -> Object:
        if subresource == "status":
            kept = defaulted(kind, {**stored, "status": new.get("status", {})})
            return {**stored, **({"status": kept["status"]} if "status" in kept else {})}
        fixed = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
        metadata = {k: v for k, v in new["metadata"].items() if k not in fixed}
        metadata |= {k: stored["metadata"][k] for k in fixed if k in stored["metadata"]}
        metadata["resourceVersion"] = stored["metadata"]["resourceVersion"]
        new = defaulted(kind, {**new, "metadata": metadata})
        if "status" in kind.subresources:
            new = {k: v for k, v in new.items() if k != "status"}
            new |= {"status": stored["status"]} if "status" in stored else {}
        if new.get("spec") != stored.get("spec"):
            check(kind, new)
            new["metadata"] = {**metadata, "generation": metadata["generation"] + 1}
        return new

    def _claimed(
        self, kind: Kind, old: Object | None, new: Object, manager: str, subresource: str = ""
    ) -> Object:
        return (
            written(old, new, manager, self.world.stamp(), subresource) if kind.managed and manager else new
        )

    def _commit(self, kind: Kind, stored: Object | None, new: Object, manager: str) -> Object:
        self.version += 1
        new = {**new, "metadata": {**new["metadata"], "resourceVersion": str(self.version)}}
        self._objects.setdefault(kind, {})[namespace_of(new), name_of(new)] = new
        self._tell(Event(self.version, kind, stored, new), manager)
        return new

    def _remove(self, kind: Kind, stored: Object, manager: str) -> Object:
        self.version += 1
        del self._objects[kind][namespace_of(stored), name_of(stored)]
        last = {**stored, "metadata": {**stored["metadata"], "resourceVersion": str(self.version)}}
        self._tell(Event(self.version, kind, last, None), manager)
        return last

    def _tell(self, event: Event, manager: str) -> None:
        self.writes[event.kind.plural, manager] += 1
        self.log.append(event)
        for listener in tuple(self.listeners):
            listener(event)


def _content(thing: Object) -> Object:
    """What of an object counts as a change: not when a manager last wrote, but what it owns."""
    metadata = {k: v for k, v in thing["metadata"].items() if k not in {"managedFields", "resourceVersion"}}
    owned = [{**each, "time": ""} for each in thing["metadata"].get("managedFields", [])]
    return {**thing, "metadata": {**metadata, "managedFields": owned}}
