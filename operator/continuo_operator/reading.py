"""The API server's objects as the snapshot holds them. Pure: JSON in, dataclasses out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from continuo_operator.labels import (
    ACCEPTS,
    CONTAINER,
    COST,
    COST_AT,
    COST_PLAN,
    NODE_TAINTS,
    PLAN,
    REVISION,
    TEMPLATE_HASH,
)
from continuo_operator.ports import Object
from continuo_operator.snapshot import Deployment, Fleet, Pod
from continuo_operator.spec import read_spec, read_status
from continuo_operator.stamps import seconds


def read_fleet(raw: Object) -> Fleet:
    """Raises msgspec.ValidationError for a spec that an older schema let through."""
    meta = raw["metadata"]
    return Fleet(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        generation=meta.get("generation", 0),
        spec=read_spec(raw["spec"]),
        status=read_status(raw.get("status")),
    )


def read_pod(raw: Object) -> Pod:
    """Without its report: that is the pod's own word."""
    meta, status = raw["metadata"], raw.get("status") or {}
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    said: list[Any] = [one for one in status.get("conditions") or () if one.get("type") == "Ready"]
    ready = said[0] if said else {}
    is_ready = ready.get("status") == "True"
    return Pod(
        name=meta["name"],
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        revision=labels.get(TEMPLATE_HASH, ""),
        ip=status.get("podIP"),
        node=(raw.get("spec") or {}).get("nodeName"),
        ready=is_ready,
        ready_since=seconds(ready.get("lastTransitionTime")) if is_ready else None,
        created=seconds(meta.get("creationTimestamp")) or 0.0,
        deleted=_deleted(meta),
        ends=seconds(meta.get("deletionTimestamp")),
        finished=status.get("phase") in {"Succeeded", "Failed"},
        runs=_runs(status),
        restarts=sum(one.get("restartCount") or 0 for one in _containers(status)),
        accepts=labels.get(ACCEPTS, "yes") == "yes",
        plan=notes.get(PLAN),
        cost=_number(notes.get(COST)),
        cost_plan=notes.get(COST_PLAN),
        cost_at=_number(notes.get(COST_AT)),
    )


def read_deployment(raw: Object, replica_sets: Sequence[Object], manager: str) -> Deployment:
    """The Deployment with its newest revision as its controller numbers it; `manager`: whose claim counts."""
    meta, spec = raw["metadata"], raw.get("spec") or {}
    status = raw.get("status") or {}
    update = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    return Deployment(
        name=meta["name"],
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        replicas=spec.get("replicas", 1),
        observed=status.get("observedGeneration", 0) >= meta.get("generation", 0),
        revision=_newest(meta, replica_sets),
        selector=selector_of(raw),
        max_surge=update.get("maxSurge", "25%"),
        min_ready_s=spec.get("minReadySeconds", 0),
        replicas_manager=_manager(meta.get("managedFields") or (), manager),
        counted=status.get("replicas", 0),
        scaled_at=_scaled_at(meta.get("managedFields") or (), manager),
    )


def selector_of(raw: Object) -> str:
    """A Deployment's pods as a label selector."""
    wanted = ((raw.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{name}={value}" for name, value in sorted(wanted.items()))


def read_leaving_node(raw: Object) -> str | None:
    """The node's name if pods will be evicted from it."""
    spec = raw.get("spec") or {}
    tainted = any(taint.get("key") in NODE_TAINTS for taint in spec.get("taints") or ())
    return str(raw["metadata"]["name"]) if spec.get("unschedulable") or tainted else None


def _runs(status: Any) -> bool:
    """Not before its containers have begun, nor between a crash and the next start; else it does."""
    if status.get("phase") == "Pending":
        return False
    states = [one.get("state") for one in _containers(status)]
    return not states or any(state is None or "running" in state for state in states)


def _containers(status: Any) -> list[Any]:
    """The container that counts; all of them where none has its name."""
    every = list(status.get("containerStatuses") or ())
    return [one for one in every if one.get("name") == CONTAINER] or every


def _deleted(meta: Any) -> float | None:
    """When it was told to end: a deletionTimestamp lies its grace period ahead of that."""
    due = seconds(meta.get("deletionTimestamp"))
    return None if due is None else due - (meta.get("deletionGracePeriodSeconds") or 0)


def _newest(meta: Any, replica_sets: Sequence[Object]) -> str | None:
    number = (meta.get("annotations") or {}).get(REVISION)
    for one in replica_sets:
        theirs = one["metadata"]
        owned = any(owner.get("uid") == meta.get("uid") for owner in theirs.get("ownerReferences") or ())
        if owned and number and (theirs.get("annotations") or {}).get(REVISION) == number:
            return (theirs.get("labels") or {}).get(TEMPLATE_HASH)
    return None


def _manager(entries: Sequence[Any], ours: str) -> str | None:
    """Who owns the replicas: ours if we are among them, else who wrote them last."""
    owners = [
        (str(entry.get("time") or ""), str(entry.get("manager") or "unknown"))
        for entry in entries
        if _owns_replicas(entry)
    ]
    names = [name for _, name in sorted(owners)]
    return ours if ours in names else (names[-1] if names else None)


def _scaled_at(entries: Sequence[Any], ours: str) -> float | None:
    """When we last changed the replicas: an entry's time is that of its last change. A claim changes none."""
    changes = [entry for entry in entries if _owns_replicas(entry) and entry.get("operation") == "Update"]
    times = [seconds(entry.get("time")) for entry in changes if entry.get("manager") == ours]
    return max((time for time in times if time is not None), default=None)


def _owns_replicas(entry: Any) -> bool:
    return "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
