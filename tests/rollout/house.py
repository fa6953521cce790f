"""Everything a rollout happens to: Redis, workers, presence, a cluster whose connection pods are processes.

Store, API, controllers and kubelet are tests/cluster's, moved along with the real clock; what runs in its
pods are real connection servers, behind a real HAProxy.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from services.local.embedded import EmbeddedRedis
from services.local.probe import status_of
from services.local.processes import Child
from services.local.servers import free_ports
from services.shared.bus.house import Bus
from tests.cluster.cluster import Lags, SimulatedCluster
from tests.cluster.fleets import Design, install
from tests.cluster.kubelet import Pace
from tests.cluster.world import World
from tests.rollout.driver import Driver
from tests.rollout.haproxy import Balancer
from tests.rollout.launched import FOLDER, PROCESS, RELEASE
from tests.rollout.pods import Servers
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually

HOUSE = Path(__file__).parents[2]
SECRET = "a secret of the rollout, long enough for HS256"
TOKEN = "a-token-of-the-rollouts-operator"
FLEET = "rollout"
TICK_S = 0.02
READY_WITHIN_S = 60.0
WORKER_ENDS_WITHIN_S = 15.0
LAGS = Lags((0.0, 0.5), (0.05, 0.3), (0.0, 0.0), (0.1, 1.0), Pace((0.0, 0.5), (0.1, 1.5), 0.5))
"""The endpoints' own lag is short: the driver is late by one to five seconds."""
JOURNAL = 1_000_000
"""Entries of a journal: the whole of it is the truth at the end."""


@dataclass
class House:
    """What `open_house` has opened. `operating` tells whether the operator is there."""

    folder: Path
    redis: EmbeddedRedis
    bus: Bus
    cluster: SimulatedCluster
    servers: Servers
    balancer: Balancer
    environ: dict[str, str]
    token_file: Path
    others: dict[str, Child] = field(default_factory=dict)
    _started: int = 0

    @property
    def address(self) -> str:
        """Where devices connect."""
        return f"ws://127.0.0.1:{self.balancer.port}/connection/websocket"

    async def start_others(self, release: str) -> list[str]:
        """Start two workers and a presence of a release; return their names once all are ready."""
        names = []
        for service in ("conversation", "conversation", "presence"):
            self._started += 1
            names.append(name := f"{service}-{self._started}")
            await self._start(name, f"services.{service}", release)
        return names

    async def end_others(self, names: list[str]) -> None:
        """Have these end, one after the other, handing on what they have under way."""
        for name in names:
            child = self.others.pop(name)
            await child.end(WORKER_ENDS_WITHIN_S)
            assert child.exit_code == 0, f"{name} did not end well: {child.last_words()}"

    async def _start(self, name: str, module: str, release: str) -> None:
        [port] = free_ports(1)
        own = {
            "CONTINUO_HOST": "127.0.0.1",
            "CONTINUO_PORT": str(port),
            "CONTINUO_DRAIN_S": "2",
            FOLDER: str(self.folder),
            PROCESS: name,
            RELEASE: release,
        }
        argv = [sys.executable, "-m", "tests.rollout.launched", module]
        child = Child(name, argv, self.folder / "logs" / f"{name}.log", {**self.environ, **own})
        child.start()
        self.others[name] = child

        async def ready() -> bool:
            assert child.alive, f"{name}: {child.last_words()}"
            return await status_of(port, "/readyz") == 200

        await eventually(ready, READY_WITHIN_S, every_s=0.1)


@asynccontextmanager
async def open_house(
    folder: Path, design: Design, token_ms: int, seed: str, without: str = ""
) -> AsyncIterator[House]:
    """A house with its pods starting, which lack a protection in a control run; all of it ends with the
    block.
    """
    for part in ("logs", "history", "redis"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    token_file = folder / "admin-token"
    token_file.write_text(TOKEN)
    async with AsyncExitStack() as opened:
        redis = await opened.enter_async_context(EmbeddedRedis(folder / "redis"))
        bus = await opened.enter_async_context(open_bus(redis, journal_length=JOURNAL))
        environ = {**_plain(), **_settings(redis, design, token_ms, token_file)}
        servers = Servers(folder, environ, without)
        opened.callback(servers.end)
        world = World(Random(f"{seed} world").getrandbits(32), epoch=time.time())
        cluster = SimulatedCluster(world, servers.run, lags=LAGS, address=lambda: servers.addresses.latest)
        [port] = free_ports(1)
        balancer = Balancer(folder, port)
        await balancer.start()
        opened.callback(balancer.end)
        house = House(folder, redis, bus, cluster, servers, balancer, environ, token_file)
        opened.callback(lambda: [child.kill() for child in house.others.values()] and None)
        install(cluster, design)
        async with asyncio.TaskGroup() as tasks:
            driver = Driver(cluster, balancer, Random(f"{seed} driver"))
            work = [tasks.create_task(_moved(world)), tasks.create_task(driver.run())]
            try:
                await house.start_others("")
                yield house
            finally:
                for task in work:
                    task.cancel()


async def _moved(world: World) -> None:
    """Move the world along with the real clock."""
    loop = asyncio.get_running_loop()
    began = loop.time() - world.now
    while True:
        world.run_until(loop.time() - began)
        await asyncio.sleep(TICK_S)


def _settings(redis: EmbeddedRedis, design: Design, token_ms: int, token_file: Path) -> dict[str, str]:
    """What all services are told, as the chart would."""
    return {
        "CONTINUO_REDIS_SENTINELS": redis.sentinels,
        "CONTINUO_TOKEN_HMAC_SECRET": SECRET,
        "CONTINUO_TOKEN_MS": str(token_ms),
        "CONTINUO_CONVERSATIONS": "256",
        "CONTINUO_JOURNAL_LENGTH": str(JOURNAL),
        "CONTINUO_FLEET": FLEET,
        "CONTINUO_FLEET_RATE": str(design.fleet_rate),
        "CONTINUO_POD_RATE": str(design.pod_rate),
        "CONTINUO_MAX_CONNECTIONS": str(design.capacity),
        "CONTINUO_PROPAGATION_S": str(design.propagation_s),
        "CONTINUO_DRAIN_S": str(design.drain_s),
        "CONTINUO_ADMIN_TOKEN_FILE": str(token_file),
        "PYTHONPATH": os.pathsep.join([str(HOUSE), str(HOUSE / "operator"), *_more_paths()]),
    }


def _more_paths() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CONTINUO_")}
