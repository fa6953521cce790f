"""What goes over the wire to the API server and to pods, and what their answers are taken for."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import kopf
import pytest

from continuo_operator.access import Access
from continuo_operator.admin import AdminClient
from continuo_operator.client import ApiClient, Indexed
from continuo_operator.ports import AdminError, ApiError, Conflict, Door, Exists, Kind, Missing
from tests.support.fleet_snapshots import NOW
from tests.support.small_api import TOKEN, SmallApi
from tests.support.small_cluster import SmallCluster

NAME = "continuo-connection"


@pytest.fixture
async def api() -> AsyncIterator[SmallApi]:
    served = SmallApi(SmallCluster([5, 6], now=NOW))
    await served.open()
    yield served
    await served.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def client(session: aiohttp.ClientSession, url: str) -> ApiClient:
    access = Access()
    access.take(kopf.ConnectionInfo(server=url, token="who"))
    return ApiClient(session, access, namespace="here", manager="continuo-operator")


async def test_objects_are_read_and_patched_only_as_they_were_seen(api: SmallApi, session):
    cluster = client(session, api.url)
    pods = await cluster.list(Kind.PODS, selector="app.kubernetes.io/component=connection")
    assert sorted(pod["metadata"]["name"] for pod in pods) == ["pod-0", "pod-1"]
    seen = (await cluster.get(Kind.PODS, "pod-0"))["metadata"]["resourceVersion"]
    label = {"metadata": {"labels": {"continuo.dev/accepts": "no"}}}
    await cluster.patch(Kind.PODS, "pod-0", label, resource_version=seen)
    with pytest.raises(Conflict):
        await cluster.patch(Kind.PODS, "pod-0", label, resource_version=seen)
    assert api.cluster.pods()["pod-0"]["metadata"]["labels"]["continuo.dev/accepts"] == "no"


async def test_a_claim_and_a_scale_go_to_the_scale_subresource(api: SmallApi, session):
    cluster = client(session, api.url)
    body = {"metadata": {"name": NAME}, "spec": {"replicas": 2}}
    await cluster.apply(Kind.DEPLOYMENTS, NAME, body, subresource="scale")
    await cluster.patch(Kind.DEPLOYMENTS, NAME, {"spec": {"replicas": 1}}, subresource="scale")
    assert [write[:2] for write in api.cluster.writes] == [
        ("apply", "deployments/scale"),
        ("patch", "deployments/scale"),
    ]


async def test_refusals_have_names(api: SmallApi, session):
    cluster = client(session, api.url)
    with pytest.raises(Missing):
        await cluster.get(Kind.LEASES, "nobody-s")
    await cluster.create(Kind.LEASES, {"metadata": {"name": "x"}, "spec": {}})
    with pytest.raises(Exists):
        await cluster.create(Kind.LEASES, {"metadata": {"name": "x"}, "spec": {}})


async def test_a_server_that_is_not_there_is_an_error_of_the_port(session):
    with pytest.raises(ApiError):
        await client(session, "http://127.0.0.1:1").get(Kind.PODS, "pod-0")


async def test_lists_of_what_is_watched_ask_nobody():
    seen = [{"metadata": {"name": "a", "labels": {"x": "y"}}}, {"metadata": {"name": "b"}}]
    cluster = Indexed(SmallCluster([]), lambda kind: seen if kind is Kind.PODS else None)
    assert [one["metadata"]["name"] for one in await cluster.list(Kind.PODS, selector="x=y")] == ["a"]
    assert await cluster.list(Kind.NODES) == []


async def test_a_pod_is_asked_with_the_newest_token(api: SmallApi, session, tmp_path: Path):
    token = tmp_path / "token"
    admin = AdminClient(session, str(token))
    door = Door("pod-1", "127.0.0.1", api.admin_port)
    token.write_text("wrong\n")
    with pytest.raises(AdminError) as refused:
        await admin.status(door)
    assert refused.value.status == 401
    token.write_text(f"{TOKEN}x y\n{TOKEN}\n")
    with pytest.raises(AdminError):
        await admin.status(door)
    token.write_text(f"\n{TOKEN} \nanother\n")
    assert (await admin.status(door)).capacity == 200


async def test_a_pod_drains_and_refuses_another_plan_s_undrain(api: SmallApi, session, tmp_path: Path):
    (tmp_path / "token").write_text(TOKEN)
    admin = AdminClient(session, str(tmp_path / "token"))
    door = Door("pod-0", "127.0.0.1", api.admin_port)
    report = await admin.drain(door, plan="down.1", within_s=3)
    assert (report.cordoned, report.plan) == (True, "down.1")
    with pytest.raises(AdminError) as refused:
        await admin.undrain(door, plan="down.2")
    assert refused.value.status == 409
    assert not (await admin.undrain(door, plan="down.1")).cordoned


async def test_a_pod_that_is_away_or_has_no_token_file_is_unknown(session, tmp_path: Path):
    with pytest.raises(AdminError):
        await AdminClient(session, "").status(Door("x", "127.0.0.1", 1))
    with pytest.raises(AdminError):
        await AdminClient(session, str(tmp_path / "none")).status(Door("x", "127.0.0.1", 1))
