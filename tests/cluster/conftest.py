"""The cluster that facts are asked after: the simulator always, a real one where there is one."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.cluster.cluster import SimulatedCluster
from tests.cluster.facts_driver import Facts, Simulated, real_road
from tests.cluster.kinds import NODES
from tests.cluster.losses import TALLY
from tests.cluster.scheduler import node
from tests.cluster.world import World


@pytest.fixture(params=["simulator", "cluster"])
async def facts(request: pytest.FixtureRequest) -> AsyncIterator[Facts]:
    if request.param == "simulator":
        yield Facts(Simulated(as_kind_makes_it(SimulatedCluster(World(seed=1), nodes=2))))
        return
    if not os.environ.get("KUBECONFIG") or not os.environ.get("CONTINUO_FACTS_IMAGE"):
        pytest.skip("a real cluster: set KUBECONFIG, and CONTINUO_FACTS_IMAGE to a pause image")
    async with real_road() as road:
        yield Facts(road)


def as_kind_makes_it(cluster: SimulatedCluster) -> SimulatedCluster:
    """With a control plane beside the workers that takes no pods, as k8s/kind.yaml has it."""
    plane = node("control-plane")
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    cluster.store.create(NODES, {**plane, "spec": {"taints": [taint]}})
    return cluster


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Losses that nobody announced are told, not bounded."""
    if TALLY.runs:
        terminalreporter.write_line(
            f"unplanned losses: {TALLY.losses} sockets of {TALLY.clients} clients in {TALLY.runs} runs"
        )
