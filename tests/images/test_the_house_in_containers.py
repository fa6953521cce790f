"""The whole house in containers, restricted as in a cluster: devices talk, a stopped container drains."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from services.local.tokens import issue_now
from tests.images import charted
from tests.images.containers import ADMIN, CLIENT, HOUSE, PAGES, Container, Containers, docker, image
from tests.images.endpoints import Endpoints
from tests.support.official_client import Followed, Official
from tests.support.waiting import eventually

pytestmark = pytest.mark.images

DEVICES = 24
DRAINED = 3001
EXAMPLE = HOUSE / "k8s/examples/own-agents"


@dataclass
class House:
    """What runs: two doors and a worker behind them."""

    containers: Containers
    folder: Path
    doors: list[Container]
    worker: Container

    def door(self, name: str) -> Container:
        connection = charted.service("connection", self.folder)
        return self.containers.started(name, connection, [CLIENT, PAGES, ADMIN])


@pytest.fixture(scope="module")
def house(containers: Containers, data: None, tmp_path_factory: pytest.TempPathFactory) -> House:
    """Two connection containers, a worker and presence, as the chart renders them; all ready."""
    folder = tmp_path_factory.mktemp("secrets")
    worker = containers.started("worker", charted.service("conversation", folder), [PAGES])
    presence = containers.started("presence", charted.service("presence", folder), [PAGES])
    house = House(containers, folder, [], worker)
    house.doors = [house.door("door-0"), house.door("door-1")]
    for each in (*house.doors, worker, presence):
        each.until_ready()
    return house


@pytest.fixture
async def service(house: House) -> AsyncIterator[Endpoints]:
    """The endpoints that devices connect through."""
    async with Endpoints(*(door.port(CLIENT) for door in house.doors)).open() as endpoints:
        yield endpoints


@contextlib.asynccontextmanager
async def device(service: Endpoints, user: str) -> AsyncIterator[Official]:
    official = await Official(service.address, lambda: issue_now(charted.HMAC, user)).connect()
    try:
        yield official
    finally:
        await official.leave()


async def answered(ann: Official, followed: Followed, conversation: str, text: str) -> str:
    """What the agent says to a message."""
    before = len(followed.events("message.completed"))
    await ann.send(conversation, text)
    completed = await eventually(lambda: followed.events("message.completed")[before:], within_s=60.0)
    return str(completed[0]["text"])


async def test_a_device_talks_with_the_agent_through_the_containers(service: Endpoints) -> None:
    async with device(service, "ann") as ann:
        conversation = await ann.create()
        _, followed = await ann.follow(conversation)
        assert "3" in await answered(ann, followed, conversation, "count to 3")


async def test_a_stopped_door_drains_in_its_grace_and_its_devices_lose_nothing(
    house: House, service: Endpoints
) -> None:
    stopping, staying = house.doors
    async with contextlib.AsyncExitStack() as stack:
        service.ports = [stopping.port(CLIENT)]
        crowd = [await stack.enter_async_context(device(service, "bea")) for _ in range(DEVICES)]
        conversation = await crowd[0].create()
        followed = [(await each.follow(conversation))[1] for each in crowd]
        await crowd[0].send(conversation, "count to 400")
        await eventually(lambda: all(each.events("message.delta") for each in followed), within_s=60.0)
        # As in a cluster: no endpoint any more, then SIGTERM.
        service.ports = [staying.port(CLIENT)]
        grace_s = charted.service("connection", house.folder).grace_s
        stop = asyncio.create_task(stopping.stop(grace_s))
        await crowd[1].send(conversation, "said while it drains")
        await stop
        await eventually(lambda: all(each.events("message.completed") for each in followed), within_s=60.0)
        assert (stopping.state["ExitCode"], stopping.state["OOMKilled"]) == (0, False), stopping.log
        for one, seen in zip(crowd, followed, strict=True):
            assert DRAINED in one.noted.connecting
            assert one.noted.disconnected == []
            assert seen.said() == ["count to 400", "said while it drains"]
            assert seen.offsets() == sorted(set(seen.offsets()))
        texts = {tuple(event["text"] for event in seen.events("message.completed"))[:1] for seen in followed}
        assert len(texts) == 1
    house.doors[0] = await asyncio.to_thread(house.door("door-2").until_ready)


async def test_the_tools_probe_the_house_from_inside(house: House) -> None:
    address = f"ws://door-1:{CLIENT}"
    token = issue_now(charted.HMAC, "prober")
    done = house.containers.once(image("tools"), "probe", address, "--token", token)
    assert done.returncode == 0, done.stdout + done.stderr
    refused = house.containers.once(
        image("tools"), "probe", address, "--token", "not-a-token", "--within", "5"
    )
    assert refused.returncode == 1


async def test_the_admin_port_takes_the_mounted_token_only(house: House) -> None:
    address = f"http://127.0.0.1:{house.doors[0].port(ADMIN)}/status"
    bearer = {"Authorization": f"Bearer {charted.SECRETS['continuo-admin']['tokens']}"}
    async with httpx.AsyncClient() as client:
        assert (await client.get(address)).status_code == 401
        said = (await client.get(address, headers=bearer)).json()
    assert said["capacity"] == charted.VALUES["drain"]["capacityPerPod"]


def test_the_tools_back_up_and_judge_a_redis_with_the_secrets_of_the_chart(house: House) -> None:
    tools = charted.tools(house.folder)
    done = house.containers.tool(tools, *tools.container["args"])
    assert done.returncode == 0, done.stdout + done.stderr
    [kept] = (house.folder / "backups").iterdir()
    assert kept.suffix == ".rdb"
    assert kept.stat().st_size > 0
    judged = house.containers.tool(tools, "doctor")
    assert judged.returncode == 0, judged.stdout + judged.stderr


async def test_an_image_with_agents_of_ones_own_answers(
    house: House, service: Endpoints, tmp_path: Path
) -> None:
    of = f"CONVERSATION={image('conversation')}"
    docker("build", "--quiet", "--build-arg", of, "--tag", "my-agents:test", EXAMPLE)
    values = yaml.safe_load((EXAMPLE / "values.yaml").read_text())
    values["conversation"]["image"] = "my-agents:test"
    own = charted.service("conversation", house.folder, values)
    await house.worker.stop(own.grace_s)
    assert house.worker.state["ExitCode"] == 0, house.worker.log
    worker = house.containers.started("own", own, [PAGES])
    await asyncio.to_thread(worker.until_ready)
    async with device(service, "cy") as cy:
        conversation = await cy.create()
        _, followed = await cy.follow(conversation)
        assert (
            await answered(cy, followed, conversation, "three words here") == "3 words in 1 messages so far"
        )


async def test_the_development_image_takes_up_a_changed_file(house: House) -> None:
    presence = charted.service("presence", house.folder)
    dev = house.containers.run(
        "dev",
        image("dev"),
        "services.presence",
        environ=presence.environ,
        ports=[PAGES],
        bounds=presence.options,
        writable=True,
    )
    await asyncio.to_thread(dev.until_ready)
    docker("exec", dev.name, "sh", "-c", "echo '# changed' >> services/presence/sweep.py")
    await asyncio.to_thread(dev.until, lambda: "sweep.py changed; ending services.presence" in dev.log)
    await asyncio.to_thread(dev.until, lambda: dev.log.count('"started"') == 2)
    await asyncio.to_thread(dev.until_ready)
    await dev.stop(30)
    assert dev.state["ExitCode"] == 0, dev.log
