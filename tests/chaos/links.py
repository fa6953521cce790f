"""Links that can be harmed: a proxy before each Redis and Sentinel, told by a campaign what to do to whom.

`async with Links() as links` starts the proxy's process. Names are globs: `links.cut("redis-2", "redis-1")`
harms what redis-2 dialled to redis-1, in both directions of the bytes, on connections that exist and on new
ones. Who dialled is known for processes introduced by `know`, also when they are introduced afterwards; all
others are "?", which "*" matches too. A connection made to a cut server is accepted and stays silent.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from services.local.embedded import EmbeddedRedis
from services.local.lastmaster import DATA_SERVERS, SENTINELS
from services.local.servers import REDIS_PORTS, free_ports

HOUSE = Path(__file__).parents[2]


class Links:
    """The proxy's process and the rules it holds; belongs to the loop it was started in."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.chaos.links_process",
            cwd=HOUSE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stand(self, name: str, port: int) -> int:
        """Stand before a server; the port that leads to it through here."""
        return int(await self._ask("stand", name=name, port=port))

    async def know(self, name: str, pid: int) -> None:
        """This process is called `name`: to be said again when it was started again."""
        await self._ask("know", name=name, pid=pid)

    async def know_all(self, pids: dict[str, int]) -> None:
        for name, pid in pids.items():
            await self.know(name, pid)

    async def delay(self, source: str, destination: str, ms: float) -> int:
        """Bytes take `ms` longer, each way. The rule's number, for `heal`; so with all of these."""
        return await self._rule("delay", source, destination, delay_ms=ms)

    async def slow(self, source: str, destination: str, bytes_per_s: float) -> int:
        """So many bytes a second pass, each way."""
        return await self._rule("slow", source, destination, bytes_per_s=bytes_per_s)

    async def cut(self, source: str, destination: str, *, resets: bool = False) -> int:
        """Silence, with the connections left open. On healing the bytes held flow on, or with `resets` the
        connections end.
        """
        return await self._rule("cut", source, destination, resets=resets)

    async def reset(self, source: str, destination: str) -> int:
        """Connections end at once, and new ones as soon as they are made."""
        return await self._rule("reset", source, destination)

    async def isolate(self, name: str, *, resets: bool = False) -> list[int]:
        """Cut one server from everybody: who dials it, and whom it dials."""
        return [await self.cut("*", name, resets=resets), await self.cut(name, "*", resets=resets)]

    async def heal(self, *numbers: int) -> None:
        """End these rules; without numbers all of them."""
        await self._ask("heal", numbers=list(numbers))

    async def table(self) -> list[dict[str, Any]]:
        """Every open connection: source, destination, bytes carried, bytes held."""
        return list(await self._ask("table"))

    async def _rule(self, kind: str, source: str, destination: str, **more: Any) -> int:
        return int(await self._ask("add", kind=kind, source=source, destination=destination, **more))

    async def _ask(self, word: str, **arguments: Any) -> Any:
        assert self._process is not None, "`async with` starts the proxy"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(json.dumps({"word": word, "arguments": arguments}).encode() + b"\n")
            await self._process.stdin.drain()
            line = await self._process.stdout.readline()
        answer = json.loads(line or b'{"error": "the proxy has ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]


@asynccontextmanager
async def redis_behind(links: Links, folder: Path) -> AsyncIterator[EmbeddedRedis]:
    """A group whose servers, and all who ask its Sentinels, meet through these links."""
    names = DATA_SERVERS + SENTINELS
    ports = free_ports(len(names), REDIS_PORTS)
    announced = [await links.stand(name, port) for name, port in zip(names, ports, strict=True)]
    async with EmbeddedRedis(folder, ports, announced=announced) as redis:
        await links.know_all(redis.pids)
        yield redis
