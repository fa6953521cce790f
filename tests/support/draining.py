"""A connection process with an admin port, and devices on it, for tests that empty it."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets

from services.local.embedded import EmbeddedRedis
from services.local.servers import free_ports
from tests.support.door import Device, Door

TOKEN = "admin-token-of-the-tests"
LONG = "30"
"""Seconds that no test waits for: what ends earlier did not end by its deadline."""


class Pod(Door):
    """A connection process with an admin port."""

    def __init__(
        self, redis: EmbeddedRedis, folder: Path, *, own_pages: bool = False, **settings: str
    ) -> None:
        (self.admin,) = free_ports(1)
        folder.mkdir(exist_ok=True)
        self.tokens = folder / "tokens"
        self.tokens.write_text(f"{TOKEN}\n")
        ours = {"CONTINUO_ADMIN_PORT": str(self.admin), "CONTINUO_ADMIN_TOKEN_FILE": str(self.tokens)}
        super().__init__(redis, folder, own_pages=own_pages, **{**ours, **settings})

    async def ask(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        """Ask the admin port; code and answer."""
        return await asyncio.to_thread(_ask, f"http://127.0.0.1:{self.admin}{path}", body)

    async def status_now(self) -> dict[str, Any]:
        return (await self.ask("/status"))[1]

    async def says(self, **wanted: Any) -> bool:
        """Whether the status has these values."""
        status = await self.status_now()
        return all(status[name] == value for name, value in wanted.items())

    async def refuses(self) -> bool:
        """Whether a handshake gets 503."""
        try:
            device = await self.open()
        except websockets.InvalidStatus as refused:
            return refused.response.status_code == 503
        await device.connection.close()
        return False

    async def exits_well(self) -> bool:
        return bool(await self.child.ended(20)) and self.child.exit_code == 0


def _ask(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@asynccontextmanager
async def pod(redis: EmbeddedRedis, folder: Path, **settings: str) -> AsyncIterator[Pod]:
    async with Pod(redis, folder, **settings) as opened:
        yield opened


async def arrived(door: Door, count: int) -> list[Device]:
    return [await door.arrive(f"user-{number}") for number in range(count)]


async def all_sent_away(devices: list[Device]) -> None:
    for device in devices:
        assert await device.closed() == (3001, "shutdown")
