"""Where a campaign plays: Redis with Sentinels behind links, every service a process of its own, with hooks.

Called by `campaign` and `faults`. Hurts processes by name and says when all is well again. Must never end a
process it did not start.
"""

import asyncio
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from services.local.embedded import EmbeddedRedis
from services.local.probe import status_of
from services.local.processes import Child
from services.local.servers import free_ports
from services.shared.bus.house import Bus
from tests.chaos.launched import FOLDER, PROCESS, WITHOUT
from tests.chaos.links import Links, redis_behind
from tests.chaos.sabotage import settings_without
from tests.support.open_bus import open_bus

SECRET = "a secret of the campaign, long enough for HS256"
SERVICES = {
    "connection-1": "services.connection",
    "connection-2": "services.connection",
    "conversation-1": "services.conversation",
    "conversation-2": "services.conversation",
    "presence-1": "services.presence",
}
READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 12.0
HOUSE = Path(__file__).parents[2]

SETTINGS = {
    "CONTINUO_TOKEN_HMAC_SECRET": SECRET,
    "CONTINUO_HOST": "127.0.0.1",
    "CONTINUO_TOKEN_MS": "15",
    # The whole journal is the truth at the end.
    "CONTINUO_JOURNAL_LENGTH": "1000000",
    # A frozen server or a silent network is noticed within seconds, as on a phone.
    "CONTINUO_PING_S": "2",
    "CONTINUO_PONG_S": "1.5",
    "CONTINUO_DRAIN_S": "2",
    # A device that does not read is noticed within seconds.
    "CONTINUO_OUTBOX_BYTES": "65536",
}


class Stage:
    """Everything but the devices. `play` opens it."""

    def __init__(
        self,
        folder: Path,
        links: Links,
        redis: EmbeddedRedis,
        bus: Bus,
        without: str,
        settings: Mapping[str, str],
        services: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.links = links
        self.redis = redis
        self.bus = bus
        self._services = services
        self._ports = dict(zip(services, free_ports(len(services)), strict=True))
        self._settings = settings
        self._children = {name: self._child(name, without) for name in services}
        self._doors: dict[str, int] = {}

    async def open_doors(self) -> None:
        """Stand links before the connection processes: devices come through them."""
        for name in self.named("connection"):
            self._doors[name] = await self.links.stand(name, self._ports[name])

    def _child(self, name: str, without: str) -> Child:
        own = {
            "CONTINUO_REDIS_SENTINELS": self.redis.sentinels,
            "CONTINUO_PORT": str(self._ports[name]),
            "PYTHONPATH": str(HOUSE),
            FOLDER: str(self.folder),
            PROCESS: name,
            WITHOUT: without,
        }
        environ = {**_environ(), **SETTINGS, **self._settings, **settings_without(without), **own}
        argv = [sys.executable, "-m", "tests.chaos.launched", self._services[name]]
        return Child(name, argv, self.folder / "logs" / f"{name}.log", environ)

    # -- services

    def named(self, service: str) -> list[str]:
        """The processes of a service."""
        return [name for name in self._services if name.startswith(service)]

    def child(self, name: str) -> Child:
        """A service's process."""
        return self._children[name]

    def addresses(self) -> list[str]:
        """Where devices connect, one for each connection process."""
        return [f"ws://127.0.0.1:{port}/connection/websocket" for port in self._doors.values()]

    def straight(self, name: str) -> str:
        """A connection process's address past the links."""
        return f"ws://127.0.0.1:{self._ports[name]}/connection/websocket"

    async def metric(self, name: str, sample: str) -> float:
        """A sample of a process's metrics page, named by all that stands before its value; 0: none."""
        url = f"http://127.0.0.1:{self._ports[name]}/metrics"
        page = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())
        found = [line for line in page.splitlines() if line.startswith(f"{sample} ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    async def begin(self, name: str) -> None:
        """Start a service's process; the links know it from then on."""
        self._children[name].start()
        await self.links.know(name, self._children[name].pid)

    async def ready(self, name: str) -> bool:
        """Whether a service says that it is."""
        return await status_of(self._ports[name], "/readyz") == 200

    async def well(self, within_s: float = READY_WITHIN_S) -> None:
        """Return when every process is ready and Redis is a master with two replicas in all Sentinels' eyes.

        Raises AssertionError naming what is not.
        """
        await self.links.know_all(self.redis.pids)  # those that were started again have new ones
        await self._until(self._redis_well, "Redis to be well", within_s)
        for name in self._services:
            await self._until(lambda name=name: self.ready(name), f"{name} to be ready", within_s)

    async def _redis_well(self) -> bool:
        return await self.redis._all_settled()

    @staticmethod
    async def _until(condition: Callable[[], Any], awaited: str, within_s: float) -> None:
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            try:
                if await condition():
                    return
                why = ""
            except Exception as error:  # noqa: BLE001 - a server that is just starting says anything
                why = f" ({error})"
            assert asyncio.get_running_loop().time() < deadline, f"waited {within_s:.0f} s for {awaited}{why}"
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        """End all services."""
        for child in self._children.values():
            child.thaw()
        await asyncio.gather(*(child.end(ENDS_WITHIN_S) for child in self._running()))

    def kill(self) -> None:
        """End all services at once."""
        for child in self._running():
            child.kill()

    def _running(self) -> list[Child]:
        return [child for child in self._children.values() if child.alive]


@asynccontextmanager
async def play(
    folder: Path,
    without: str = "",
    settings: Mapping[str, str] = MappingProxyType({}),
    services: Mapping[str, str] = MappingProxyType(SERVICES),
) -> AsyncIterator[Stage]:
    """A stage with everything running; all of it ends with the block. settings: instead of the campaign's;
    services: which processes there are, by name, and what each runs.
    """
    for part in ("logs", "arm", "history", "redis"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as opened:
        links = await opened.enter_async_context(Links())
        redis = await opened.enter_async_context(redis_behind(links, folder / "redis"))
        length = int(SETTINGS["CONTINUO_JOURNAL_LENGTH"])
        bus = await opened.enter_async_context(open_bus(redis, journal_length=length))
        stage = Stage(folder, links, redis, bus, without, settings, services)
        try:
            await stage.open_doors()
            for name in services:
                await stage.begin(name)
            await stage.well()
            yield stage
        finally:
            await links.heal()
            for name in redis.names:
                redis.thaw(name)
            stage.kill()


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CONTINUO_")}
