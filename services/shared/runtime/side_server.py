"""A small HTTP server beside a service's real work: health and metrics, and what else speaks HTTP.

Used by every service's `app.py`, and by the connection service for its admin port and the API of back ends;
what devices connect to is a server of its own.
Signals stay with the lifecycle: uvicorn's own handling would end the process before the work is handed
over.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.listening import CannotListenError

GRACE_S = 1
"""What a request in flight gets at the end."""


class _Server(uvicorn.Server):
    """uvicorn without its hands on the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class SideServer:
    """Serves pages; open with `SideServer.open`, which returns when the port accepts connections."""

    def __init__(self, server: uvicorn.Server, serving: asyncio.Task[None], port: int) -> None:
        self._server = server
        self._serving = serving
        self.port = port
        """The port bound, also when 0 was asked for."""

    @classmethod
    async def open(
        cls,
        served: list[BaseRoute] | ASGIApp,
        *,
        host: str,
        port: int,
        tasks: Tasks,
        http: type[asyncio.Protocol] | None = None,
        grace_s: int = GRACE_S,
    ) -> SideServer:
        """Bind and serve. Raises OSError naming the address if the port is taken.

        served: pages by their routes, or what serves all there is. http: the class that reads requests, where
        uvicorn's own is too patient. grace_s: what requests in flight get at the end.
        """
        bound = _bind(host, port)
        config = uvicorn.Config(
            Starlette(routes=served) if isinstance(served, list) else served,
            http=http or "auto",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=grace_s,
        )
        server = _Server(config)
        serving = tasks.start("side server", server.serve(sockets=[bound]))
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has a flag, no event
            await asyncio.sleep(0.005)
        return cls(server, serving, bound.getsockname()[1])

    async def close(self) -> None:
        """End; requests in flight are finished first. A second time does nothing."""
        self._server.should_exit = True
        await asyncio.wait({self._serving})


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as fault:
        bound.close()
        raise CannotListenError(host, port, fault) from fault
    bound.setblocking(False)
    return bound
