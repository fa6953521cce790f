"""The operator as it is, kopf and all, over HTTP in real time: a rollout and a scale-down, seed by seed.

Twenty seeds where many runs are asked for (make operator-proof), two at make proofs. Operators are killed and
followed by others meanwhile; at the end the fleet is deleted with no operator there.
"""

import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.cluster.cluster import NAMESPACE, Lags
from tests.cluster.fleets import FLEET, Design
from tests.cluster.kinds import FLEETS, LEASES
from tests.cluster.kubelet import Pace
from tests.cluster.objects import at
from tests.cluster.operator_process import operator
from tests.cluster.runs import MANY
from tests.cluster.scenes import no_traces, nobody_lost, one_hop, only_empty_pods_went, wanted
from tests.cluster.served import Served
from tests.cluster.stage import Stage

MANAGER = "continuo-operator"
SEEDS = range(20 if MANY else 2)
QUICK = Lags((0.0, 0.2), (0.05, 0.3), (0.05, 0.3), (0.05, 0.3), Pace((0.0, 0.1), (0.1, 0.5), 0.3, (0.2, 1.0)))
SCALING = {"up": {"windowSeconds": 2, "maxStep": 4}, "down": {"windowSeconds": 3, "maxStep": 1}}


def design_of(seed: int, admin_port: int) -> Design:
    """Small times: a pod drains in seconds; the hold is what an operator needs on a busy machine."""
    pods = 2 + seed % 2
    return Design(
        pods=pods,
        most=pods + 1,
        capacity=20,
        pod_rate=10,
        fleet_rate=20,
        propagation_s=1,
        scaling=SCALING,
        min_ready_s=20,
        warm_up=(0.1, 0.5),
        admin_port=admin_port,
    )


def leads(stage: Stage, identity: str) -> bool:
    lease = stage.store.find(LEASES, NAMESPACE, "continuo-operator")
    return lease is not None and at(lease, "spec", "holderIdentity") == identity


async def rolls(stage: Stage) -> None:
    stage.crowd.begin()
    stage.upgrade("2")
    await stage.rolled()
    assert one_hop(stage) == []


async def shrinks(stage: Stage) -> None:
    stage.taken.clear()
    stage.crowd.become(2)
    await stage.until(lambda: stage.size == wanted(stage.design, 2))
    await stage.until(lambda: stage.cordons() == [])
    assert [*only_empty_pods_went(stage), *nobody_lost(stage), *no_traces(stage)] == []


async def rests(stage: Stage) -> None:
    """No writes but the Lease's, once the status has been told."""
    await stage.until(lambda: stage.crowd.connected == len(stage.crowd.devices))
    await stage.rest(6.0)
    stage.store.writes.clear()
    await stage.rest(6.0)
    written = {plural for plural, manager in stage.store.writes if manager == MANAGER}
    assert written == {"leases"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_the_operator_itself_rolls_shrinks_rests_and_lets_go(seed: int, tmp_path: Path) -> None:
    served = Served(token=f"token-{seed}")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(served.open())
        design = design_of(seed, served.admin_port)
        stage = Stage(design, seed, lags=QUICK, epoch=time.time(), address=served.address)
        await stack.enter_async_context(served.show(stage.cluster))
        async with operator(served, tmp_path, "first") as first:
            await stage.until(lambda: leads(stage, "first"))
            await stage.open(clients=design.pods * 8, settle_s=2.0)
            await rolls(stage)
            first.kill()
        async with operator(served, tmp_path, "second") as second:
            await stage.until(lambda: leads(stage, "second"))
            await shrinks(stage)
            await rests(stage)
            second.terminate()
            assert await second.wait() == 0
        fleet = stage.store.get(FLEETS, NAMESPACE, FLEET)
        assert "finalizers" not in fleet["metadata"]
        stage.store.delete(FLEETS, NAMESPACE, FLEET)
        assert stage.store.find(FLEETS, NAMESPACE, FLEET) is None
