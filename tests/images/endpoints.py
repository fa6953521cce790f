"""A Service on loopback: new connections go to an endpoint of now, old ones stay where they are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Endpoints:
    """Where new connections go; a test changes `ports` as the cluster would."""

    def __init__(self, *ports: int) -> None:
        self.ports = list(ports)
        self.port = 0
        self._turn = 0
        self._roads: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Endpoints"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for road in self._roads:
                road.cancel()
            await asyncio.gather(*self._roads, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        with contextlib.suppress(OSError):
            inner = await asyncio.open_connection("127.0.0.1", self.ports[self._turn % len(self.ports)])
            for source, sink in ((reader, inner[1]), (inner[0], writer)):
                road = asyncio.create_task(_carry(source, sink))
                self._roads.add(road)
                road.add_done_callback(self._roads.discard)
            return
        writer.close()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(65_536):
            sink.write(piece)
            await sink.drain()
    sink.close()
