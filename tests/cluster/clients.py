"""Clients that want to be connected: each to a random endpoint, again whenever it lost its place."""

from dataclasses import dataclass, field
from functools import partial

from tests.cluster.caches import Bounds
from tests.cluster.cluster import NAMESPACE, SimulatedCluster
from tests.cluster.connection_pod import ConnectionPod
from tests.cluster.kinds import PODS
from tests.cluster.world import Timer

RECONNECT: Bounds = (0.2, 1.5)
"""Seconds from a close to the next try."""
REFUSED: Bounds = (0.3, 2.0)
"""The same after a refusal."""


@dataclass(eq=False)
class Device:
    """One client. `hops` counts the times it lost an established place, `losses` those nobody announced."""

    number: int
    crowd: "Crowd"
    pod: ConnectionPod | None = None
    hops: int = 0
    losses: int = 0
    refusals: int = 0
    wanted: bool = True
    _next: Timer | None = None

    def connect(self) -> None:
        """Try once; on a refusal try again later."""
        if not self.wanted or self.pod is not None:
            return
        pod = self.crowd.endpoint()
        if pod is not None and pod.handshake(self):
            self.pod = pod
            return
        self.refusals += 1
        self._again(REFUSED)

    def closed(self, *, planned: bool) -> None:
        """Its place is gone."""
        world = self.crowd.cluster.world
        assert self.pod is not None
        self.crowd.closes.append(Close(world.now, self.pod.name, self.number, planned))
        self.pod = None
        self.hops += 1
        self.losses += not planned
        self._again(RECONNECT)

    def leave(self) -> None:
        """Go for good."""
        self.wanted = False
        if self.pod is not None:
            self.pod.leave(self)
            self.pod = None
        if self._next:
            self._next.cancel()

    def _again(self, bounds: Bounds) -> None:
        world = self.crowd.cluster.world
        self._next = world.after(world.between(bounds), self.connect)


@dataclass(frozen=True, slots=True)
class Close:
    """One close of an established socket."""

    at: float
    pod: str
    client: int
    planned: bool


@dataclass
class Crowd:
    """All clients of one service."""

    cluster: SimulatedCluster
    service: str = "continuo-connection"
    devices: list[Device] = field(default_factory=list)
    closes: list[Close] = field(default_factory=list)
    _made: int = 0

    @property
    def connected(self) -> int:
        return sum(each.pod is not None for each in self.devices)

    @property
    def unplanned(self) -> int:
        return sum(not each.planned for each in self.closes)

    def become(self, count: int, over_s: float = 1.0) -> None:
        """Come or go until there are so many, the newcomers within so many seconds."""
        while len(self.devices) > count:
            self.devices.pop(self.cluster.world.dice.randrange(len(self.devices))).leave()
        while len(self.devices) < count:
            self._made += 1
            device = Device(self._made, self)
            self.devices.append(device)
            self.cluster.world.after(self.cluster.world.between((0.0, over_s)), partial(device.connect))

    def endpoint(self) -> ConnectionPod | None:
        """Where the data plane sends a new connection."""
        name = self.cluster.plane.pick(NAMESPACE, self.service)
        pod = self.cluster.store.find(PODS, NAMESPACE, name) if name else None
        process = self.cluster.kubelets.process_of(pod) if pod else None
        return process if isinstance(process, ConnectionPod) else None

    def begin(self) -> None:
        """Count hops and closes anew."""
        self.closes.clear()
        for each in self.devices:
            each.hops = each.losses = each.refusals = 0

    def most_in(self, seconds: float, *, planned: bool = True) -> int:
        """The most closes within any such span."""
        times = [each.at for each in self.closes if each.planned or not planned]
        most, first = 0, 0
        for last, moment in enumerate(times):
            while times[first] <= moment - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most
