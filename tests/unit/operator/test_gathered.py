"""What a snapshot says of a pod's process: which one it is, whether it runs, and what it said."""

from typing import Any

import pytest

from continuo_operator.gather import Gatherer
from continuo_operator.ports import AdminError, Door, Kind
from continuo_operator.reading import read_pod
from continuo_operator.snapshot import Policy, Report
from tests.support.small_cluster import SmallCluster

RUNNING, WAITING = {"running": {}}, {"waiting": {"reason": "CrashLoopBackOff"}}


class Mute(SmallCluster):
    """Whose pods answer only while `speaks`."""

    speaks = True

    async def status(self, door: Door) -> Report:
        if not self.speaks:
            raise AdminError("nobody there")
        return await super().status(door)


def container(name: str, state: dict[str, Any], restarts: int = 0) -> dict[str, Any]:
    return {"name": name, "restartCount": restarts, "ready": False, "state": state}


@pytest.mark.parametrize(("restarts", "remembered"), [(0, 40), (1, None)])
async def test_a_word_ends_with_the_process_that_gave_it(restarts: int, remembered: int | None):
    """What a crashed process held is gone; held to be there still, it would freeze the fleet for ever."""
    cluster = Mute([40])
    gatherer = Gatherer(cluster, cluster, Policy())
    await gatherer.snapshot("default", cluster.now)
    cluster.speaks = False
    statuses = [container("connection", RUNNING, restarts)]
    await cluster.patch(Kind.PODS, "pod-0", {"status": {"containerStatuses": statuses}})
    seen = await gatherer.snapshot("default", cluster.now + 2)
    assert seen is not None
    (pod,) = seen.pods
    assert (pod.report.connections if pod.report else None) == remembered


@pytest.mark.parametrize(
    ("containers", "runs", "restarts"),
    [
        ([], True, 0),
        ([container("connection", RUNNING, 3)], True, 3),
        ([container("connection", WAITING, 3)], False, 3),
        ([container("connection", WAITING, 3), container("mesh", RUNNING)], False, 3),
        ([container("connection", RUNNING), container("mesh", WAITING, 7)], True, 0),
        ([container("other", WAITING), container("mesh", RUNNING, 1)], True, 1),
    ],
)
def test_only_the_container_of_the_connections_counts(containers: list[Any], runs: bool, restarts: int):
    pod = read_pod(
        {"metadata": {"name": "a"}, "status": {"phase": "Running", "containerStatuses": containers}}
    )
    assert (pod.runs, pod.restarts) == (runs, restarts)
