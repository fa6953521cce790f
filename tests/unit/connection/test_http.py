"""The HTTP side of the door: nobody keeps it waiting, and what stands behind a body is no header."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from services.connection import http
from services.connection.server import Address, Server
from services.shared.runtime.lifecycle import Tasks
from tests.support.waiting import eventually

WITHIN_S = 0.2
SOON_S = 10
LARGE = b"x" * 64_000_000
"""More than the buffers of two sockets hold."""


async def headers(request: Request) -> JSONResponse:
    """Which headers came, once the body is whole."""
    await request.body()
    return JSONResponse([[name, value] for name, value in request.headers.items() if name != "host"])


async def slow(_: Request) -> JSONResponse:
    """Answers when the time for a request is long over."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(3 * WITHIN_S, over.set)
    await over.wait()
    return JSONResponse([])


async def large(_: Request) -> Response:
    return Response(LARGE)


ROUTES: list[BaseRoute] = [
    Route("/headers", headers, methods=["GET", "POST"]),
    Route("/slow", slow),
    Route("/large", large),
]


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Server]:
    door: Any = SimpleNamespace(origins=None, message_bytes=1000, high_water=1000)
    tasks = Tasks()
    server = await Server.open(door, ROUTES, Address("127.0.0.1", 0), head_within_s=WITHIN_S, tasks=tasks)
    yield server
    await asyncio.wait_for(server.close(), SOON_S)
    await tasks.close()


async def answered(reader: asyncio.StreamReader) -> bytes:
    """One answer's body."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the server cuts, which it must."""
    try:
        return await asyncio.wait_for(reader.read(), SOON_S)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /headers HT"],
        [b"\r\n"],
        [b"GET /headers HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n"],
        [b"GET /headers HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", b"x"],
        [b"POST /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"],
    ],
)
@pytest.mark.parametrize("known", [False, True])
async def test_a_request_that_is_never_whole_is_cut_also_when_it_is_not_the_first(
    pieces: Sequence[bytes], *, known: bool
) -> None:
    async with served() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        if known:
            writer.write(b"GET /headers HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await answered(reader) == b"[]"
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        await rest(reader)
        writer.close()


async def test_what_is_whole_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_WITHIN_S", WITHIN_S)
    async with served() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(2):
            writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await answered(reader) == b"[]"
        writer.close()


async def test_who_does_not_read_its_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_WITHIN_S", WITHIN_S)
    async with served() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await eventually(lambda: not server._server.server_state.connections)
        assert len(await rest(reader)) < len(LARGE)
        writer.close()


async def test_a_trailer_is_no_header() -> None:
    """Whoever lets requests pass by their headers, a proxy say, has not seen it."""
    async with served() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = b"POST /headers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"2\r\n{}\r\n0\r\nAuthorization: Bearer b\r\nX-Continuo-User: ann\r\n\r\n")
        assert await answered(reader) == b'[["transfer-encoding","chunked"]]'
        writer.close()
