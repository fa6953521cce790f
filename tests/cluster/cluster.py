"""A whole cluster on one world: store, API, controllers, kubelets, nodes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.cluster.api import Api
from tests.cluster.caches import Bounds
from tests.cluster.deployments import Deployments
from tests.cluster.disruption import Disruptions
from tests.cluster.endpoints import DataPlane, Endpoints
from tests.cluster.garbage import Garbage
from tests.cluster.kinds import NAMESPACES, NODES
from tests.cluster.kubelet import Kubelets, Pace
from tests.cluster.processes import Process, Runs
from tests.cluster.replicasets import ReplicaSets
from tests.cluster.scheduler import Scheduler, node
from tests.cluster.store import Store
from tests.cluster.world import World

NAMESPACE = "continuo"


@dataclass(frozen=True, slots=True)
class Lags:
    """How far behind each part is, in seconds from-to."""

    controllers: Bounds = (0.0, 0.8)
    endpoints: Bounds = (0.1, 1.0)
    proxies: Bounds = (0.1, 3.0)
    garbage: Bounds = (0.1, 1.0)
    pace: Pace = field(default_factory=Pace)


QUICK = Lags(
    (0.0, 0.05), (0.0, 0.05), (0.0, 0.05), (0.0, 0.05), Pace((0.0, 0.05), (0.05, 0.2), 0.2, (0.1, 0.2))
)


class SimulatedCluster:
    """`runs` makes what runs in a pod; without it every pod is a pause container."""

    def __init__(
        self,
        world: World,
        runs: Runs = Process,
        nodes: int = 3,
        lags: Lags | None = None,
        address: Callable[[], str] | None = None,
    ) -> None:
        lags = lags or Lags()
        self.world = world
        self.store = Store(world)
        self.store.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        for number in range(nodes):
            self.store.create(NODES, node(f"node-{number}"))
        self.replicasets = ReplicaSets(world, self.store, lags.controllers)
        self.deployments = Deployments(world, self.store, lags.controllers)
        self.disruptions = Disruptions(world, self.store, lags.controllers)
        self.endpoints = Endpoints(world, self.store, lags.endpoints)
        self.scheduler = Scheduler(world, self.store, lags.controllers)
        self.garbage = Garbage(world, self.store, lags.garbage)
        self.kubelets = Kubelets(world, self.store, runs, lags.pace, address)
        self.plane = DataPlane(world, self.store, lags.proxies)
        self.api = Api(self.store, self.disruptions.evict)
