"""The operator's loop: /healthz, by which the kubelet starts it anew, and the time that a look takes."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from continuo_operator.admin import AdminClient
from continuo_operator.app import healthz
from continuo_operator.apply import Applier
from continuo_operator.gather import Gatherer
from continuo_operator.labels import ACCEPTS, PLAN
from continuo_operator.lease import LeaseGuard
from continuo_operator.loop import OLD_S, Loop
from continuo_operator.ports import Admin, Door, Kind
from continuo_operator.snapshot import Policy, Report
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics
from tests.support.fleet_snapshots import SMALL
from tests.support.small_cluster import SmallCluster


class Stuck(SmallCluster):
    """An API whose lists never come back."""

    async def list(self, *_: object, **__: object) -> list[dict[str, object]]:
        await asyncio.Event().wait()
        return []


def loop_on(
    cluster: SmallCluster, clock: FakeClock, admin: Admin | None = None, metrics: Metrics | None = None
) -> tuple[Loop, LeaseGuard]:
    lease = LeaseGuard(cluster, clock, name="lease", identity="one", duration_s=15)
    policy, admin = Policy(), admin or AdminClient(None, "")  # without pods nobody is asked
    gatherer, applier = Gatherer(cluster, admin, policy), Applier(cluster, admin, policy)
    loop = Loop(cluster, gatherer, applier, lease, policy, clock, metrics or Metrics(), every_s=2.0)
    loop.seen.set()
    return loop, lease


async def answer(loop: Loop) -> int:
    app = Starlette(routes=[healthz(loop)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://operator") as client:
        return (await client.get("/healthz")).status_code


async def test_a_loop_that_turns_is_well_however_long_it_runs_and_without_the_lease():
    clock = FakeClock()
    loop, _ = loop_on(SmallCluster([]), clock)
    for _ in range(3):
        clock.advance(OLD_S - 1)
        assert await answer(loop) == 200
        await loop.turn()


async def test_a_loop_that_is_stuck_in_a_turn_is_told_after_a_minute(monkeypatch: pytest.MonkeyPatch):
    clock = FakeClock()
    loop, _ = loop_on(Stuck([]), clock)
    monkeypatch.setattr(LeaseGuard, "held", True)
    turn = asyncio.create_task(loop.turn())
    await asyncio.sleep(0)
    clock.advance(OLD_S - 1)
    assert await answer(loop) == 200
    clock.advance(2)
    assert not turn.done()
    assert await answer(loop) == 503
    turn.cancel()


class Slow(SmallCluster):
    """Whose pods take two seconds for a word; notes what is left in the moment of each order to drain."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__([60, 20], spec={**SMALL, "scaling": {**SMALL["scaling"], "owner": "External"}})
        self.clock = clock
        self.ordered: list[float] = []

    async def status(self, door: Door) -> Report:
        self.clock.advance(2.0)
        return await super().status(door)

    async def drain(self, door: Door, *, plan: str, within_s: float) -> Report:
        self.ordered.append(self.clock.now_ms() / 1000 + within_s)
        return await super().drain(door, plan=plan, within_s=within_s)


async def test_slow_answers_take_nothing_from_the_deadline(monkeypatch: pytest.MonkeyPatch):
    """Nor add to it: what a look took is not given to the pod once more."""
    clock = FakeClock()
    cluster, at = Slow(clock), int(clock.now_ms() / 1000) - 10
    out = {"labels": {ACCEPTS: "no"}, "annotations": {PLAN: f"down.{at}"}}
    await cluster.patch(Kind.PODS, "pod-1", {"metadata": out})
    loop, _ = loop_on(cluster, clock, cluster)
    monkeypatch.setattr(LeaseGuard, "held", True)
    await loop.turn()
    assert cluster.ordered == [at + SMALL["drain"]["deadlineSeconds"]]


async def test_a_fleets_status_is_in_the_metrics_until_it_is_anothers_to_mind(
    monkeypatch: pytest.MonkeyPatch,
):
    clock, metrics, cluster = FakeClock(), Metrics(), SmallCluster([60, 20])
    loop, _ = loop_on(cluster, clock, cluster, metrics)
    sample = metrics.registry.get_sample_value
    fits = {"fleet": "default", "condition": "BudgetInfeasible"}
    ready = {"fleet": "default", "state": "ready"}
    monkeypatch.setattr(LeaseGuard, "held", True)
    for _ in range(2):  # the first look writes the status, the second finds it
        await loop.turn()
    assert sample("continuo_operator_conditions", fits) == 0.0
    assert sample("continuo_operator_conditions", {**fits, "condition": "Ready"}) == 1.0
    assert sample("continuo_operator_pods", ready) == 2.0
    monkeypatch.setattr(LeaseGuard, "held", False)
    await loop.turn()
    assert sample("continuo_operator_conditions", fits) is None
    assert sample("continuo_operator_pods", ready) is None
