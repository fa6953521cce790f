"""A cluster of one fleet, small enough to read: the operator's ports in process, on a clock of the test's.

It keeps objects as an API server does (versions, preconditions, merge patches) and takes pods away in the
order of a ReplicaSet. What it does not imitate, tests/cluster does.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from continuo_operator.labels import ACCEPTS, COST, REVISION, TEMPLATE_HASH
from continuo_operator.ports import AdminError, Conflict, Door, Exists, Kind, Missing, Object
from continuo_operator.snapshot import Report
from continuo_operator.stamps import iso
from tests.support.fleet_snapshots import NOW, SMALL

LABELS = {
    "app.kubernetes.io/name": "continuo",
    "app.kubernetes.io/component": "connection",
    "app.kubernetes.io/instance": "ours",
}
MANAGER = "continuo-operator"


class SmallPod:
    """The process in a pod: its connections, and whether it was told to drain."""

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.cordoned = False
        self.plan: str | None = None


class SmallCluster:
    """Implements `Cluster` and `Admin`. `writes` holds what was written, in order."""

    def __init__(
        self, connections: Sequence[int], *, spec: Mapping[str, Any] | None = None, now: float = NOW
    ) -> None:
        self.now = now
        self.writes: list[tuple[str, str, str]] = []
        self.deaths: list[tuple[str, int]] = []
        """Pods taken away, with the connections that they still had."""
        self.processes: dict[str, SmallPod] = {}
        self._objects: dict[tuple[Kind, str], dict[str, Any]] = {}
        self._version = 0
        self.add_fleet("default", dict(spec or SMALL))
        self._deploy(len(connections))
        for number, held in enumerate(connections):
            self.add_pod(f"pod-{number}", held)

    def add_fleet(self, name: str, spec: Mapping[str, Any], *, release: str = "ours") -> None:
        labels = {**LABELS, "app.kubernetes.io/instance": release}
        self._put(
            Kind.FLEETS,
            name,
            {"metadata": {"generation": 1, "labels": labels}, "spec": copy.deepcopy(dict(spec))},
        )

    def add_pod(self, name: str, connections: int = 0) -> None:
        self.processes[name] = SmallPod(connections)
        meta = {
            "labels": {**LABELS, ACCEPTS: "yes", TEMPLATE_HASH: "new"},
            "creationTimestamp": iso(self.now - 3600),
        }
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": iso(self.now - 3600)}
        status = {"phase": "Running", "podIP": f"127.0.0.{len(self.processes)}", "conditions": [ready]}
        self._put(Kind.PODS, name, {"metadata": meta, "spec": {"nodeName": "node-1"}, "status": status})

    def pods(self) -> dict[str, dict[str, Any]]:
        return {name: one for (kind, name), one in self._objects.items() if kind is Kind.PODS}

    def leases(self) -> dict[str, dict[str, Any]]:
        return {name: one for (kind, name), one in self._objects.items() if kind is Kind.LEASES}

    def object(self, kind: Kind, name: str) -> dict[str, Any]:
        return self._objects[kind, name]

    def advance(self, seconds: float) -> None:
        """Move on: draining pods close ten connections a second and are not ready when empty."""
        self.now += seconds
        for name, process in self.processes.items():
            if process.cordoned:
                process.connections = max(0, process.connections - int(10 * seconds))
            self._ready(name, not (process.cordoned and process.connections == 0))

    # As a cluster

    async def list(self, kind: Kind, *, selector: str = "") -> Sequence[Object]:
        wanted = [one.partition("=")[::2] for one in selector.split(",") if one]
        found = [one for (of, _), one in self._objects.items() if of is kind]
        fits = [one for one in found if all(one["metadata"].get("labels", {}).get(k) == v for k, v in wanted)]
        return copy.deepcopy(fits)

    async def get(self, kind: Kind, name: str) -> Object:
        if (kind, name) not in self._objects:
            raise Missing(f"no {kind.plural} {name}", 404)
        return copy.deepcopy(self._objects[kind, name])

    async def patch(
        self,
        kind: Kind,
        name: str,
        patch: Object,
        *,
        subresource: str = "",
        resource_version: str | None = None,
    ) -> Object:
        found = self._checked(kind, name, resource_version)
        self.writes.append(("patch", f"{kind.plural}/{subresource}".rstrip("/"), name))
        _merge(found, patch)
        if subresource == "scale":
            self._scaled(found)
        self._touch(found)
        return copy.deepcopy(found)

    async def create(self, kind: Kind, body: Object) -> Object:
        name = body["metadata"]["name"]
        if (kind, name) in self._objects:
            raise Exists(f"{kind.plural} {name} is there", 409)
        self.writes.append(("create", kind.plural, name))
        return self._put(kind, name, copy.deepcopy(dict(body)))

    async def apply(self, kind: Kind, name: str, body: Object, *, subresource: str = "") -> Object:
        found = self._checked(kind, name, body["metadata"].get("resourceVersion"))
        self.writes.append(("apply", f"{kind.plural}/{subresource}", name))
        _merge(found, {"spec": body["spec"]})
        self._scaled(found)
        self._touch(found)
        return copy.deepcopy(found)

    # As the pods

    async def status(self, door: Door) -> Report:
        process = self._process(door)
        state = "serving" if not process.cordoned else "draining" if process.connections else "emptied"
        return Report(
            node=door.pod,
            state=state,
            cordoned=process.cordoned,
            plan=process.plan,
            connections=process.connections,
            capacity=200,
        )

    async def drain(self, door: Door, *, plan: str, within_s: float) -> Report:
        process = self._process(door)
        process.cordoned, process.plan = True, plan
        return await self.status(door)

    async def undrain(self, door: Door, *, plan: str) -> Report:
        process = self._process(door)
        if process.plan not in {None, plan}:
            raise AdminError("another plan holds it", 409)
        process.cordoned, process.plan = False, None
        return await self.status(door)

    # Inside

    def _process(self, door: Door) -> SmallPod:
        if door.pod not in self.processes:
            raise AdminError("nobody there")
        return self.processes[door.pod]

    def _deploy(self, replicas: int) -> None:
        meta = {"generation": 1, "annotations": {REVISION: "1"}, "labels": LABELS}
        spec = {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "strategy": {"rollingUpdate": {"maxSurge": "100%"}},
        }
        name = SMALL["deployment"]
        body = {"metadata": meta, "spec": spec, "status": {"observedGeneration": 1}}
        owner = self._put(Kind.DEPLOYMENTS, str(name), body)["metadata"]["uid"]
        meta = {
            "labels": {**LABELS, TEMPLATE_HASH: "new"},
            "annotations": {REVISION: "1"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": owner}],
        }
        self._put(Kind.REPLICASETS, f"{name}-new", {"metadata": meta})

    def _put(self, kind: Kind, name: str, body: dict[str, Any]) -> dict[str, Any]:
        body["metadata"] |= {"name": name, "namespace": "here", "uid": f"uid-{kind.plural}-{name}"}
        body |= {"apiVersion": kind.api_version}
        self._objects[kind, name] = body
        self._touch(body)
        return body

    def _touch(self, found: dict[str, Any]) -> None:
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)

    def _checked(self, kind: Kind, name: str, version: str | None) -> dict[str, Any]:
        if (kind, name) not in self._objects:
            raise Missing(f"no {kind.plural} {name}", 404)
        found = self._objects[kind, name]
        if version is not None and found["metadata"]["resourceVersion"] != version:
            raise Conflict(f"{name} has changed", 409)
        return found

    def _scaled(self, deployment: dict[str, Any]) -> None:
        """Own the replicas and have as many pods: the unready and the cheap go first."""
        owns = {"manager": MANAGER, "fieldsV1": {"f:spec": {"f:replicas": {}}}}
        deployment["metadata"]["managedFields"] = [owns]
        pods = self.pods()
        for number in range(len(pods), deployment["spec"]["replicas"]):
            self.add_pod(f"added-{self._version}-{number}")
        surplus = len(pods) - deployment["spec"]["replicas"]
        for name in sorted(pods, key=lambda one: _rank(pods[one]))[: max(0, surplus)]:
            self.deaths.append((name, self.processes.pop(name).connections))
            del self._objects[Kind.PODS, name]

    def _ready(self, name: str, ready: bool) -> None:
        pod = self._objects[Kind.PODS, name]
        status = "True" if ready else "False"
        if pod["status"]["conditions"][0]["status"] != status:
            pod["status"]["conditions"][0] |= {"status": status, "lastTransitionTime": iso(self.now)}
            self._touch(pod)


def _rank(pod: Mapping[str, Any]) -> tuple[bool, int, str]:
    cost = int((pod["metadata"].get("annotations") or {}).get(COST, "0"))
    return pod["status"]["conditions"][0]["status"] == "True", cost, pod["metadata"]["name"]


def _merge(target: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, Mapping):
            inner = target.setdefault(name, {})
            if not isinstance(inner, dict):
                inner = target[name] = {}
            _merge(inner, value)
        else:
            target[name] = copy.deepcopy(value)
