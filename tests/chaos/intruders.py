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

from tests.support.door import narrow_socket

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

SLOWPOKE = "slowpoke"
"""A user who is a member of every conversation and never reads."""
UNREAD_S = 12.0
GONE = (websockets.WebSocketException, OSError, TimeoutError)


async def slow(address: str, dice: random.Random) -> None:
    """Connect as a member, ask for long pages of history again and again, and read nothing."""
    port = address.removeprefix("ws://").partition("/")[0].partition(":")[2]
    with contextlib.suppress(*GONE), narrow_socket(int(port)) as narrow:
        narrow.setblocking(False)
        connecting = websockets.connect(address, proxy=None, sock=narrow, max_queue=1, close_timeout=1)
        async with connecting as socket, asyncio.timeout(UNREAD_S):
            await _connect(socket, SLOWPOKE)
            conversations = await _conversations(socket)
            for number in range(3, 2000):
                arguments = {"conversation": dice.choice(conversations), "limit": 200}
                asked = {"method": "conversation.history", "data": arguments}
                await socket.send(json.dumps({"id": number, "rpc": asked}))
                await asyncio.sleep(0.005)


async def mute(address: str, dice: random.Random) -> None:
    """Connect and never answer a ping: the server has to end it."""
    del dice
    with contextlib.suppress(*GONE):
        async with websockets.connect(address, proxy=None, close_timeout=1) as socket, asyncio.timeout(9.0):
            await _connect(socket, "intruder")
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
                    await _connect(socket, "intruder")
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


async def _connect(socket: websockets.ClientConnection, user: str) -> None:
    from tests.chaos.stage import SECRET  # noqa: PLC0415 - the stage's faults need this module

    token = jwt.encode({"sub": user, "exp": time.time() + 60}, SECRET, algorithm="HS256")
    await socket.send(json.dumps({"id": 1, "connect": {"token": token}}))
    await socket.recv()


async def _conversations(socket: websockets.ClientConnection) -> list[str]:
    """What the user is a member of."""
    await socket.send(json.dumps({"id": 2, "rpc": {"method": "conversation.list", "data": {}}}))
    while True:
        for line in str(await socket.recv()).splitlines():
            reply = json.loads(line)
            if reply.get("id") == 2:
                return [one["id"] for one in reply["rpc"]["data"]["conversations"]]


ENDED_BY = {
    "slow": "continuo_slow_closes_total",
    "mute": 'continuo_disconnects_total{code="3012"}',
    "hostile": 'continuo_disconnects_total{code="3501"}',
}
"""By kind: the metric of the process that ended it, which shows that it was ended for what it did."""
INTRUDERS: dict[str, Callable[[str, random.Random], Awaitable[None]]] = {
    "slow": slow,
    "mute": mute,
    "hostile": hostile,
}
