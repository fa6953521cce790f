"""The way of one process to Redis, with an ear that can be stopped: its TCP connections stay open, commands
are answered, and of what is published nothing comes through.

A relay before each Sentinel names relays before the data servers in place of these; those notice which of
their connections subscribe. Everything runs on the test's loop.
"""

import asyncio
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from services.local.embedded import EmbeddedRedis
from services.local.lastmaster import DATA_SERVERS, SENTINELS
from services.local.servers import LOOPBACK, REDIS_PORTS, free_ports

CHUNK = 65_536


class DeafLink:
    """Relays for one process; `async with` opens and closes them. deaf: nothing published comes through."""

    def __init__(self, redis: EmbeddedRedis) -> None:
        self._redis = redis
        self._ports = dict(zip(redis.names, free_ports(len(redis.names), REDIS_PORTS), strict=True))
        self._servers: list[asyncio.Server] = []
        self._pumps: set[asyncio.Task[None]] = set()
        self._hears = asyncio.Event()
        self._hears.set()

    @property
    def sentinels(self) -> str:
        """What the process is given as CONTINUO_REDIS_SENTINELS."""
        return ",".join(f"{LOOPBACK}:{self._ports[name]}" for name in SENTINELS)

    def deafen(self) -> None:
        """From now on no subscriber hears anything, on connections of today and of later."""
        self._hears.clear()

    def heal(self) -> None:
        """Let through what was kept back, and all that comes."""
        self._hears.set()

    async def __aenter__(self) -> Self:
        for name, port in self._ports.items():
            self._servers.append(await asyncio.start_server(partial(self._relay, name), LOOPBACK, port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _relay(self, name: str, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        subscribes = asyncio.Event()
        with suppress(OSError, asyncio.CancelledError):
            far, into = await asyncio.open_connection(*self._redis.address(name))
            asking = asyncio.create_task(self._ask(near, into, subscribes))
            try:
                await self._answer(name, far, out, subscribes)
            finally:
                asking.cancel()
                into.close()
        out.close()
        self._pumps.discard(task)

    async def _ask(
        self, near: asyncio.StreamReader, into: asyncio.StreamWriter, subscribes: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while said := await near.read(CHUNK):
                if b"\r\nSUBSCRIBE\r\n" in said:
                    subscribes.set()
                into.write(said)
                await into.drain()
        into.close()

    async def _answer(
        self, name: str, far: asyncio.StreamReader, out: asyncio.StreamWriter, subscribes: asyncio.Event
    ) -> None:
        while said := await far.read(CHUNK):
            if name in SENTINELS:
                said = self._in_our_names(said)
            elif subscribes.is_set():
                await self._hears.wait()
            out.write(said)
            await out.drain()

    def _in_our_names(self, said: bytes) -> bytes:
        """A Sentinel's word with our ports for those of the data servers: all have five digits."""
        for name in DATA_SERVERS:
            said = said.replace(
                b"$5\r\n%d\r\n" % self._redis.ports[name], b"$5\r\n%d\r\n" % self._ports[name]
            )
        return said
