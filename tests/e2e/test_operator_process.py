"""The operator as the process it is: kopf, the Lease and the loop, against an API and pods over HTTP."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import yaml

from continuo_operator.ports import Kind
from services.local.servers import free_ports
from tests.support.fleet_snapshots import SMALL
from tests.support.small_api import TOKEN, SmallApi
from tests.support.small_cluster import SmallCluster
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

QUICK = SMALL | {
    "scaling": {**SMALL["scaling"], "up": {"windowSeconds": 0}, "down": {"windowSeconds": 0, "maxStep": 2}},
    "drain": {**SMALL["drain"], "propagationSeconds": 1},
}
PATIENCE_S = 20.0
RELEASE = "app.kubernetes.io/component=connection,app.kubernetes.io/instance="


class Place:
    """A namespace, and operators in it."""

    def __init__(self, folder: Path, cluster: SmallCluster, api: SmallApi) -> None:
        self.folder = folder
        self.cluster = cluster
        self.api = api
        self.port = free_ports(1)[0]
        self.started: list[asyncio.subprocess.Process] = []

    async def operator(
        self, identity: str, port: int | None = None, **more: str
    ) -> asyncio.subprocess.Process:
        environ = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
        environ |= {
            "KUBECONFIG": str(self._kubeconfig()),
            "PYTHONPATH": os.pathsep.join([".", "operator"]),
            "CONTINUO_OPERATOR_NAMESPACE": "here",
            "CONTINUO_OPERATOR_IDENTITY": identity,
            "CONTINUO_OPERATOR_LEASE_S": "3",
            "CONTINUO_OPERATOR_LOOP_S": "0.3",
            "CONTINUO_OPERATOR_PORT": str(port or self.port),
            "CONTINUO_HOST": "127.0.0.1",
            "CONTINUO_ADMIN_TOKEN_FILE": str(self.folder / "token"),
            **more,
        }
        (self.folder / "token").write_text(TOKEN + "\nolder\n")
        log = (self.folder / f"{identity}.log").open("wb")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "continuo_operator", env=environ, stdout=log, stderr=log
        )
        log.close()
        self.started.append(process)
        return process

    def log(self, identity: str) -> list[dict[str, object]]:
        lines = (self.folder / f"{identity}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _kubeconfig(self) -> Path:
        kept = self.folder / "kubeconfig"
        document = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": self.api.url}}],
            "users": [{"name": "x", "user": {"token": "who"}}],
        }
        kept.write_text(yaml.safe_dump(document))
        return kept

    async def live(self) -> None:
        """Let the pods go on with what they do."""
        while True:
            await asyncio.sleep(0.1)
            self.cluster.advance(0.1)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    cluster = SmallCluster([60, 10, 30], spec=QUICK, now=time.time())
    api = SmallApi(cluster)
    await api.open()
    cluster.object(Kind.FLEETS, "default")["spec"]["adminPort"] = api.admin_port
    made = Place(tmp_path, cluster, api)
    living = asyncio.create_task(made.live())
    try:
        yield made
    finally:
        for process in made.started:
            if process.returncode is None:
                process.kill()
                await process.wait()
        living.cancel()
        await api.close()


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
