"""The whole house in containers, restricted as in a cluster: devices talk, a stopped container drains."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import yaml

from services.local.tokens import issue_now
from tests.images import charted
from tests.images.containers import ADMIN, API, CLIENT, HOUSE, PAGES, Container, Containers, docker, image
from tests.images.endpoints import Endpoints
from tests.support.official_client import Followed, Official
from tests.support.waiting import eventually

pytestmark = pytest.mark.images

DEVICES = 24
DRAINED = 3001
EXAMPLE = HOUSE / "k8s/examples/own-agents"
VERSIONS = """
import importlib.metadata, json
print(json.dumps({each.name: each.version for each in importlib.metadata.distributions()}))
"""


@dataclass
class House:
    """What runs: two doors, and a worker and presence behind them."""

    containers: Containers
    folder: Path
    doors: list[Container] = field(init=False)
    worker: Container = field(init=False)
    presence: Container = field(init=False)

    def begin(self, life: str) -> None:
        """Start all, as the chart renders them, until they are ready. life: a part of their names."""
        self.worker = self._started(f"worker-{life}", "conversation", [PAGES])
        self.presence = self._started(f"presence-{life}", "presence", [PAGES])
        self.doors = [self.door(f"door-0-{life}"), self.door(f"door-1-{life}")]
        for each in self.all:
            each.until_ready()

    @property
    def all(self) -> list[Container]:
        return [*self.doors, self.worker, self.presence]

    def _started(self, name: str, component: str, ports: list[int]) -> Container:
        return self.containers.started(name, charted.service(component, self.folder), ports)

    def door(self, name: str) -> Container:
        return self._started(name, "connection", [CLIENT, PAGES, ADMIN, API])


@pytest.fixture(scope="module")
def house(containers: Containers, data: None, tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House(containers, tmp_path_factory.mktemp("secrets"))
    house.begin("a")
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
    address = f"ws://door-1-a:{CLIENT}"
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


async def test_the_api_takes_the_mounted_key_only(house: House) -> None:
    address = f"http://127.0.0.1:{house.doors[0].port(API)}/api/v1/census"
    async with httpx.AsyncClient() as client:
        assert (await client.get(address)).status_code == 401
        said = await client.get(address, headers={"Authorization": f"Bearer {charted.API_KEY}"})
    assert said.status_code == 200
    assert said.json()["nodes"]


def test_the_tools_back_up_and_judge_a_redis_with_the_secrets_of_the_chart(house: House) -> None:
    tools = charted.tools(house.folder)
    done = house.containers.tool(tools, *tools.container["args"])
    assert done.returncode == 0, done.stdout + done.stderr
    [kept] = (house.folder / "backups").iterdir()
    assert kept.suffix == ".rdb"
    assert kept.stat().st_size > 0
    judged = house.containers.tool(tools, "doctor")
    assert judged.returncode == 0, judged.stdout + judged.stderr


async def test_after_a_restore_the_tools_make_the_data_fit_for_services_once_none_runs(
    house: House, service: Endpoints
) -> None:
    """As docs/backup.md has it: the container of the backups with other words, where the Redis is."""
    tools = charted.tools(house.folder)
    early = house.containers.tool(tools, "restored")
    assert early.returncode == 1, early.stdout + early.stderr
    assert "services run: " in early.stdout + early.stderr
    await asyncio.gather(*(each.stop(60) for each in house.all))
    for step in ("restored", "doctor"):
        done = house.containers.tool(tools, step)
        assert done.returncode == 0, done.stdout + done.stderr
    await asyncio.to_thread(house.begin, "b")
    service.ports = [door.port(CLIENT) for door in house.doors]
    async with device(service, "dan") as dan:
        conversation = await dan.create()
        _, followed = await dan.follow(conversation)
        assert "3" in await answered(dan, followed, conversation, "count to 3")


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


def test_an_image_with_packages_of_ones_own_keeps_to_those_of_ours(
    containers: Containers, base: str, tmp_path: Path
) -> None:
    """Its pip is set up for an index of somebody's own, as bases have it: the wheels of the images."""
    indexed = tmp_path / "Dockerfile"
    indexed.write_text(f"FROM {base}\nCOPY . /wheels\nENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels\n")
    docker("build", "--quiet", "--file", indexed, "--tag", "indexed:test", HOUSE / "build/wheels")
    stages = ["--build-arg", "BASE=indexed:test", "--build-arg", f"CONVERSATION={image('conversation')}"]
    file, tag = EXAMPLE / "packages.Dockerfile", "my-packages:test"
    docker("build", "--quiet", "--network", "none", "--file", file, *stages, "--tag", tag, EXAMPLE)
    before, after = packages(containers, image("conversation")), packages(containers, tag)
    assert after.items() >= before.items()
    assert "aiohttp" in after.keys() - before.keys()
    assert "pip" not in after
    python = ["--entrypoint", "python"]
    done = containers.once(
        tag, "-c", "import aiohttp, my_agents.graphs, services.conversation.app", more=python
    )
    assert done.returncode == 0, done.stderr


def packages(containers: Containers, of: str) -> dict[str, str]:
    """Versions by name."""
    done = containers.once(of, "-c", VERSIONS, more=["--entrypoint", "python"])
    assert done.returncode == 0, done.stderr
    held: dict[str, str] = json.loads(done.stdout)
    return held


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
