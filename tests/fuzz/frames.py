"""A life of one socket: the WebSocket handshake, then frames good, broken and cut anywhere.

They go into a real gateway, device and session. Nothing may be raised; what is written back must be a legal
WebSocket stream of the server.
"""

import asyncio
import logging
from random import Random
from typing import Any, cast

from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER
from websockets.protocol import Protocol as Frames

from services.connection.core.admission import Limits
from services.connection.core.effects import Question
from services.connection.core.events import Failed
from services.connection.core.session import Session
from services.connection.device import Device, Wire
from services.connection.gateway import FRAGMENTS, Gateway
from services.shared.model.ids import ConnectionId
from services.shared.wire.codes import INTERNAL, Disconnect
from tests.support.fake_wire import FakeHouse

UPGRADE = (
    b"GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_TEXTS = (
    b"{}",
    b'{"id":1,"connect":{"token":"a.b.c"}}',
    b'{"id":2,"rpc":{"method":"conversation.list","data":{}}}\n{"id":3,"ping":{}}',
    b"\xff\xfe",
    b"[" * 5000,
    b"",
)
_WRITTEN_LIMIT = 4 << 20
quiet = logging.getLogger("quiet")
quiet.addHandler(logging.NullHandler())
quiet.propagate = False
CODES = {1002, 1007, 1009, *(each.code for each in Disconnect)}


class Transport:
    """Takes what is written; pauses its protocol now and then, as a slow peer makes a real one do."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.ended = False

    def write(self, data: bytes) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True


class Door(FakeHouse):
    """Lets everybody in; answers every question with error 100."""

    origins = None
    message_bytes = 65536

    def closed_because(self) -> str | None:
        return None

    def welcome(self, wire: Wire) -> Device:
        session = Session(ConnectionId("c"), Limits(), version="fuzz", now=1000.0, jitter=0.5)
        return Device(cast(Any, self), wire, ConnectionId("c"), session)

    def ask(self, device: Device, question: Question) -> None:
        device.feed(Failed(question.ref, INTERNAL))


def _text(rng: Random) -> bytes:
    return Frame(Opcode.TEXT, rng.choice(_TEXTS), rng.random() < 0.7).serialize(mask=True)


def _part(rng: Random) -> bytes:
    data = rng.choice(_TEXTS)[: rng.randrange(20)]
    part = Frame(Opcode.CONT, data, rng.random() < 0.3).serialize(mask=True)
    return part * rng.choice([1, 1, 3, FRAGMENTS + 1])


def _control(rng: Random) -> bytes:
    opcode = rng.choice([Opcode.PING, Opcode.PONG])
    return Frame(opcode, b"x" * rng.randrange(126)).serialize(mask=True) * rng.choice([1, 50])


def _goodbye(rng: Random) -> bytes:
    return Frame(Opcode.CLOSE, rng.choice([b"", b"\x03\xe8", b"\x00", b"\x0b\xb9bye"])).serialize(mask=True)


def _illegal(rng: Random) -> bytes:
    bare = Frame(Opcode.TEXT, rng.choice(_TEXTS)).serialize(mask=False)
    binary = Frame(Opcode.BINARY, rng.choice(_TEXTS)).serialize(mask=True)
    return rng.choice([bare, binary, rng.randbytes(rng.randrange(1, 40))])


def _frame(rng: Random) -> bytes:
    [make] = rng.choices([_text, _part, _control, _goodbye, _illegal], weights=[7, 5, 4, 1, 3])
    return make(rng)


def _spoilt(data: bytes, rng: Random, times: int) -> bytes:
    spoilt = bytearray(data)
    for _ in range(times if spoilt else 0):
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
    return bytes(spoilt)


def _pieces(rng: Random) -> list[bytes]:
    """The request and what follows, mostly in two pieces and the request intact: most lives get in."""
    request = _spoilt(UPGRADE, rng, rng.choice([0] * 9 + [2]))
    frames = b"".join(_frame(rng) for _ in range(rng.randrange(12)))
    frames = _spoilt(frames, rng, rng.choice([0, 0, 0, 1, 5]))
    return [request, frames] if rng.random() < 0.9 else [request + frames]


def _feed(gateway: Gateway, data: bytes, rng: Random) -> None:
    while data:
        size = rng.choice([1, 7, 100, 5000, 65536])
        gateway.data_received(data[:size])
        data = data[size:]
        if rng.random() < 0.1:
            gateway.pause_writing()
        if rng.random() < 0.2:
            gateway.resume_writing()


def _goodbye_in(frames: bytes) -> set[int]:
    """The code of the client's own goodbye, if its stream has one: the server says it back."""
    reader = Frames(SERVER, max_size=None, logger=quiet)
    reader.receive_data(frames)
    return {reader.close_rcvd.code} if reader.close_rcvd is not None else set()


def check_written(written: bytes, said_back: set[int]) -> None:
    """What the server wrote behind its handshake is a legal stream.

    It ends with a code of the tables, or with one of `said_back`.
    """
    assert len(written) < _WRITTEN_LIMIT, f"{len(written)} bytes were written"
    head, _, rest = written.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        return
    reader = Frames(CLIENT, max_size=None, logger=quiet)
    reader.receive_data(rest)
    assert reader.parser_exc is None, f"the server's frames are broken: {reader.parser_exc}"
    if reader.close_rcvd is not None:
        assert reader.close_rcvd.code in CODES | said_back, reader.close_rcvd


async def live(seed: int) -> None:
    """One life; raises what is wrong."""
    rng, transport = Random(seed), Transport()
    gateway = Gateway(cast(Any, Door()), ServerState())
    gateway.connection_made(cast(Any, transport))
    pieces = _pieces(rng)
    for piece in pieces:
        _feed(gateway, piece, rng)
    gateway.connection_lost(None)
    check_written(bytes(transport.written), _goodbye_in(pieces[-1] if pieces[1:] else b""))


def live_once(seed: int) -> None:
    """`live` in a loop of its own."""
    asyncio.run(live(seed))
