"""The operator's /healthz, by which the kubelet starts it anew: well while its loop goes round."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from continuo_operator.admin import AdminClient
from continuo_operator.app import healthz
from continuo_operator.apply import Applier
from continuo_operator.gather import Gatherer
from continuo_operator.lease import LeaseGuard
from continuo_operator.loop import OLD_S, Loop
from continuo_operator.snapshot import Policy
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics
from tests.support.small_cluster import SmallCluster


class Stuck(SmallCluster):
    """An API whose lists never come back."""

    async def list(self, *_: object, **__: object) -> list[dict[str, object]]:
        await asyncio.Event().wait()
        return []


def loop_on(cluster: SmallCluster, clock: FakeClock) -> tuple[Loop, LeaseGuard]:
    lease = LeaseGuard(cluster, clock, name="lease", identity="one", duration_s=15)
    policy, admin = Policy(), AdminClient(None, "")  # nobody is asked: there are no pods
    gatherer, applier = Gatherer(cluster, admin, policy), Applier(cluster, admin, policy)
    loop = Loop(cluster, gatherer, applier, lease, policy, clock, Metrics(), every_s=2.0)
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
