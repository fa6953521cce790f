"""Pods on nodes that will be emptied: drained ahead of their eviction, if the fleet asks for it. Pure."""

from __future__ import annotations

from continuo_operator.census import Census
from continuo_operator.scaling import most_drains
from continuo_operator.snapshot import Pod
from continuo_operator.victims import candidates, kind_of


def leaving(pod: Pod, census: Census) -> bool:
    """Whether its node is to be emptied and the fleet wants it to go ahead of that."""
    snapshot = census.snapshot
    return snapshot.fleet.spec.drain_tainted_nodes and pod.node in snapshot.leaving_nodes


def to_drain(census: Census) -> list[Pod]:
    """Pods to take out now: as many as the others can hold and the fleet's rate can empty."""
    if census.frozen is not None:
        return []
    drain = census.snapshot.fleet.spec.drain
    serving = [pod for pod in census.alive if census.serving(pod)]
    busy = sum(1 for pod in (*census.alive, *census.leaving) if pod.deleted or kind_of(pod))
    spare = len(serving) - max(1, -(-census.demand // drain.capacity_per_pod))
    most = min(spare, most_drains(drain) - busy)
    return [pod for pod in candidates(census) if leaving(pod, census)][: max(0, most)]
