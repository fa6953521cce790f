"""Only one operator acts: a Lease, taken and renewed with the version that was read.

Another's lease has ended when its record has not changed for as long as it says, by our own clock: no two
clocks are compared. Ours is good for two thirds of its time after the renewal was sent; whoever cannot renew
it stops acting before anybody else begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from continuo_operator.ports import ApiError, Cluster, Kind, Missing
from services.shared.runtime.clock import Clock
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

log = get_logger(__name__)


class LeaseGuard:
    """Takes and keeps the Lease. `held` is asked before everything that is done."""

    def __init__(
        self, cluster: Cluster, clock: Clock, *, name: str, identity: str, duration_s: float
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._name = name
        self._identity = identity
        self._duration_s = duration_s
        self._good_until = -1.0
        self._seen: tuple[object, float] | None = None
        """Another's record, and since when it has been the same."""

    @property
    def held(self) -> bool:
        return self._clock.monotonic() < self._good_until

    async def run(self) -> None:
        """Renew, or try to take, three times within its duration; ends only by being cancelled."""
        unrenewed = Trouble(log, "lease not renewed", "lease renewed again")
        while True:
            was = self.held
            try:
                await self.step()
            except ApiError as fault:
                unrenewed.met(fault=str(fault))
            else:
                unrenewed.over()
            if self.held != was:
                log.info("lease taken" if self.held else "lease lost", identity=self._identity)
            await asyncio.sleep(self._duration_s / 3)

    async def step(self) -> None:
        """One attempt. Raises ApiError; a Conflict means that another was faster."""
        sent = self._clock.monotonic()
        try:
            lease = await self._cluster.get(Kind.LEASES, self._name)
        except Missing:
            await self._cluster.create(Kind.LEASES, self._new())
            self._renewed(sent)
            return
        spec: Mapping[str, Any] = lease.get("spec") or {}
        if not self._may_take(spec, sent):
            self._good_until = -1.0
            return
        version = lease["metadata"]["resourceVersion"]
        await self._cluster.patch(
            Kind.LEASES, self._name, {"spec": self._record(spec)}, resource_version=version
        )
        self._renewed(sent)

    async def release(self) -> None:
        """Let go, so that the next need not wait; harmless when not held."""
        if not self.held:
            return
        self._good_until = -1.0
        try:
            lease = await self._cluster.get(Kind.LEASES, self._name)
            if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                version = lease["metadata"]["resourceVersion"]
                nobody = {"spec": {"holderIdentity": ""}}
                await self._cluster.patch(Kind.LEASES, self._name, nobody, resource_version=version)
        except ApiError as fault:
            log.warning("lease not released", fault=str(fault))

    def _may_take(self, spec: Mapping[str, Any], now: float) -> bool:
        holder = spec.get("holderIdentity") or ""
        if holder in {"", self._identity}:
            self._seen = None
            return True
        record = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if self._seen is None or self._seen[0] != record:
            self._seen = (record, now)
        return now - self._seen[1] >= float(spec.get("leaseDurationSeconds") or self._duration_s)

    def _renewed(self, sent: float) -> None:
        self._seen = None
        self._good_until = sent + self._duration_s * 2 / 3

    def _new(self) -> dict[str, Any]:
        return {
            "apiVersion": Kind.LEASES.api_version,
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": self._record({}),
        }

    def _record(self, before: Mapping[str, Any]) -> dict[str, Any]:
        moment = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        written = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = before.get("holderIdentity") == self._identity
        changes = int(before.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._duration_s),
            "renewTime": written,
            "acquireTime": before.get("acquireTime", written) if same else written,
            "leaseTransitions": changes if same or not before else changes + 1,
        }
