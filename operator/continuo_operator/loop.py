"""The loop: gather, decide, apply, for every fleet of the namespace, while the lease is held.

It runs every two seconds, and sooner when a watch shows a change. It keeps nothing: a fault ends this turn,
and the next one begins from what is so.
"""

from __future__ import annotations

import asyncio

import msgspec

from continuo_operator.apply import Applied, Applier
from continuo_operator.decide import decide
from continuo_operator.gather import Gatherer
from continuo_operator.lease import LeaseGuard
from continuo_operator.ports import ApiError, Cluster, Kind
from continuo_operator.snapshot import Policy
from continuo_operator.spec import FleetStatus
from services.shared.runtime.clock import Clock
from services.shared.runtime.health import Finding
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.trouble import Trouble, Troubles

log = get_logger(__name__)

REST_S = 0.5
"""Between two turns, however much happens."""
OLD_S = 60.0
"""A loop that has not ended a turn for so long is dead."""


class Loop:
    """One operator's loop. `seen` is set once the watches have shown everything there is."""

    def __init__(
        self,
        cluster: Cluster,
        gatherer: Gatherer,
        applier: Applier,
        lease: LeaseGuard,
        policy: Policy,
        clock: Clock,
        metrics: Metrics,
        *,
        every_s: float,
    ) -> None:
        self._cluster = cluster
        self._gatherer = gatherer
        self._applier = applier
        self._lease = lease
        self._policy = policy
        self._clock = clock
        self._metrics = metrics
        self._unlisted = Trouble(log, "fleets not listed", "fleets listed again")
        self._unminded = Troubles(log, "fleet not minded", "fleet minded again")
        self._undone = Troubles(log, "effect failed", "effect done at last")
        self._every_s = every_s
        self._ended = clock.monotonic()
        self._shown: set[str] = set()
        self.seen = asyncio.Event()
        self.wake = asyncio.Event()

    @property
    def age_s(self) -> float:
        """Seconds since a turn ended."""
        return self._clock.monotonic() - self._ended

    def finding(self) -> Finding:
        """For /health and /healthz."""
        return Finding.of(self.age_s < OLD_S, age_s=round(self.age_s, 1), leads=self._lease.held)

    async def run(self) -> None:
        """Turn after turn; ends only by being cancelled."""
        while True:
            self.wake.clear()
            await self.turn()
            await asyncio.sleep(min(REST_S, self._every_s))
            try:
                async with asyncio.timeout(max(0.0, self._every_s - REST_S)):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def turn(self) -> None:
        """One look at every fleet; a fault of one leaves the others alone."""
        self._metrics.operator_leads.set(self._lease.held)
        acts = self._lease.held and self.seen.is_set()
        names = await self._fleets() if acts else []
        for name in names or ():
            await self._mind(name)
        if names is not None:
            self._hide(set(names))
        self._ended = self._clock.monotonic()

    async def _fleets(self) -> list[str] | None:
        """Their names; None when nobody said."""
        try:
            names = [fleet["metadata"]["name"] for fleet in await self._cluster.list(Kind.FLEETS)]
        except ApiError as fault:
            self._unlisted.met(fault=str(fault))
            return None
        self._unlisted.over()
        return names

    async def _mind(self, name: str) -> None:
        began = self._clock.monotonic()
        try:
            snapshot = await self._gatherer.snapshot(name, self._now())
            if snapshot is None:
                return
            self._show(name, snapshot.fleet.status)
            # Pods that are slow to answer take seconds: these are not given to a deadline once more.
            plan = decide(snapshot, self._policy, self._now())
            self._tell(name, await self._applier.apply(snapshot, plan))
        except (ApiError, msgspec.ValidationError) as fault:
            self._metrics.operator_faults.inc()
            self._unminded.met(name, fleet=name, fault=str(fault))
        else:
            self._unminded.over(name, fleet=name)
        self._metrics.operator_loop_seconds.observe(self._clock.monotonic() - began)

    def _show(self, name: str, status: FleetStatus) -> None:
        """Tell in metrics what the fleet's status tells in the cluster, as it was last written."""
        for condition in status.conditions:
            shown = self._metrics.operator_conditions.labels(fleet=name, condition=condition.type)
            shown.set(condition.status == "True")
        pods = {
            "desired": status.desired_replicas,
            "ready": status.ready_replicas,
            "draining": status.draining_replicas,
        }
        for state, number in pods.items():
            self._metrics.operator_pods.labels(fleet=name, state=state).set(number)

    def _hide(self, names: set[str]) -> None:
        """Tell nothing any more of fleets that are gone, or another's to mind."""
        for name in self._shown - names:
            self._metrics.operator_conditions.remove_by_labels({"fleet": name})
            self._metrics.operator_pods.remove_by_labels({"fleet": name})
        self._shown = names

    def _now(self) -> float:
        """Seconds since 1970."""
        return self._clock.now_ms() / 1000

    def _tell(self, name: str, applied: Applied) -> None:
        for effect in applied.done:
            kind = type(effect).__name__
            self._metrics.operator_effects.labels(effect=kind, outcome="done").inc()
            self._undone.over((name, kind, effect.key), fleet=name, effect=kind, about=effect.key)
            log.info("effect done", fleet=name, effect=kind, about=effect.key)
        for effect, fault in applied.failed:
            kind = type(effect).__name__
            self._metrics.operator_effects.labels(effect=kind, outcome="failed").inc()
            self._undone.met((name, kind, effect.key), fleet=name, effect=kind, about=effect.key, fault=fault)
