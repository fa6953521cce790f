"""The API of a cluster without its sockets: one request in, one answer out. `served.py` puts it on HTTP."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.applying import applied, overlaid
from tests.cluster.discovery import discovered
from tests.cluster.errors import ApiError, not_found
from tests.cluster.kinds import PODS, Kind, defaulted, kind_at
from tests.cluster.objects import Object, at, labels_of, name_of, namespace_of, text_selects
from tests.cluster.patches import merged, operated
from tests.cluster.scaling import as_scale, scaled_by
from tests.cluster.store import Store

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
OPERATIONS = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `manager`: who calls, as the field manager or the user agent says."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    manager: str = "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names. `name` "": the list."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


def place_of(path: str) -> Place:
    """Raises ApiError 404 where nothing is served."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise not_found(path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3:
        namespace, rest = rest[1], rest[2:]
    kind = kind_at(group, version, rest[0])
    if kind is None or len(rest) > 3:
        raise not_found(path)
    name, subresource = ([*rest[1:], "", ""])[:2]
    if subresource and subresource not in kind.subresources:
        raise not_found(path)
    return Place(kind, namespace, name, subresource)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list or a watch asks for."""

    namespace: str
    labels: str = ""
    fields: str = ""

    def takes(self, thing: Object) -> bool:
        if self.namespace and namespace_of(thing) != self.namespace:
            return False
        if not text_selects(self.labels, labels_of(thing)):
            return False
        terms = [term.partition("=") for term in self.fields.split(",") if term]
        return all(str(at(thing, *path.rstrip("!").split("."), default="")) == value.lstrip("=")
                   for path, _, value in terms)  # fmt: skip


class Api:
    """Answers requests from a store. `evict` decides about an eviction: it raises, or begins the deletion."""

    def __init__(self, store: Store, evict: Callable[[str, str, Object], None]) -> None:
        self.store = store
        self.evict = evict

    def answer(self, request: Request) -> tuple[int, Object]:
        """The HTTP status and the JSON of the answer; a refusal is an answer too."""
        try:
            if (found := discovered(request.path)) is not None:
                return 200, found
            return self._answer(request, place_of(request.path))
        except ApiError as error:
            return error.status, error.body()

    def _answer(self, request: Request, place: Place) -> tuple[int, Object]:
        if request.method == "POST":
            return 201, self._post(request, place)
        if request.method == "GET" and not place.name:
            return 200, self._list(request, place)
        if request.method == "GET":
            return 200, self._get(place)
        if request.method == "PUT":
            return 200, self._write(request, place, request.body)
        if request.method == "PATCH":
            return 200, self._patch(request, place)
        if request.method == "DELETE":
            return 200, self._delete(request, place)
        raise ApiError(405, "MethodNotAllowed", request.method)

    def _get(self, place: Place) -> Object:
        found = self.store.get(place.kind, place.namespace, place.name)
        return as_scale(found) if place.subresource == "scale" else found

    def _list(self, request: Request, place: Place) -> Object:
        selection = selection_of(request, place)
        items = [each for each in self.store.all(place.kind) if selection.takes(each)]
        return {
            "apiVersion": place.kind.api_version,
            "kind": f"{place.kind.kind}List",
            "metadata": {"resourceVersion": str(self.store.version)},
            "items": sorted(items, key=lambda each: (namespace_of(each), name_of(each))),
        }

    def _post(self, request: Request, place: Place) -> Object:
        if place.kind is PODS and place.subresource == "eviction":
            self.evict(place.namespace, place.name, request.body)
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        body = request.body
        metadata = {**body["metadata"]}
        if place.kind.namespaced:
            metadata["namespace"] = place.namespace
        return self.store.create(place.kind, {**body, "metadata": metadata}, request.manager)

    def _patch(self, request: Request, place: Place) -> Object:
        if request.content_type == APPLY:
            return self._apply(request, place)
        current = self._get(place)
        if request.content_type == OPERATIONS:
            wanted = operated(current, request.body)
        elif request.content_type == MERGE:
            wanted = merged(current, request.body)
        elif request.content_type == STRATEGIC:
            wanted = overlaid(current, request.body)
        else:
            raise ApiError(415, "UnsupportedMediaType", request.content_type)
        return self._write(request, place, wanted)

    def _write(self, request: Request, place: Place, wanted: Object) -> Object:
        manager = request.query.get("fieldManager", request.manager)
        if place.subresource == "scale":
            stored = self.store.get(place.kind, place.namespace, place.name)
            new = scaled_by(stored, wanted)
            return as_scale(self.store.replace(place.kind, new, manager, "scale"))
        return self.store.replace(place.kind, wanted, manager, place.subresource)

    def _apply(self, request: Request, place: Place) -> Object:
        manager, force = request.query["fieldManager"], request.query.get("force") == "true"
        stored = self.store.find(place.kind, place.namespace, place.name)
        wanted = request.body
        if place.subresource == "scale":
            wanted = {
                "spec": {"replicas": wanted["spec"]["replicas"]},
                "metadata": wanted.get("metadata", {}),
            }
        if stored is None:
            return self._applied_first(place, wanted, manager)
        new = applied(stored, wanted, manager, self.store.world.stamp(), force=force,
                      subresource=place.subresource)  # fmt: skip
        new = defaulted(place.kind, new)
        part = "status" if place.subresource == "status" else ""
        result = self.store.replace(place.kind, new, manager, part, owned=True)
        return as_scale(result) if place.subresource == "scale" else result

    def _applied_first(self, place: Place, wanted: Object, manager: str) -> Object:
        metadata = {**wanted["metadata"], "name": place.name}
        if place.kind.namespaced:
            metadata["namespace"] = place.namespace
        blank = {"apiVersion": place.kind.api_version, "kind": place.kind.kind, "metadata": metadata}
        new = applied(blank, {**wanted, "metadata": metadata}, manager, self.store.world.stamp(), force=False)
        return self.store.create(place.kind, new)

    def _delete(self, request: Request, place: Place) -> Object:
        options = request.body or {}
        grace = options.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
        return self.store.delete(
            place.kind,
            place.namespace,
            place.name,
            request.manager,
            None if grace is None else float(grace),
            at(options, "preconditions", "uid"),
        )


def selection_of(request: Request, place: Place) -> Selection:
    """What a list or watch asks for."""
    fields = request.query.get("fieldSelector", "")
    if place.name:
        fields = f"metadata.name={place.name}"
    return Selection(place.namespace, request.query.get("labelSelector", ""), fields)
