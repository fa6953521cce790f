"""In which order a ReplicaSet gives up its pods: pure. The exact ranking of Kubernetes, logarithms and all.

Unassigned before assigned; Pending, Unknown, Running; not ready before ready; lower deletion cost; more
siblings on its node; ready for a shorter time; more restarts; younger. Times are compared by their order of
magnitude (base 2); within one, the uid decides, which is chance.
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.cluster.objects import Object, annotations_of, at, condition, is_ready, uid_of
from tests.cluster.world import seconds_of

COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def ranked(pods: Iterable[Object], siblings: Iterable[Object], now: float) -> list[Object]:
    """The pods, first victims first. siblings: the active pods of all ReplicaSets of the same owner.

    now: seconds since 1970.
    """
    beside = Counter(at(each, "spec", "nodeName", default="") for each in siblings)
    return sorted(pods, key=lambda pod: _place(pod, beside, now))


def cost_of(pod: Object) -> int:
    """Its deletion cost; 0 where none is written, or nonsense."""
    try:
        return int(annotations_of(pod).get(COST, "0"))
    except ValueError:
        return 0


def _place(pod: Object, beside: Counter[str], now: float) -> tuple[Any, ...]:
    node = at(pod, "spec", "nodeName", default="")
    since = condition(pod, "Ready")
    ready = is_ready(pod)
    return (
        node != "",
        _PHASES.get(at(pod, "status", "phase", default="Pending"), 2),
        ready,
        cost_of(pod),
        -beside[node],
        _magnitude(since["lastTransitionTime"], now) if ready and since else 0,
        -_restarts(pod),
        _magnitude(pod["metadata"]["creationTimestamp"], now),
        uid_of(pod),
    )


def _restarts(pod: Object) -> int:
    statuses = at(pod, "status", "containerStatuses", default=[])
    return max((each.get("restartCount", 0) for each in statuses), default=0)


def _magnitude(stamp: str, now: float) -> int:
    age = now - seconds_of(stamp)
    return int(math.log2(age)) if age >= 1 else -1
