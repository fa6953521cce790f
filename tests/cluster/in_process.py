"""The operator's two ports, played by the simulator in process:

Every call takes time, and may be its last.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from continuo_operator.ports import AdminError, ApiError, Conflict, Door, Exists, Kind, Missing, Object
from continuo_operator.snapshot import Report
from services.connection.core.drain import RefusedError
from tests.cluster.api import APPLY, MERGE, Api, Request
from tests.cluster.caches import Bounds, Cache
from tests.cluster.cluster import NAMESPACE, SimulatedCluster
from tests.cluster.connection_pod import ConnectionPod
from tests.cluster.kinds import PODS, REPLICASETS, kind_at
from tests.cluster.objects import labels_of, text_selects

LATENCY: Bounds = (0.001, 0.03)
"""Seconds on the way to the API server, and the same back."""


@dataclass
class Life:
    """One operator process.

    It dies at its `ends`-th call, before or after the call did its work; None: it lives on.

    `calls` counts calls to the API that write and all to the admin ports: the effects it can be killed
    between.
    """

    ends: int | None = None
    after_the_work: bool = False
    stalls: Mapping[int, float] = field(default_factory=dict)
    last_scale: int | None = None
    """The n-th write of a number of pods is done, and its last call."""
    scales: int = 0
    calls: int = 0
    died: asyncio.Event = field(default_factory=asyncio.Event)

    async def reach(self, world_sleep: float) -> None:
        """A call is on its way."""
        self.calls += 1
        await asyncio.sleep(world_sleep)
        if self.ends is not None and self.calls >= self.ends and not self.after_the_work:
            await self.die()
        if self.died.is_set():
            await self.die()

    async def about_to_scale(self) -> None:
        """It has decided; between that and its n-th write of a number it may stand still for a while."""
        self.scales += 1
        if self.scales == self.last_scale:
            self.ends, self.after_the_work = self.calls + 1, True
        await asyncio.sleep(self.stalls.get(self.scales, 0.0))

    async def returned(self, world_sleep: float) -> None:
        """Its answer is on its way back."""
        if self.ends is not None and self.calls >= self.ends:
            await self.die()
        await asyncio.sleep(world_sleep)
        if self.died.is_set():
            await self.die()

    async def die(self) -> None:
        """Never come back."""
        self.died.set()
        await asyncio.Event().wait()


class InProcessCluster:
    """The port `Cluster`. Lists come from a cache that lags, as watches do; all else is as it is now."""

    def __init__(
        self,
        cluster: SimulatedCluster,
        life: Life,
        manager: str = "continuo-operator",
        lag: Bounds = (0.0, 0.5),
    ) -> None:
        self._api: Api = cluster.api
        self._world = cluster.world
        self._life = life
        self._manager = manager
        self._watched = Cache(cluster.world, cluster.store, (PODS, REPLICASETS), lag)

    async def list(self, kind: Kind, *, selector: str = "") -> Sequence[Object]:
        known = kind_at(*kind.value)
        if known in {PODS, REPLICASETS} and known is not None:
            await asyncio.sleep(0)
            return [
                each
                for each in self._watched.all(known, NAMESPACE)
                if text_selects(selector, labels_of(each))
            ]
        answer = await self._call("GET", kind, "", query={"labelSelector": selector})
        return list(answer["items"])

    async def get(self, kind: Kind, name: str) -> Object:
        return await self._call("GET", kind, name)

    async def patch(
        self,
        kind: Kind,
        name: str,
        patch: Object,
        *,
        subresource: str = "",
        resource_version: str | None = None,
    ) -> Object:
        if subresource == "scale":
            await self._life.about_to_scale()
        body = dict(patch)
        if resource_version is not None:
            body["metadata"] = {**body.get("metadata", {}), "resourceVersion": resource_version}
        return await self._call("PATCH", kind, name, subresource, body, MERGE)

    async def create(self, kind: Kind, body: Object) -> Object:
        return await self._call("POST", kind, "", body=body)

    async def apply(self, kind: Kind, name: str, body: Object, *, subresource: str = "") -> Object:
        query = {"fieldManager": self._manager, "force": "true"}
        return await self._call("PATCH", kind, name, subresource, body, APPLY, query)

    async def _call(
        self,
        method: str,
        kind: Kind,
        name: str,
        subresource: str = "",
        body: Any = None,
        content: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        await self._life.reach(self._world.between(LATENCY))
        known = kind_at(*kind.value)
        assert known is not None
        path = "/".join(
            part for part in (known.root(NAMESPACE if known.namespaced else ""), name, subresource) if part
        )
        sent = msgspec.json.decode(msgspec.json.encode(body))
        status, answer = self._api.answer(Request(method, path, query or {}, sent, content, self._manager))
        await self._life.returned(self._world.between(LATENCY))
        if status >= 400:
            raise _refusal(status, answer)
        return answer


def _refusal(status: int, answer: dict[str, Any]) -> ApiError:
    kinds = {"Conflict": Conflict, "AlreadyExists": Exists, "NotFound": Missing}
    return kinds.get(answer["reason"], ApiError)(answer["message"], status)


class InProcessAdmin:
    """The port `Admin`: straight to the pod that has the address."""

    def __init__(self, cluster: SimulatedCluster, life: Life) -> None:
        self._cluster = cluster
        self._life = life

    async def status(self, door: Door) -> Report:
        return await self._asked(door, lambda _: None)

    async def drain(self, door: Door, *, plan: str, within_s: float) -> Report:
        return await self._asked(door, lambda pod: pod.order(plan, within_s))

    async def undrain(self, door: Door, *, plan: str) -> Report:
        return await self._asked(door, lambda pod: pod.withdraw(plan))

    async def _asked(self, door: Door, do: Any) -> Report:
        world = self._cluster.world
        await self._life.reach(world.between(LATENCY))
        try:
            pod = self._at(door)
            do(pod)
            report = msgspec.convert(pod.status(), Report)
        except RefusedError as refusal:
            await self._life.returned(world.between(LATENCY))
            raise AdminError(str(refusal), 409) from None
        await self._life.returned(world.between(LATENCY))
        return report

    def _at(self, door: Door) -> ConnectionPod:
        thing = self._cluster.store.find(PODS, NAMESPACE, door.pod)
        process = self._cluster.kubelets.process_of(thing) if thing else None
        if not isinstance(process, ConnectionPod) or not process.alive or process.silent:
            raise AdminError(f"{door.pod} does not answer")
        return process
