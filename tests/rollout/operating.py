"""The operator at work: its own gather, decide and apply, on the simulated API and pods' real admin ports."""

import asyncio
import time
from collections.abc import Callable

from continuo_operator.apply import Applier
from continuo_operator.decide import decide
from continuo_operator.gather import Gatherer
from continuo_operator.plan import EmitEvent
from continuo_operator.ports import Admin, Cluster
from continuo_operator.snapshot import Policy
from tests.cluster.fleets import FLEET

EVERY_S = 2.0


class Operator:
    """Its loop. `run` is its whole life; `faults` is what could not be carried out."""

    def __init__(self, cluster: Cluster, admin: Admin, told: Callable[[str], None]) -> None:
        policy = Policy()
        self._policy = policy
        self._gatherer = Gatherer(cluster, admin, policy)
        self._applier = Applier(cluster, admin, policy)
        self._told = told

    async def run(self) -> None:
        """Turn after turn, until cancelled."""
        while True:
            await self.turn()
            await asyncio.sleep(EVERY_S)

    async def turn(self) -> None:
        """One look and what follows from it."""
        now = time.time()
        snapshot = await self._gatherer.snapshot(FLEET, now)
        assert snapshot is not None, "there is a fleet"
        applied = await self._applier.apply(snapshot, decide(snapshot, self._policy, now))
        for effect in applied.done:
            if isinstance(effect, EmitEvent):
                self._told(f"{effect.reason}: {effect.message}")
        for effect, fault in applied.failed:
            self._told(f"{effect.key} failed: {fault}")
