"""A connection process of its own and raw devices that note every line, for tests that look at the wire."""

import asyncio
import contextlib
import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
import websockets

from services.local.embedded import EmbeddedRedis
from services.local.probe import status_of
from services.local.processes import Child
from services.local.servers import free_ports
from services.local.supervisor import Service, Supervisor

SECRET = "a secret of the tests, long enough for HS256"
PATH = "/connection/websocket"


class Door:
    """A connection process on a given Redis; `async with` starts and ends it."""

    MODULE = "services.connection"

    def __init__(
        self, redis: EmbeddedRedis, folder: Path, *, own_pages: bool = False, **settings: str
    ) -> None:
        """own_pages: its pages have a port of their own, `pages`."""
        self.port, self.pages = free_ports(2)
        if own_pages:
            settings |= {"CONTINUO_PORT": str(self.port), "CONTINUO_PAGES_PORT": str(self.pages)}
        else:
            self.pages = self.port
        common = {
            "CONTINUO_REDIS_SENTINELS": redis.sentinels,
            "CONTINUO_TOKEN_HMAC_SECRET": SECRET,
            "CONTINUO_DRAIN_S": "2",
        }
        self._folder = folder
        service = Service("door", self.MODULE, self.pages, settings)
        self._supervisor = Supervisor([[service]], folder, common, print)

    async def __aenter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        await self._supervisor.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._supervisor.stop()

    @property
    def child(self) -> Child:
        return self._supervisor.child("door")

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"

    def log(self) -> str:
        return (self._folder / "door.log").read_text(errors="replace")

    async def status(self, page: str) -> int | None:
        return await status_of(self.pages, page)

    async def metric(self, line: str) -> bool:
        """Whether the metrics page has this line now."""
        return line in (await page_of(self.pages, "/metrics")).splitlines()

    async def checks(self) -> dict[str, Any]:
        """What the health page says of each check."""
        found: dict[str, Any] = json.loads(await page_of(self.pages, "/health"))["checks"]
        return found

    def token(self, user: str) -> str:
        return jwt.encode({"sub": user, "exp": time.time() + 600}, SECRET, algorithm="HS256")

    async def open(self, **more: Any) -> "Device":
        """A socket that has said nothing yet."""
        return Device(await websockets.connect(self.address, proxy=None, **more))

    async def arrive(self, user: str, **more: Any) -> "Device":
        """A connected device of this user."""
        device = await self.open(**more)
        reply = await device.ask(connect={"token": self.token(user)})
        device.user_position = reply["connect"]["subs"][f"#{user}"]
        return device


class Device:
    """A socket, the lines that came and those that are still to be looked at."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection
        self.pushes: list[dict[str, Any]] = []
        self.user_position: dict[str, Any] = {}
        self._lines: list[dict[str, Any]] = []
        self._last_id = 0

    async def say(self, line: str | bytes) -> None:
        await self.connection.send(line)

    async def ask(self, **command: Any) -> dict[str, Any]:
        """Send one command; its reply. Pushes before it are noted."""
        number = await self.begin(**command)
        while (line := await self.line()).get("id") != number:
            pass
        return line

    async def begin(self, **command: Any) -> int:
        """Send one command; its id."""
        self._last_id += 1
        await self.say(json.dumps({"id": self._last_id, **command}))
        return self._last_id

    async def line(self) -> dict[str, Any]:
        """The next line; raises ConnectionClosed at the end."""
        while not self._lines:
            self._lines = [json.loads(each) for each in str(await self.connection.recv()).splitlines()]
        line = self._lines.pop(0)
        if "push" in line:
            self.pushes.append(line["push"])
        return line

    async def events(self, channel: str, count: int) -> list[dict[str, Any]]:
        """The first `count` publications of a channel."""
        while (
            len(
                found := [each["pub"] for each in self.pushes if each["channel"] == channel and "pub" in each]
            )
            < count
        ):
            await self.line()
        return found[:count]

    async def closed(self) -> tuple[int, str]:
        """Read to the end; code and reason of the server's close frame."""
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await self.line()
        protocol = self.connection.protocol
        assert protocol.close_rcvd is not None, "the connection was cut without a close frame"
        return protocol.close_rcvd.code, protocol.close_rcvd.reason


async def page_of(port: int, path: str) -> str:
    """A page of a process on this machine, whatever its status."""

    def get() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as answer:
            return answer.read().decode()

    return await asyncio.to_thread(get)


def narrow_socket(port: int) -> socket.socket:
    """A socket that takes little before its reader reads."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", port))
    return narrow
