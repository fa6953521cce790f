"""Snapshots of fleets for tests of the operator's pure parts: a quiet fleet, and words to change it."""

from __future__ import annotations

from typing import Any

import msgspec

from continuo_operator.decide import decide
from continuo_operator.plan import Plan, WriteStatus
from continuo_operator.snapshot import Deployment, Fleet, Pod, Policy, Report, Snapshot
from continuo_operator.spec import FleetSpec, FleetStatus, read_spec
from continuo_operator.stamps import iso

NOW = 1_800_000_000.0
POLICY = Policy()
SMALL = {
    "deployment": "continuo-connection",
    "scaling": {"min": 1, "max": 10, "targetConnectionsPerPod": 100, "headroomPercent": 0},
    "drain": {
        "capacityPerPod": 200,
        "podRatePerSecond": 10,
        "fleetRatePerSecond": 20,
        "deadlineSeconds": 120,
    },
}


def spec(**changed: Any) -> FleetSpec:
    """A small fleet's spec; `scaling={...}` and the like are merged into what there is."""
    merged: dict[str, Any] = dict(SMALL)
    for name, value in changed.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return read_spec(merged)


def pod(name: str, connections: int | None = 50, *, now: float = NOW, **changed: Any) -> Pod:
    """A pod that serves; `connections=None`: it does not answer. Report fields go by `report={...}`."""
    told = changed.pop("report", {})
    report = None
    if connections is not None:
        report = msgspec.convert({"node": name, "connections": connections, "capacity": 200, **told}, Report)
    fields: dict[str, Any] = {
        "uid": f"uid-{name}",
        "resource_version": f"rv-{name}",
        "revision": "new",
        "ip": "10.0.0.1",
        "node": "node-1",
        "ready": True,
        "ready_since": now - 3600,
        "created": now - 3600,
        "report": report,
        "reported": now if report else None,
    }
    return Pod(name=name, **(fields | changed))


def emptying(name: str, plan: str, connections: int = 0, **changed: Any) -> Pod:
    """A pod that left the endpoints by a plan and was told to drain."""
    told = {"cordoned": True, "plan": plan, "state": "draining" if connections else "emptied"}
    changed.setdefault("ready", connections > 0)
    return pod(name, connections, accepts=False, plan=plan, report=told, **changed)


def deployment(replicas: int, **changed: Any) -> Deployment:
    fields: dict[str, Any] = {
        "uid": "uid-deployment",
        "resource_version": "77",
        "observed": True,
        "revision": "new",
        "selector": "app=x",
        "replicas_manager": POLICY.manager,
    }
    return Deployment(name="continuo-connection", replicas=replicas, **(fields | changed))


def snapshot(
    *pods: Pod,
    replicas: int | None = None,
    status: FleetStatus | None = None,
    wants: FleetSpec | None = None,
    leaving_nodes: frozenset[str] = frozenset(),
    **deployed: Any,
) -> Snapshot:
    """A fleet of these pods; as many replicas as there are living ones of the newest revision."""
    of = deployment(len([one for one in pods if one.alive]) if replicas is None else replicas, **deployed)
    fleet = Fleet(
        name="default",
        namespace="here",
        uid="uid-fleet",
        resource_version="5",
        generation=3,
        spec=wants or spec(),
        status=status or FleetStatus(),
    )
    return Snapshot(fleet=fleet, deployment=of, taken=NOW, pods=pods, leaving_nodes=leaving_nodes)


def long_down(bound: int, *, since: float = NOW - 1000) -> FleetStatus:
    """A status by which fewer pods have been needed for long."""
    return msgspec.convert({"trend": {"direction": "Down", "since": iso(since), "bound": bound}}, FleetStatus)


def told(plan: Plan) -> FleetStatus:
    """The status that a plan writes."""
    (effect,) = [one for one in plan.effects if isinstance(one, WriteStatus)]
    return effect.status


def condition(plan: Plan, kind: str) -> tuple[str, str]:
    """A condition's status and reason as a plan writes it."""
    (one,) = [one for one in told(plan).conditions if one.type == kind]
    return one.status, one.reason


def decided(of: Snapshot, now: float = NOW) -> Plan:
    return decide(of, POLICY, now)
