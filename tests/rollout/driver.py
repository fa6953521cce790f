"""Carries endpoints to the balancer: what the EndpointSlice says, one to five seconds late.

Every change of a pod is late by its own dice, as with a real data plane; of what changed meanwhile only the
newest word counts. As a Service does, it falls back to pods that end but still serve where none is ready.
"""

import asyncio
from random import Random

from tests.cluster.cluster import NAMESPACE, SimulatedCluster
from tests.cluster.fleets import DEPLOYMENT
from tests.cluster.kinds import SLICES
from tests.rollout.haproxy import Balancer
from tests.rollout.pods import Ports

LATE_S = (1.0, 5.0)
LOOK_S = 0.1


class Driver:
    """The data plane's part between the slice and the balancer. `run` is its whole life."""

    def __init__(self, cluster: SimulatedCluster, balancer: Balancer, dice: Random) -> None:
        self._cluster = cluster
        self._balancer = balancer
        self._dice = dice
        self._shown: dict[str, str] = {}
        self._due: dict[str, float] = {}

    async def run(self) -> None:
        """Follow until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._follow(loop.time())
            await asyncio.sleep(LOOK_S)

    async def _follow(self, now: float) -> None:
        wanted = self._wanted()
        for pod in wanted.keys() ^ self._shown.keys():
            self._due.setdefault(pod, now + self._dice.uniform(*LATE_S))
        for pod in [each for each in self._due if each in wanted and each in self._shown]:
            del self._due[pod]
        for pod in [each for each in self._due if each not in wanted and each not in self._shown]:
            del self._due[pod]
        ripe = [pod for pod, due in self._due.items() if due <= now]
        for pod in ripe:
            del self._due[pod]
            if pod in wanted:
                self._shown[pod] = wanted[pod]
            else:
                del self._shown[pod]
        if ripe:
            await self._balancer.set(self._shown)

    def _wanted(self) -> dict[str, str]:
        found = self._cluster.store.find(SLICES, NAMESPACE, f"{DEPLOYMENT}-slice")
        entries = found["endpoints"] if found else []
        for word in ("ready", "serving"):
            taken = [each for each in entries if each["conditions"][word]]
            if taken:
                return {e["targetRef"]["name"]: f"{e['addresses'][0]}:{Ports.client}" for e in taken}
        return {}
