"""A road to a server on which its replies can be lost while what is said still arrives."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class MuteRoad:
    """A TCP relay to a port on this machine; `async with` opens and closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.mute = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """End every connection, as a network does."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _joined(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [to_client, to_server]
        with contextlib.suppress(OSError):
            await asyncio.gather(self._carry(client, to_server), self._carry(server, to_client, replies=True))

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, replies: bool = False
    ) -> None:
        while data := await source.read(65536):
            if not (replies and self.mute):
                sink.write(data)
        sink.close()
