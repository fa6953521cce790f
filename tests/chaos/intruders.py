"""Clients that behave badly: one that does not read, one that does not answer pings, and hostile ones.

Called by `faults`. Each bounds what it does and ends by itself; whatever the server does to it is right, as
long as nobody else notices.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Awaitable, Callable

import jwt
import websockets

BAD = (
    b"",
    b"\x00\xff",
    b"{",
    b"[]",
    b"null",
    b'{"id":1}',
    b'{"id":1,"connect":{"token":"x.y.z"}}',
    b'{"id":2,"subscribe":{"channel":"conversation:' + b"x" * 300 + b'"}}',
    b'{"id":3,"rpc":{"method":"conversation.send","data":{"conversation":7}}}',
    b'{"id":-1,"publish":{"channel":"#someone","data":1}}',
    b"\n" * 2000,
    b'{"id":1,"connect":{}}\n' * 50,
)
"""What no client sends."""

GONE = (websockets.WebSocketException, OSError, TimeoutError)


async def slow(address: str, dice: random.Random) -> None:
    """Connect, ask for much, and read nothing for some seconds."""
    with contextlib.suppress(*GONE):
        async with websockets.connect(address, proxy=None, max_queue=1, close_timeout=1) as socket:
            await _connect(socket)
            for number in range(2, 60):
                await socket.send(
                    json.dumps({"id": number, "rpc": {"method": "conversation.list", "data": {}}})
                )
            await asyncio.sleep(dice.uniform(1.0, 4.0))


async def mute(address: str, dice: random.Random) -> None:
    """Connect and never answer a ping: the server has to end it."""
    with contextlib.suppress(*GONE):
        async with websockets.connect(address, proxy=None, close_timeout=1) as socket, asyncio.timeout(6.0):
            await _connect(socket)
            while True:
                await socket.recv()


async def hostile(address: str, dice: random.Random) -> None:
    """Many that send what nobody sends, break off in the middle, or do not even shake hands."""
    for _ in range(20):
        with contextlib.suppress(*GONE):
            async with (
                websockets.connect(address, proxy=None, close_timeout=1) as socket,
                asyncio.timeout(2.0),
            ):
                if dice.random() < 0.5:
                    await _connect(socket)
                for _ in range(dice.randint(1, 5)):
                    await socket.send(dice.choice(BAD), text=dice.random() < 0.8)
                if dice.random() < 0.3:
                    socket.transport.abort()
                await socket.recv()
    host, port = address.removeprefix("ws://").partition("/")[0].split(":")
    with contextlib.suppress(OSError, TimeoutError):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /connection/websocket HTTP/1.1\r\nHost: " + b"x" * 100_000)
        async with asyncio.timeout(2.0):
            await reader.read()
        writer.close()


async def _connect(socket: websockets.ClientConnection) -> None:
    from tests.chaos.stage import SECRET  # noqa: PLC0415 - the stage's faults need this module

    token = jwt.encode({"sub": "intruder", "exp": time.time() + 60}, SECRET, algorithm="HS256")
    await socket.send(json.dumps({"id": 1, "connect": {"token": token}}))
    await socket.recv()


INTRUDERS: dict[str, Callable[[str, random.Random], Awaitable[None]]] = {
    "slow": slow,
    "mute": mute,
    "hostile": hostile,
}
