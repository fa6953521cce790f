"""What `make rollout` rests on: HAProxy's endpoints change without cutting anybody; it never tries twice."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.local.servers import free_ports
from tests.rollout.haproxy import Balancer
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow
HOUSE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def haproxy() -> None:
    subprocess.run([HOUSE / ".ci" / "haproxy"], check=True, timeout=300)


@pytest.fixture
async def balancer(haproxy: None, tmp_path: Path) -> AsyncIterator[Balancer]:
    [port] = free_ports(1)
    made = Balancer(tmp_path, port)
    await made.start()
    yield made
    made.end()


@asynccontextmanager
async def server(name: str) -> AsyncIterator[str]:
    """Answers every line with its name; its address."""

    here: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.add(writer)
        while await reader.readline():
            writer.write(f"{name}\n".encode())
        writer.close()
        await writer.wait_closed()
        here.discard(writer)

    serving = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with serving:
        yield f"127.0.0.1:{serving.sockets[0].getsockname()[1]}"
    await eventually(lambda: not here)


class Client:
    """One connection through the balancer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def asks(self) -> str:
        """Who answers; "" when the connection is cut."""
        try:
            self._writer.write(b"who\n")
            return (await self._reader.readline()).decode().strip()
        except ConnectionError:
            return ""


@asynccontextmanager
async def client(balancer: Balancer) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def answers(balancer: Balancer, times: int) -> set[str]:
    """Who answers so many new connections."""
    found = set()
    for _ in range(times):
        async with client(balancer) as fresh:
            found.add(await fresh.asks())
    return found


async def test_an_endpoint_taken_out_keeps_its_connections_and_gets_no_new_ones(balancer: Balancer) -> None:
    async with server("one") as one, server("two") as two:
        await balancer.set({"one": one})
        async with client(balancer) as old:
            assert await old.asks() == "one"
            await balancer.set({"two": two})
            assert await answers(balancer, 10) == {"two"}
            assert await old.asks() == "one"


async def test_an_endpoint_that_comes_back_is_used_again(balancer: Balancer) -> None:
    async with server("one") as one:
        await balancer.set({"one": one})
        await balancer.set({})
        assert await answers(balancer, 3) == {""}
        await balancer.set({"one": one})
        assert await answers(balancer, 3) == {"one"}


async def test_a_refused_connection_is_not_tried_elsewhere(balancer: Balancer) -> None:
    [nobody] = free_ports(1)
    async with server("one") as one:
        await balancer.set({"one": one, "nobody": f"127.0.0.1:{nobody}"})
        assert await answers(balancer, 40) == {"one", ""}
