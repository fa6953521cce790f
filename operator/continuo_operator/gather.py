"""Reads the cluster and asks every pod: makes the snapshot that a decision is made on.

The fleet and its Deployment are read fresh each time; a decision on an old number of pods would drain one too
many. Pods and ReplicaSets may come from watches: writes to them carry what was seen. The last report of each
process is kept, with its age; that is all that is remembered, and losing it means unknown for one loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from continuo_operator.ports import Admin, AdminError, Cluster, Door, Kind, Missing
from continuo_operator.reading import (
    read_deployment,
    read_fleet,
    read_leaving_node,
    read_pod,
    selector_of,
)
from continuo_operator.snapshot import Deployment, Fleet, Pod, Policy, Report, Snapshot

AT_ONCE = 32
"""Pods asked at the same time."""

Process = tuple[str, int]
"""A pod's uid, and which start of its container: a word is of one, and ends with it."""


class Gatherer:
    """Makes snapshots of the fleets of one namespace."""

    def __init__(self, cluster: Cluster, admin: Admin, policy: Policy, *, nodes: bool = False) -> None:
        self._cluster = cluster
        self._admin = admin
        self._policy = policy
        self._nodes = nodes
        self._reports: dict[str, dict[Process, tuple[Report, float]]] = {}
        """By fleet, then by process."""

    async def snapshot(self, fleet_name: str, now: float) -> Snapshot | None:
        """What is so; None without such a fleet. Raises ApiError, and ValidationError for its spec."""
        try:
            fleet = read_fleet(await self._cluster.get(Kind.FLEETS, fleet_name))
        except Missing:
            self._reports.pop(fleet_name, None)
            return None
        try:
            raw = await self._cluster.get(Kind.DEPLOYMENTS, fleet.spec.deployment)
        except Missing:
            return Snapshot(fleet=fleet, deployment=None, taken=now)
        sets = await self._cluster.list(Kind.REPLICASETS, selector=selector_of(raw))
        pods = [read_pod(one) for one in await self._cluster.list(Kind.PODS, selector=selector_of(raw))]
        deployment = read_deployment(raw, sets, self._policy.manager)
        return await self._asked(fleet, deployment, pods, now)

    async def _asked(self, fleet: Fleet, deployment: Deployment, pods: Sequence[Pod], now: float) -> Snapshot:
        reports = await self._ask(fleet, pods, now)
        said = [(pod, *reports.get(_process(pod), (None, None))) for pod in pods]
        return Snapshot(
            fleet=fleet,
            deployment=deployment,
            taken=now,
            pods=tuple(replace(pod, report=report, reported=reported) for pod, report, reported in said),
            leaving_nodes=await self._leaving_nodes(fleet),
        )

    async def _ask(
        self, fleet: Fleet, pods: Sequence[Pod], now: float
    ) -> dict[Process, tuple[Report, float]]:
        """The last report of every process; those that are gone are forgotten."""
        before = self._reports.get(fleet.name, {})
        kept = {_process(pod): before[_process(pod)] for pod in pods if _process(pod) in before}
        limit = asyncio.Semaphore(AT_ONCE)

        async def ask(pod: Pod, ip: str) -> None:
            async with limit:
                try:
                    door = Door(pod.name, ip, fleet.spec.admin_port)
                    kept[_process(pod)] = (await self._admin.status(door), now)
                except AdminError:
                    return  # its last report grows old, and that is what counts

        async with asyncio.TaskGroup() as asking:
            for pod in pods:
                if pod.ip and not pod.finished:
                    asking.create_task(ask(pod, pod.ip))
        self._reports[fleet.name] = kept
        return kept

    async def _leaving_nodes(self, fleet: Fleet) -> frozenset[str]:
        if not (self._nodes and fleet.spec.drain_tainted_nodes):
            return frozenset()
        nodes = await self._cluster.list(Kind.NODES)
        return frozenset(name for node in nodes if (name := read_leaving_node(node)))


def _process(pod: Pod) -> Process:
    return pod.uid, pod.restarts
