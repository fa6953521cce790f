"""The operator as the process it is: kopf, the Lease and the loop, against an API and pods over HTTP."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from continuo_operator.ports import Kind
from services.local.servers import free_ports
from tests.support.fleet_snapshots import SMALL
from tests.support.log_lines import lines_of
from tests.support.operator_place import Place, place_with
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

QUICK = SMALL | {
    "scaling": {**SMALL["scaling"], "up": {"windowSeconds": 0}, "down": {"windowSeconds": 0, "maxStep": 2}},
    "drain": {**SMALL["drain"], "propagationSeconds": 1},
}
PATIENCE_S = 20.0
RELEASE = "app.kubernetes.io/component=connection,app.kubernetes.io/instance="


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_with(tmp_path, QUICK) as made:
        yield made


async def test_a_fleet_shrinks_and_is_left_alone_and_carries_no_finalizer(place: Place) -> None:
    process = await place.operator("one")
    await eventually(lambda: len(place.cluster.deaths) == 2, within_s=PATIENCE_S)
    assert place.cluster.deaths == [("pod-1", 0), ("pod-2", 0)]
    await eventually(lambda: _settled(place), within_s=PATIENCE_S)
    fleet = place.cluster.object(Kind.FLEETS, "default")
    assert "finalizers" not in fleet["metadata"]
    assert "annotations" not in fleet["metadata"]
    before = len(_writes(place))
    leases = _renewals(place)
    await eventually(lambda: _renewals(place) >= leases + 4, within_s=PATIENCE_S)
    assert _writes(place)[before:] == []
    async with httpx.AsyncClient() as client:
        page = await client.get(f"http://127.0.0.1:{place.port}/healthz")
    assert (page.status_code, page.json()["leads"]) == (200, True)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert place.cluster.object(Kind.LEASES, "continuo-operator")["spec"]["holderIdentity"] == ""


async def test_watches_ask_for_the_fleet_s_own_labels_only(place: Place) -> None:
    await place.operator("one")
    await eventually(lambda: len(place.cluster.deaths) == 2, within_s=PATIENCE_S)
    asked = {plural: query.get("labelSelector", "") for plural, query in place.api.watched}
    assert set(asked) == {"connectionfleets", "deployments", "replicasets", "pods"}
    assert all("component=connection" in selector for selector in asked.values())


async def test_two_releases_in_a_namespace_mind_a_fleet_each(place: Place) -> None:
    place.cluster.add_fleet("other", {**QUICK, "deployment": "other-connection"}, release="theirs")
    await place.operator("one", CONTINUO_OPERATOR_SELECTOR=RELEASE + "ours")
    await eventually(lambda: _settled(place), within_s=PATIENCE_S)
    leases = _renewals(place)
    await eventually(lambda: _renewals(place) >= leases + 2, within_s=PATIENCE_S)
    assert "status" not in place.cluster.object(Kind.FLEETS, "other")
    theirs = {"CONTINUO_OPERATOR_SELECTOR": RELEASE + "theirs", "CONTINUO_OPERATOR_LEASE": "other-operator"}
    before = len(_writes(place))
    await place.operator("two", free_ports(1)[0], **theirs)
    await eventually(lambda: "status" in place.cluster.object(Kind.FLEETS, "other"), within_s=PATIENCE_S)
    assert {name for _, _, name in _writes(place)[before:] if name in {"default", "other"}} == {"other"}


async def test_a_second_operator_waits_and_takes_over_when_the_first_is_killed(place: Place) -> None:
    first = await place.operator("one")
    await eventually(lambda: _holder(place) == "one", within_s=PATIENCE_S)
    await place.operator("two", free_ports(1)[0])
    await eventually(lambda: len(place.cluster.deaths) >= 1, within_s=PATIENCE_S)
    first.kill()
    await first.wait()
    assert [line for line in place.log("two") if line["event"] == "effect done"] == []
    await eventually(lambda: _holder(place) == "two", within_s=PATIENCE_S)
    await eventually(lambda: len(place.cluster.deaths) == 2, within_s=PATIENCE_S)
    assert {left for _, left in place.cluster.deaths} == {0}


async def test_every_line_is_structured_kopf_s_own_too(place: Place) -> None:
    process = await place.operator("one")
    await eventually(lambda: len(place.cluster.deaths) == 2, within_s=PATIENCE_S)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    lines = lines_of(place.folder / "one.log")
    assert {(line["service"], line["node"]) for line in lines} == {("operator", "one")}
    assert all(line["time"] and line["level"] and line["event"] for line in lines)
    assert any(line["logger"].startswith("kopf") for line in lines)
    ours = [line["event"] for line in lines if not line["logger"].startswith("kopf")]
    for once in ("started", "lease taken", "told to stop", "ended"):
        assert ours.count(once) <= 1, ours
    assert {"started", "lease taken", "effect done", "ended"} <= set(ours)


def _holder(place: Place) -> str:
    lease = place.cluster.leases().get("continuo-operator")
    return lease["spec"]["holderIdentity"] if lease else ""


def _writes(place: Place) -> list[tuple[str, str, str]]:
    return [one for one in place.cluster.writes if one[1] != "leases"]


def _renewals(place: Place) -> int:
    return sum(1 for one in place.cluster.writes if one[1] == "leases")


def _settled(place: Place) -> bool:
    status = place.cluster.object(Kind.FLEETS, "default").get("status", {})
    return status.get("replicas") == 1 and status.get("trend") is None and not status.get("drains")
