"""Carries a plan out, effect by effect, each with what it was decided on. Knows nothing of why.

An effect that fails takes along only what depends on it: later effects on the same object and events about
it. Nothing is repeated here: the next loop sees what is so and decides anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from continuo_operator import plan as p
from continuo_operator.labels import ACCEPTS, COST, COST_AT, COST_PLAN, PLAN
from continuo_operator.ports import Admin, AdminError, ApiError, Cluster, Door, Exists, Kind, Object
from continuo_operator.snapshot import Fleet, Policy, Snapshot
from continuo_operator.spec import API_VERSION, KIND, written
from continuo_operator.stamps import iso


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a plan."""

    done: tuple[p.Effect, ...] = ()
    failed: tuple[tuple[p.Effect, str], ...] = ()
    left_out: tuple[p.Effect, ...] = ()
    """Not tried, because what they depend on failed or the right to act was lost."""


class Applier:
    """Writes. `may_act` is asked before each effect: it says whether the lease is still held."""

    def __init__(
        self, cluster: Cluster, admin: Admin, policy: Policy, may_act: Callable[[], bool] = lambda: True
    ) -> None:
        self._cluster = cluster
        self._admin = admin
        self._policy = policy
        self._may_act = may_act

    async def apply(self, snapshot: Snapshot, plan: p.Plan) -> Applied:
        """Carry the plan out; raises nothing that the API server or a pod may answer."""
        done: list[p.Effect] = []
        failed: list[tuple[p.Effect, str]] = []
        left_out: list[p.Effect] = []
        for effect in plan.effects:
            succeeded, broken = {one.key for one in done}, {one.key for one, _ in failed}
            if not self._may_act() or not _possible(effect, succeeded, broken):
                left_out.append(effect)
                continue
            try:
                await self._carry_out(effect, snapshot)
            except (ApiError, AdminError) as fault:
                failed.append((effect, str(fault)))
            else:
                done.append(effect)
        return Applied(tuple(done), tuple(failed), tuple(left_out))

    async def _carry_out(self, effect: p.Effect, snapshot: Snapshot) -> None:
        match effect:
            case p.Relabel():
                labels = {ACCEPTS: "yes" if effect.accepts else "no"}
                await self._pod(effect, {"labels": labels, "annotations": {PLAN: effect.plan}})
            case p.SetCost():
                stamp = {COST_PLAN: effect.plan, COST_AT: str(-int(-effect.at // 1))}
                await self._pod(effect, {"annotations": {COST: str(effect.cost), **stamp}})
            case p.ClearCost():
                await self._pod(effect, {"annotations": {COST: None, COST_PLAN: None, COST_AT: None}})
            case p.Drain():
                door = _door(snapshot, effect.pod)
                await self._admin.drain(door, plan=effect.plan, within_s=effect.within_s)
            case p.Undrain():
                await self._admin.undrain(_door(snapshot, effect.pod), plan=effect.plan)
            case p.Claim():
                await self._claim(effect, snapshot.fleet)
            case p.Scale():
                await self._scale(effect)
            case p.WriteStatus():
                await self._status(effect, snapshot.fleet)
            case p.EmitEvent():
                await self._event(effect, snapshot)

    async def _pod(self, effect: p.Relabel | p.SetCost | p.ClearCost, metadata: Object) -> None:
        await self._cluster.patch(
            Kind.PODS, effect.pod, {"metadata": metadata}, resource_version=effect.resource_version
        )

    async def _claim(self, effect: p.Claim, fleet: Fleet) -> None:
        metadata = {"name": effect.deployment, "namespace": fleet.namespace}
        if effect.resource_version is not None:
            metadata["resourceVersion"] = effect.resource_version
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": metadata,
            "spec": {"replicas": effect.replicas},
        }
        await self._cluster.apply(Kind.DEPLOYMENTS, effect.deployment, body, subresource="scale")

    async def _scale(self, effect: p.Scale) -> None:
        await self._cluster.patch(
            Kind.DEPLOYMENTS,
            effect.deployment,
            {"spec": {"replicas": effect.to_replicas}},
            subresource="scale",
            resource_version=effect.resource_version,
        )

    async def _status(self, effect: p.WriteStatus, fleet: Fleet) -> None:
        await self._cluster.patch(
            Kind.FLEETS,
            fleet.name,
            {"status": written(effect.status)},
            subresource="status",
            resource_version=effect.resource_version,
        )

    async def _event(self, effect: p.EmitEvent, snapshot: Snapshot) -> None:
        try:
            await self._cluster.create(Kind.EVENTS, _event(effect, snapshot, self._policy.manager))
        except Exists:
            return  # told before a crash


def _possible(effect: p.Effect, succeeded: set[str], broken: set[str]) -> bool:
    if isinstance(effect, p.EmitEvent):
        return not effect.about or bool(succeeded & set(effect.about))
    return effect.key not in broken


def _door(snapshot: Snapshot, name: str) -> Door:
    for pod in snapshot.pods:
        if pod.name == name and pod.ip:
            return Door(name, pod.ip, snapshot.fleet.spec.admin_port)
    raise AdminError(f"pod {name} has no address")


def _event(effect: p.EmitEvent, snapshot: Snapshot, manager: str) -> Object:
    fleet, moment = snapshot.fleet, iso(snapshot.taken)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": effect.name, "namespace": fleet.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": fleet.name,
            "namespace": fleet.namespace,
            "uid": fleet.uid,
        },
        "type": effect.type,
        "reason": effect.reason,
        "message": effect.message,
        "count": 1,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "source": {"component": manager},
        "reportingComponent": manager,
        "reportingInstance": manager,
    }
