"""Opens the port of back ends, where there is a file of keys. Called by app.py.

The process's readiness says nothing of it: it is served for as long as the process lives.
"""

import contextlib
from collections.abc import Awaitable
from pathlib import Path

from services.connection.api.answering import Answering, Bounds
from services.connection.api.keys import Keys
from services.connection.api.operations import Table
from services.connection.api.requests import BODY_WITHIN_S
from services.connection.api.telling import Telling
from services.connection.bearer import UnreadableError
from services.connection.http import http_within
from services.connection.settings import ConnectionSettings
from services.shared.runtime.lifecycle import Lifecycle
from services.shared.runtime.logging import get_logger
from services.shared.runtime.side_server import SideServer

GRACE_S = 5
"""What requests that are under way get at the end: each is done within 4 s."""
BODY_AT_END_S = 1.0
"""What bodies get then that are not whole yet."""

MORE_S = 5.0
"""Between the answer that a body was not whole in time and the end of who sends on."""

log = get_logger(__name__)


class Api:
    """The port while it is open."""

    def __init__(self, server: SideServer, answering: Answering) -> None:
        self._server = server
        self._answering = answering
        self.port = server.port

    @classmethod
    async def open(cls, server: Awaitable[SideServer], answering: Answering) -> "Api":
        return cls(await server, answering)

    async def close(self) -> None:
        """Finish what is under way, within `GRACE_S`. A second time does nothing."""
        self._answering.hurry(BODY_AT_END_S)
        await self._server.close()


async def open_api(
    settings: ConnectionSettings, life: Lifecycle, operations: Table, telling: Telling
) -> Api | None:
    """Serve these operations; None where no file of keys is named. Raises OSError naming the address if it
    cannot be had.
    """
    if not settings.api_keys_file:
        return None
    keys = _keys(settings, life)
    limits = settings.limits()
    bounds = Bounds(limits.message_bytes, settings.api_requests, limits.answer_s)
    answering = Answering(operations, keys, bounds, telling, lambda: life.health.draining)
    host = settings.api_host or settings.host
    server = SideServer.open(
        answering,
        host=host,
        port=settings.api_port,
        tasks=life.tasks,
        http=http_within(settings.stale_s, BODY_WITHIN_S + MORE_S),
        grace_s=GRACE_S,
    )
    api = await life.open("api", Api.open(server, answering), Api.close)
    log.info("api listening", host=host, port=api.port)
    return api


def _keys(settings: ConnectionSettings, life: Lifecycle) -> Keys:
    """The keys, read once, so that what is wrong with the file is told at the start."""
    keys = Keys(Path(settings.api_keys_file))
    life.health.report("api keys", keys.finding)
    with contextlib.suppress(UnreadableError):  # told already; a file that comes later is read then
        keys.read()
    return keys
