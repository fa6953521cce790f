"""The objects a chart installs for one fleet, with the chart's own arithmetic, and what runs in its pods."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from continuo_operator.arithmetic import MIN_PROGRESS_S, STARTUP_S, drain_seconds
from tests.cluster.api import APPLY, Request
from tests.cluster.budget import FleetBudget
from tests.cluster.cluster import NAMESPACE, SimulatedCluster
from tests.cluster.connection_pod import ConnectionPod, Manner
from tests.cluster.kinds import BUDGETS, DEPLOYMENTS, FLEETS, PODS, SERVICES
from tests.cluster.objects import Object, labels_of, name_of
from tests.cluster.processes import Process, Runs
from tests.cluster.world import World

DEPLOYMENT = "continuo-connection"
FLEET = "continuo"
COMPONENT = "app.kubernetes.io/component"
ACCEPTS = "continuo.dev/accepts"
LABELS = {"app.kubernetes.io/name": "continuo", COMPONENT: "connection", "app.kubernetes.io/instance": "test"}


@dataclass(frozen=True, slots=True)
class Design:
    """One fleet's numbers. `pods` is what it starts with, `most` what capacity and rates were sized for."""

    pods: int = 3
    most: int = 6
    capacity: int = 100
    pod_rate: int = 10
    fleet_rate: int = 20
    propagation_s: int = 5
    surge: int | str = "100%"
    with_operator: bool = True
    scaling: dict[str, Any] = field(default_factory=dict)
    min_ready_s: int | None = None
    grace_s: int | None = None
    window_s: int | None = None
    """What a drain may take, where that is not what the fleet's rate needs."""
    warm_up: tuple[float, float] = (1.0, 5.0)
    admin_port: int = 8081

    @property
    def drain_s(self) -> int:
        if self.window_s is not None:
            return self.window_s
        return drain_seconds(
            capacity=self.capacity, pod_rate=self.pod_rate, fleet_rate=self.fleet_rate, pods=self.most
        )

    @property
    def min_ready(self) -> int:
        """As the chart computes it, unless the design says otherwise."""
        if self.min_ready_s is not None:
            return self.min_ready_s
        return 15 + (10 + self.propagation_s + self.drain_s if self.with_operator else 0)

    @property
    def grace(self) -> int:
        return self.grace_s if self.grace_s is not None else 2 + self.propagation_s + self.drain_s + 5 + 10

    @property
    def manner(self) -> Manner:
        return Manner(
            self.capacity, self.pod_rate, self.fleet_rate, self.propagation_s, self.drain_s, self.warm_up
        )


def deployment(design: Design, version: str = "1") -> Object:
    """The Deployment of the connection pods, as the chart renders it; replicas only without the operator."""
    pod = {
        "terminationGracePeriodSeconds": design.grace,
        "containers": [
            {"name": "connection", "image": f"connection:{version}",
             "lifecycle": {"preStop": {"sleep": {"seconds": 2}}}}
        ],
    }  # fmt: skip
    spec: Object = {
        "selector": {"matchLabels": LABELS},
        "minReadySeconds": design.min_ready,
        "progressDeadlineSeconds": max(MIN_PROGRESS_S, design.min_ready + STARTUP_S + design.grace),
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": design.surge, "maxUnavailable": 0},
        },
        "template": {"metadata": {"labels": {**LABELS, ACCEPTS: "yes"}}, "spec": pod},
    }
    if not design.with_operator:
        spec["replicas"] = design.pods
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE, "labels": LABELS},
        "spec": spec,
    }


def fleet(design: Design) -> Object:
    """The ConnectionFleet with the same numbers."""
    return {
        "apiVersion": "continuo.dev/v1alpha1",
        "kind": "ConnectionFleet",
        "metadata": {"name": FLEET, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {
            "deployment": DEPLOYMENT,
            "adminPort": design.admin_port,
            "scaling": {"min": 1, "max": design.most, "targetConnectionsPerPod": design.capacity // 2,
                        **design.scaling},
            "drain": {
                "capacityPerPod": design.capacity,
                "podRatePerSecond": design.pod_rate,
                "fleetRatePerSecond": design.fleet_rate,
                "propagationSeconds": design.propagation_s,
                "deadlineSeconds": design.propagation_s + design.drain_s,
            },
        },
    }  # fmt: skip


def service() -> Object:
    selector = {COMPONENT: "connection", ACCEPTS: "yes"}
    ports = [{"name": "client", "port": 80, "targetPort": "client"}]
    metadata = {"name": DEPLOYMENT, "namespace": NAMESPACE}
    return {"metadata": metadata, "spec": {"selector": selector, "ports": ports}}


def disruption_budget() -> Object:
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": LABELS},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return {"metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE}, "spec": spec}


def runs_of(design: Design, budget: FleetBudget) -> Runs:
    """Connection pods where the label says so, pause containers elsewhere."""

    def runs(world: World, pod: Object, ended: Callable[[], None]) -> Process:
        if labels_of(pod).get(COMPONENT) != "connection":
            return Process(world, pod, ended)
        return ConnectionPod(world, pod, ended, design.manner, budget)

    return runs


def install(cluster: SimulatedCluster, design: Design) -> None:
    """What `helm install` brings for the fleet, then as many pods as the design starts with."""
    store = cluster.store
    upgrade(cluster, design, "1")
    sized = store.get(DEPLOYMENTS, NAMESPACE, DEPLOYMENT)
    store.replace(DEPLOYMENTS, {**sized, "spec": {**sized["spec"], "replicas": design.pods}})
    store.create(SERVICES, service(), "helm")
    store.create(BUDGETS, disruption_budget(), "helm")
    if design.with_operator:
        store.create(FLEETS, fleet(design), "helm")


def upgrade(cluster: SimulatedCluster, design: Design, version: str) -> None:
    """The Deployment as Helm applies it: server-side, as the field manager `helm`."""
    path = f"{DEPLOYMENTS.root(NAMESPACE)}/{DEPLOYMENT}"
    query = {"fieldManager": "helm", "force": "false"}
    status, answer = cluster.api.answer(Request("PATCH", path, query, deployment(design, version), APPLY))
    assert status < 300, answer


def connection_pods(cluster: SimulatedCluster) -> dict[str, ConnectionPod]:
    """The live connection processes, by pod."""
    found = {}
    for pod in cluster.store.all(PODS, NAMESPACE):
        process = cluster.kubelets.process_of(pod)
        if isinstance(process, ConnectionPod) and process.alive:
            found[name_of(pod)] = process
    return found
