"""The listening socket's end waits for WebSockets, and for nobody else."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from services.connection import server as module
from services.connection.server import Address, Server
from services.shared.runtime.lifecycle import Tasks
from tests.support.waiting import eventually


@pytest.mark.parametrize("said", [b"", b"GET /livez HTTP/1.1\r\n"])
async def test_a_connection_that_asks_for_nothing_is_not_waited_for(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As balancers keep them, to see whether a port is open; by its own time it would stay for an hour."""
    monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 3600.0)
    door: Any = SimpleNamespace(origins=None, message_bytes=1000, high_water=1000)
    tasks = Tasks()
    server = await Server.open(door, [], Address("127.0.0.1", 0), head_within_s=3600.0, tasks=tasks)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(said)
    await eventually(lambda: server._server.server_state.connections)
    await asyncio.wait_for(server.emptied(), 10)
    await asyncio.wait_for(server.close(), 10)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    await tasks.close()
