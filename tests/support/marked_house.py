"""Every service as a process that logs at debug and traces all, with marked secrets: all it says is gathered.

`async with MarkedHouse(folder) as house:`, then `await house.outputs()`: logs, traces, pages, audit export.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import redis.asyncio
import websockets

from services.local.embedded import EmbeddedRedis
from services.local.servers import free_ports
from services.local.supervisor import Service, Supervisor
from tests.support.door import PATH, Device, page_of
from tests.support.marking_graphs import MARKED
from tests.support.marks import SEED, Marks
from tests.support.model_server import ModelServer
from tests.support.open_bus import fresh_id
from tests.support.otlp_receiver import OtlpReceiver

PAGES = ("/livez", "/readyz", "/health", "/metrics", "/status", "/elsewhere")
APP = "app"
"""The user of Redis that the services log in as, with a marked password."""


class MarkedHouse:
    """Redis, presence, a worker with the marking graph, a connection process with an admin port."""

    def __init__(
        self, folder: Path, *, worker: str = "services.conversation", door: str = "services.connection"
    ) -> None:
        """worker, door: the modules to run; those of the controls have protections taken out."""
        self.folder = folder
        self.marks = Marks(fresh_id())
        for what in MARKED:
            self.marks.of(what)
        self.redis = EmbeddedRedis(folder / "redis")
        self.model = ModelServer()
        self.receiver = OtlpReceiver()
        self.ports = dict(
            zip(("presence", "conversation", "connection", "admin"), free_ports(4), strict=True)
        )
        self._worker, self._door = worker, door
        self._open = AsyncExitStack()
        self._supervisor: Supervisor | None = None

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self.redis)
        await self._open.enter_async_context(self.model)
        self._open.enter_context(self.receiver)
        await self.set_password()
        tokens = self.folder / "tokens"
        tokens.write_text(self.marks.of("token of the admin port") + "\n")
        admin = {
            "CONTINUO_ADMIN_PORT": str(self.ports["admin"]),
            "CONTINUO_ADMIN_TOKEN_FILE": str(tokens),
            "CONTINUO_PING_S": "3600",  # these devices do not answer pings
        }
        graphs = {"CONTINUO_GRAPHS": "assistant=tests.support.marking_graphs:build"}
        services = [
            Service("presence", "services.presence", self.ports["presence"]),
            Service("conversation", self._worker, self.ports["conversation"], graphs),
            Service("connection", self._door, self.ports["connection"], admin),
        ]
        logs = self.folder / "logs"
        logs.mkdir()
        self._supervisor = Supervisor([services], logs, self.environ(), print)
        await self._supervisor.start()
        self._open.push_async_callback(self._supervisor.stop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def environ(self) -> dict[str, str]:
        """What every process here is told."""
        return {
            SEED: self.marks.seed,
            "PYTHONWARNINGS": "always",
            "CONTINUO_REDIS_SENTINELS": self.redis.sentinels,
            "CONTINUO_REDIS_USERNAME": APP,
            "CONTINUO_REDIS_PASSWORD": self.marks.of("password of redis"),
            "CONTINUO_TOKEN_HMAC_SECRET": self.secret,
            "CONTINUO_LOG_LEVEL": "debug",
            "CONTINUO_DRAIN_S": "1",
            "OPENAI_BASE_URL": self.model.base_url,
            "OPENAI_API_KEY": self.marks.of("key of the model"),
            **self.receiver.environ("http/protobuf", ratio=1.0),
        }

    @property
    def secret(self) -> str:
        """What tokens are signed with, long enough for HS256."""
        return self.marks.of("secret of tokens") * 3

    async def set_password(self) -> None:
        """On all data servers: each may be master."""
        word = f">{self.marks.of('password of redis')}"
        for port in list(self.redis.ports.values())[:3]:
            async with redis.asyncio.Redis(port=port) as client:
                await client.execute_command("ACL", "SETUSER", APP, "on", word, "~*", "&*", "+@all")

    async def stop_services(self) -> None:
        """End the processes in order; what they log and tell at their end is gathered too."""
        assert self._supervisor
        await self._supervisor.stop()

    async def open(self, query: str = "", **more: object) -> Device:
        """A socket that has said nothing yet."""
        address = f"ws://127.0.0.1:{self.ports['connection']}{PATH}{query}"
        device = Device(await websockets.connect(address, proxy=None, **more))  # type: ignore[arg-type]
        self._open.push_async_callback(device.connection.close)
        return device

    async def pages(self) -> dict[str, str]:
        """Every page of every port."""
        return {
            f"page {name}{path}": await page_of(port, path)
            for name, port in self.ports.items()
            for path in PAGES
        }

    async def outputs(self) -> Mapping[str, str]:
        """All that was written so far, by where."""
        logs = {
            f"log {file.relative_to(self.folder)}": file.read_text(errors="replace")
            for file in self.folder.rglob("*.log")
        }
        return {**logs, "traces": "\n".join(self.receiver.raw), "audit": await self._audit()}

    async def _audit(self) -> str:
        environ = {**os.environ, **self.environ()}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.local", "audit"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environ,
        )
        told, _ = await process.communicate()
        return told.decode()

    async def kept(self) -> str:
        """All texts that Redis keeps: here, and nowhere else, marks may stand."""
        async with redis.asyncio.Redis(port=self.redis.ports[self.redis.master]) as client:
            found = [await client.execute_command("DUMP", key) for key in await client.keys("*")]
            streams = list(await client.keys("*journal*"))
            read = [await client.xrange(key) for key in streams if await client.type(key) == b"stream"]
        return repr(found) + repr(read)
