"""A back end as it is: a key in the file of keys, and requests over a real socket."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from services.local.apikey import made
from services.local.embedded import EmbeddedRedis
from services.local.servers import free_ports
from tests.support.door import Door

USER_HEADER = "X-Continuo-User"
PROBLEM = "application/problem+json"


class KeysFile:
    """A file of keys, and what it has the process told."""

    def __init__(self, folder: Path, *names: str) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / "api keys"
        self.keys: dict[str, str] = {}
        self.path.write_text("# back ends\n\n")
        for name in names:
            self.add(name)
        self.port = free_ports(1)[0]

    def add(self, name: str) -> str:
        """Let one in; its key."""
        key, line = made(name)
        self.path.write_text(f"{self.path.read_text()}{line}  # {name}\n")
        self.keys[name] = key
        return key

    @property
    def settings(self) -> dict[str, str]:
        return {"CONTINUO_API_KEYS_FILE": str(self.path), "CONTINUO_API_PORT": str(self.port)}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"


class BackEnd:
    """One back end's connections to one server."""

    def __init__(self, address: str, key: str, user: str = "", name: str = "") -> None:
        """`user`: whom it acts as; empty: as itself. name: of its key."""
        self.address, self.key, self.name = address, key, name
        headers = {"Authorization": f"Bearer {key}"}
        if user:
            headers[USER_HEADER] = user
        self.client = httpx.AsyncClient(base_url=address, headers=headers, timeout=30, trust_env=False)

    def acting(self, user: str) -> "BackEnd":
        """The same, acting as a user."""
        return BackEnd(self.address, self.key, user, self.name)

    @property
    def service(self) -> str:
        """What it is called."""
        return f"service:{self.name}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def call(self, method: str, **arguments: Any) -> httpx.Response:
        """Do an RPC."""
        return await self.client.post(f"/{method.replace('.', '/')}", json=arguments)

    async def done(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Do an RPC that must succeed; its result."""
        answer = await self.call(method, **arguments)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def raw(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        """Post these bytes as they are."""
        kind = {"Content-Type": "application/json"}
        return await self.client.post(path, content=body, headers=kind | headers)


def problem(answer: httpx.Response) -> dict[str, Any]:
    """What a request was told that was not done, as it must look."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    told: dict[str, Any] = json.loads(answer.content)
    assert told["status"] == answer.status_code
    assert {"type", "title", "status", "detail", "code", "temporary"} <= set(told)
    assert (answer.headers.get("retry-after") is not None) == told["temporary"]
    return told


@contextmanager
def api_door(redis: EmbeddedRedis, folder: Path, keys: KeysFile, **settings: str) -> Iterator[Door]:
    """A connection process that serves the API, too, for tests each with a loop of its own."""
    loop = asyncio.new_event_loop()
    door = Door(redis, folder, **keys.settings, **settings)
    try:
        loop.run_until_complete(door.__aenter__())
        yield door
    finally:
        loop.run_until_complete(door.__aexit__(None, None, None))
        loop.close()
