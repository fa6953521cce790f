"""What a Deployment's status says, and whether its rollout makes progress: pure."""

from typing import Any

from tests.cluster.objects import Object, at, condition, with_condition
from tests.cluster.world import World


def reported(
    deployment: Object, new: Object | None, old: list[Object], unavailable: int, world: World
) -> tuple[Object, float | None]:
    """The status as it should be, and in how many seconds the progress deadline is to be looked at again."""
    sets = [*old, new] if new else old
    count = {
        word: sum(at(each, "status", word, default=0) for each in sets)
        for word in ("replicas", "readyReplicas", "availableReplicas", "terminatingReplicas")
    }
    before = at(deployment, "status", default={})
    status = {
        **count,
        "updatedReplicas": at(new, "status", "replicas", default=0) if new else 0,
        "unavailableReplicas": max(0, sum(s["spec"]["replicas"] for s in sets) - count["availableReplicas"]),
        "observedGeneration": deployment["metadata"]["generation"],
        "conditions": before.get("conditions", []),
    }
    enough = count["availableReplicas"] >= deployment["spec"]["replicas"] - unavailable
    stamp = world.stamp()
    available = {"type": "Available", "status": str(enough), "reason": "MinimumReplicas"}
    status["conditions"] = with_condition(status["conditions"], available, stamp)
    progress, again = _progress(deployment, before, status, world)
    status["conditions"] = with_condition(status["conditions"], progress, stamp)
    return status, again


def _progress(
    deployment: Object, before: Object, status: dict[str, Any], world: World
) -> tuple[Object, float | None]:
    had = condition(deployment, "Progressing") or {"status": "True", "reason": "NewReplicaSetCreated"}
    since = had.get("lastUpdateTime") or world.stamp()
    kept = {"type": "Progressing", "status": had["status"], "reason": had["reason"], "lastUpdateTime": since}
    if _complete(deployment, status):
        if had["reason"] == "NewReplicaSetAvailable":
            return kept, None
        return {
            **kept,
            "status": "True",
            "reason": "NewReplicaSetAvailable",
            "lastUpdateTime": world.stamp(),
        }, None
    deadline = deployment["spec"]["progressDeadlineSeconds"]
    if _moved(before, status) or had["reason"] == "NewReplicaSetAvailable":
        moved = {"status": "True", "reason": "ReplicaSetUpdated", "lastUpdateTime": world.stamp()}
        return {**kept, **moved}, float(deadline)
    left = deadline - world.age(since)
    if left < 0:
        return {**kept, "status": "False", "reason": "ProgressDeadlineExceeded"}, None
    return kept, left + 1.0


def _complete(deployment: Object, status: dict[str, Any]) -> bool:
    wanted = deployment["spec"]["replicas"]
    return all(status[word] == wanted for word in ("replicas", "updatedReplicas", "availableReplicas"))


def _moved(before: Object, status: dict[str, Any]) -> bool:
    def was(word: str) -> int:
        return int(before.get(word, 0))

    old_before = was("replicas") - was("updatedReplicas")
    old_now = status["replicas"] - status["updatedReplicas"]
    grew = any(status[word] > was(word) for word in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return grew or old_now < old_before
