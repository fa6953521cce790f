"""The whole house for end-to-end tests: Redis with Sentinels and every service, each its own process."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import jwt

from services.local.embedded import EmbeddedRedis
from services.local.probe import status_of
from services.local.servers import free_ports
from services.local.supervisor import Service, Supervisor
from tests.support.waiting import eventually

SECRET = "a secret of the tests, long enough for HS256"
GRACE_S = 1.0
CONNECTIONS = ("connection-1", "connection-2")


class WholeHouse:
    """Two connection processes, a worker, presence, Redis. Its own loop only starts and stops them.

    settings: further ones of all services; alone: of one each. door: the module of the connection processes.
    workers: how many.
    """

    def __init__(
        self,
        folder: Path,
        *,
        door: str = "services.connection",
        workers: int = 1,
        alone: Mapping[str, Mapping[str, str]] | None = None,
        **settings: str,
    ) -> None:
        self._alone = alone or {}
        self._modules = dict.fromkeys(CONNECTIONS, door)
        self._workers = ["conversation", *(f"conversation-{number}" for number in range(2, workers + 1))]
        self._folder = folder
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._redis = EmbeddedRedis(folder / "redis")
        self._services: Supervisor | None = None
        self._ports: dict[str, int] = {}

    def start(self) -> None:
        self._loop.run_until_complete(self._start())

    def stop(self) -> None:
        async def end() -> None:
            if self._services:
                await self._services.stop()
            await self._redis.stop()

        self._loop.run_until_complete(end())
        self._loop.close()

    async def _start(self) -> None:
        await self._redis.start()
        names = (*CONNECTIONS, *self._workers, "presence")
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        services = [
            Service(
                name,
                self._modules.get(name, f"services.{name.partition('-')[0]}"),
                port,
                self._alone.get(name, {}),
            )
            for name, port in self._ports.items()
        ]
        common = {
            "CONTINUO_REDIS_SENTINELS": self._redis.sentinels,
            "CONTINUO_TOKEN_HMAC_SECRET": SECRET,
            "CONTINUO_GRACE_S": str(GRACE_S),
            "CONTINUO_TOKEN_MS": "5",
            **self._settings,
        }
        logs = self._folder / "logs"
        logs.mkdir()
        self._services = Supervisor([services], logs, common, print)
        await self._services.start()

    @property
    def redis(self) -> EmbeddedRedis:
        return self._redis

    async def replace_redis(self, prepare: Callable[[Path], object] | None = None) -> None:
        """Another group in the place of this one: the same addresses and name, and nothing in it, but what
        `prepare` puts into its folder.
        """
        ports = tuple(self._redis.ports.values())
        await self._redis.stop()
        folder = self._folder / "another redis"
        if prepare:
            prepare(folder)
        self._redis = EmbeddedRedis(folder, ports)
        await self._redis.start()

    async def stop_services(self) -> None:
        """End every process but Redis, in order."""
        assert self._services
        await self._services.stop()

    async def start_services(self) -> None:
        """Start them again; returns when all are ready."""
        assert self._services
        await self._services.start()

    @property
    def pids(self) -> dict[str, int]:
        """The services that live, with their process ids."""
        assert self._services
        children = {name: self._services.child(name) for name in self._ports}
        return {name: child.pid for name, child in children.items() if child.alive}

    def port(self, name: str) -> int:
        return self._ports[name]

    def address(self, server: int = 0) -> str:
        """Where devices connect to the first or the second connection process."""
        return f"ws://127.0.0.1:{self._ports[CONNECTIONS[server]]}/connection/websocket"

    def page(self, name: str, path: str) -> str:
        """The address of a page of one process."""
        return f"http://127.0.0.1:{self._ports[name]}{path}"

    def token(self, user: str, *, ttl_s: float = 600, secret: str = SECRET, **claims: object) -> str:
        """A connection token, or with `channel=...` a subscription token."""
        now = time.time()
        return jwt.encode({"sub": user, "iat": now, "exp": now + ttl_s, **claims}, secret, algorithm="HS256")

    def kill(self, name: str) -> None:
        """SIGKILL, at once."""
        assert self._services
        self._services.child(name).kill()

    async def restart(self, name: str) -> None:
        """Start a process that ended again, on its old port; returns when it is ready."""
        assert self._services
        child = self._services.child(name)
        child.start()

        async def ready() -> bool:
            assert child.alive, child.last_words()
            return await status_of(self._ports[name], "/readyz") == 200

        await eventually(ready, within_s=30)

    def logs_of(self, name: str) -> str:
        """All a process has logged."""
        return (self._folder / "logs" / f"{name}.log").read_text(errors="replace")
