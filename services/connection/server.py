"""The process's one listening socket: WebSockets through gateway.py, health and metrics as HTTP beside them.

Opened by app.py. uvicorn without its hands on the signals: its own end would close every WebSocket with 1012
before the drain has said 3001.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from services.connection.gateway import CLOSE_TIMEOUT_S, Door, Gateway, gateway_for
from services.connection.http import http_within
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.listening import CannotListenError

BACKLOG = 4096
"""Connections the kernel holds while the loop is busy: a reconnect storm comes in thousands."""
HTTP_GRACE_S = 1
"""What a health or metrics request in flight gets at the end."""


class _Uvicorn(uvicorn.Server):
    """uvicorn that leaves the signals to the lifecycle."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0: any free one."""

    host: str
    port: int


class Server:
    """Serves until closed; open with `Server.open`, which returns when the port accepts connections."""

    def __init__(self, server: _Uvicorn, serving: asyncio.Task[None], port: int) -> None:
        self._server = server
        self._serving = serving
        self.port = port
        """The port bound, also when 0 was asked for."""

    @classmethod
    async def open(
        cls, door: Door, routes: list[BaseRoute], at: Address, *, head_within_s: float, tasks: Tasks
    ) -> Server:
        """Bind and serve. Raises OSError naming the address if it cannot be had.

        head_within_s: what a client gets for its request's head, and as long for a body, which no page wants.
        """
        bound = _bind(at)
        config = uvicorn.Config(
            Starlette(routes=routes),
            http=http_within(head_within_s, head_within_s),
            ws=gateway_for(door),
            log_config=None,
            access_log=False,
            lifespan="off",
            backlog=BACKLOG,
            server_header=False,
            timeout_graceful_shutdown=HTTP_GRACE_S,
        )
        server = _Uvicorn(config)
        serving = tasks.start("server", server.serve(sockets=[bound]))
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has a flag, no event
            await asyncio.sleep(0.005)
        return cls(server, serving, bound.getsockname()[1])

    async def emptied(self) -> None:
        """Wait until the drained WebSockets are gone: their close handshakes take at most
        `CLOSE_TIMEOUT_S`. Who asks for pages and keeps its connection is waited for by nobody.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S + 1):
                while self._sockets():  # noqa: ASYNC110 - a set, no event
                    await asyncio.sleep(0.01)

    def _sockets(self) -> bool:
        return any(isinstance(each, Gateway) for each in self._server.server_state.connections)

    async def close(self) -> None:
        """End; what is still connected is cut."""
        self._server.should_exit = True
        await asyncio.wait({self._serving})


def _bind(at: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    try:
        bound = socket.create_server((at.host, at.port), family=family, backlog=BACKLOG)
    except OSError as fault:
        raise CannotListenError(at.host, at.port, fault) from fault
    bound.setblocking(False)
    return bound
