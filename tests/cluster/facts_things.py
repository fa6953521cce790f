"""The objects the facts are about, and short questions after them."""

from typing import Any

from tests.cluster.facts_driver import GATE, Facts, RefusedError
from tests.cluster.kinds import DEPLOYMENTS, NODES, PODS, REPLICASETS, SLICES, Kind
from tests.cluster.objects import Object, annotations_of, at, is_going, is_ready, name_of

LABELS = {"app": "fact"}


def template(
    facts: Facts,
    *,
    gate: bool = False,
    pre_stop: int = 0,
    grace: int = 30,
    extra: dict[str, str] | None = None,
    alone: bool = False,
) -> Object:
    """A pod. gate: ready only when a fact says so; pre_stop: seconds; alone: not two on one node."""
    container: Object = {"name": "main", "image": facts.road.image}
    if pre_stop:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": pre_stop}}}
    spec: Object = {"terminationGracePeriodSeconds": grace, "containers": [container]}
    if gate:
        spec["readinessGates"] = [{"conditionType": GATE}]
    if alone:
        term = {"labelSelector": {"matchLabels": LABELS}, "topologyKey": "kubernetes.io/hostname"}
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return {"metadata": {"labels": {**LABELS, **(extra or {})}}, "spec": spec}


def workload(name: str, replicas: int | None, pod: Object, **spec: Any) -> Object:
    """A ReplicaSet or a Deployment."""
    counted = {} if replicas is None else {"replicas": replicas}
    return {
        "metadata": {"name": name},
        "spec": {**counted, "selector": {"matchLabels": LABELS}, "template": pod, **spec},
    }


def rolling(surge: int | str, unavailable: int | str) -> Object:
    return {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}, "type": "RollingUpdate"}


async def workers(facts: Facts) -> int:
    """How many nodes take pods that tolerate nothing: control planes and what is not ready are tainted."""

    def takes(node: Object) -> bool:
        taints = at(node, "spec", "taints", default=[])
        closed = any(taint["effect"] in {"NoSchedule", "NoExecute"} for taint in taints)
        return not closed and not at(node, "spec", "unschedulable")

    return sum(takes(node) for node in await facts.list(NODES))


async def pods(facts: Facts) -> list[Object]:
    return await facts.list(PODS, labelSelector="app=fact")


async def living(facts: Facts) -> list[Object]:
    return [pod for pod in await pods(facts) if not is_going(pod)]


async def running(facts: Facts, count: int) -> list[str]:
    """Wait until exactly so many run and none is going; their names."""

    async def found() -> list[str]:
        all_pods = await pods(facts)
        names = [
            name_of(p) for p in all_pods if p.get("status", {}).get("phase") == "Running" and not is_going(p)
        ]
        return names if len(names) == count == len(all_pods) else []

    return list(await facts.until(found))


async def ready(facts: Facts, count: int) -> list[str]:
    """Wait until exactly so many are ready; their names."""

    async def found() -> list[str]:
        names = [name_of(pod) for pod in await living(facts) if is_ready(pod)]
        return names if len(names) == count else []

    return list(await facts.until(found))


async def let_be_ready(facts: Facts, names: list[str]) -> None:
    for name in names:
        await facts.open_gate(name)
    await facts.until(lambda: _all_ready(facts, names))


async def _all_ready(facts: Facts, names: list[str]) -> bool:
    return set(names) <= {name_of(pod) for pod in await living(facts) if is_ready(pod)}


async def cost(facts: Facts, name: str, value: int) -> None:
    note = {"controller.kubernetes.io/pod-deletion-cost": str(value)}
    await facts.merge(PODS, name, {"metadata": {"annotations": note}})


async def scale(facts: Facts, kind: Kind, name: str, replicas: int) -> None:
    await facts.merge(kind, name, {"spec": {"replicas": replicas}}, "scale")


async def victims(facts: Facts, names: list[str], count: int = 1) -> set[str]:
    """Wait until so many of these are going or gone; their names."""

    async def found() -> set[str]:
        left = {name_of(pod) for pod in await living(facts)}
        lost = set(names) - left
        return lost if len(lost) >= count else set()

    return set(await facts.until(found))


async def is_gone(facts: Facts, kind: Kind, name: str) -> bool:
    try:
        await facts.get(kind, name)
    except RefusedError as refusal:
        if refusal.status != 404:
            raise
        return True
    return False


async def settled(facts: Facts, name: str) -> Object:
    """Wait until a Deployment has all its pods available and no others."""

    async def found() -> Object:
        thing = await facts.get(DEPLOYMENTS, name)
        status, wanted = thing.get("status", {}), thing["spec"]["replicas"]
        seen = status.get("observedGeneration") == thing["metadata"]["generation"]
        counts = [status.get(word, 0) for word in ("replicas", "updatedReplicas", "availableReplicas")]
        return thing if seen and counts == [wanted] * 3 else {}

    return dict(await facts.until(found))


async def sets(facts: Facts) -> list[Object]:
    """The ReplicaSets, the first revision first."""
    found = await facts.list(REPLICASETS, labelSelector="app=fact")
    return sorted(
        found, key=lambda each: int(annotations_of(each).get("deployment.kubernetes.io/revision", 0))
    )


async def endpoints(facts: Facts, service: str) -> dict[str, Object]:
    """The conditions of each endpoint, by pod."""
    found = {}
    for each in await facts.list(SLICES, labelSelector=f"kubernetes.io/service-name={service}"):
        for endpoint in each.get("endpoints") or []:
            found[endpoint["targetRef"]["name"]] = endpoint["conditions"]
    return found


async def change_template(facts: Facts, name: str, value: str) -> None:
    patch = {"spec": {"template": {"metadata": {"annotations": {"version": value}}}}}
    await facts.merge(DEPLOYMENTS, name, patch)
