"""The kinds of objects the simulator's API serves, and what each defaults to."""

from dataclasses import dataclass
from typing import Any

from tests.cluster.objects import Object, at
from tests.cluster.structural import schema_of_fleets, settled


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the API.

    `graceful`: a deletion waits for a kubelet. `managed`: who set which field is kept.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    subresources: frozenset[str] = frozenset()
    graceful: bool = False
    managed: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def root(self, namespace: str = "") -> str:
        """The path of its list in the API."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{base}/namespaces/{namespace}/{self.plural}" if namespace else f"{base}/{self.plural}"

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


_STATUS = frozenset({"status"})
_SCALED = frozenset({"status", "scale"})

PODS = Kind(
    "", "v1", "pods", "Pod", subresources=frozenset({"status", "eviction"}), graceful=True, managed=True
)
NODES = Kind("", "v1", "nodes", "Node", namespaced=False, subresources=_STATUS)
NAMESPACES = Kind("", "v1", "namespaces", "Namespace", namespaced=False, subresources=_STATUS)
SERVICES = Kind("", "v1", "services", "Service", subresources=_STATUS)
EVENTS = Kind("", "v1", "events", "Event")
DEPLOYMENTS = Kind("apps", "v1", "deployments", "Deployment", subresources=_SCALED, managed=True)
REPLICASETS = Kind("apps", "v1", "replicasets", "ReplicaSet", subresources=_SCALED)
SLICES = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
BUDGETS = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", subresources=_STATUS)
LEASES = Kind("coordination.k8s.io", "v1", "leases", "Lease")
FLEETS = Kind(
    "continuo.dev", "v1alpha1", "connectionfleets", "ConnectionFleet", subresources=_SCALED, managed=True
)

ALL = (
    PODS, NODES, NAMESPACES, SERVICES, EVENTS, DEPLOYMENTS, REPLICASETS, SLICES, BUDGETS, LEASES, FLEETS,
)  # fmt: skip


def kind_at(group: str, version: str, plural: str) -> Kind | None:
    """The kind served at that place of the API."""
    for each in ALL:
        if (each.group, each.version, each.plural) == (group, version, plural):
            return each
    return None


def defaulted(kind: Kind, thing: Object) -> Object:
    """The object with what the API server fills in. Raises ApiError 422 where its schema forbids it."""
    if kind is FLEETS:
        return settled(schema_of_fleets(), thing)
    if kind is DEPLOYMENTS:
        return {**thing, "spec": _deployment_spec(thing["spec"])}
    if kind is REPLICASETS:
        return {**thing, "spec": {"replicas": 1, "minReadySeconds": 0, **thing["spec"]}}
    if kind is PODS:
        return {
            **thing,
            "spec": {"terminationGracePeriodSeconds": 30, **thing["spec"]},
            "status": {"phase": "Pending", **thing.get("status", {})},
        }
    return thing


def _deployment_spec(spec: dict[str, Any]) -> dict[str, Any]:
    strategy = {"type": "RollingUpdate", **spec.get("strategy", {})}
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {"maxSurge": "25%", "maxUnavailable": "25%", **rolling}
    defaults = {"replicas": 1, "minReadySeconds": 0, "progressDeadlineSeconds": 600}
    return {**defaults, **{k: v for k, v in spec.items() if v is not None}, "strategy": strategy}


def selector_text(thing: Object) -> str:
    """What the scale subresource says as its selector: of a fleet, what its status says."""
    if thing["kind"] == "ConnectionFleet":
        return str(at(thing, "status", "selector", default=""))
    wanted = at(thing, "spec", "selector", "matchLabels", default={})
    return ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
