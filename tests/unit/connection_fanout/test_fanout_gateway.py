"""What a hostile peer may cost a socket: a bounded number of parts, one pong."""

import logging
from typing import Any, cast

import pytest
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER
from websockets.protocol import Protocol as Frames

from services.connection.core.events import Dismissed, Event, FrameReceived
from services.connection.gateway import FRAGMENTS, Gateway
from services.shared.wire.codes import Disconnect
from tests.fuzz import frames


class StuckTransport:
    """Takes everything and sends nothing."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def write(self, data: bytes) -> None:
        self.taken += data

    def set_write_buffer_limits(self, high: int) -> None:
        pass


class NotedDevice:
    def __init__(self) -> None:
        self.fed: list[Event] = []
        self.paused = False

    def feed(self, event: Event) -> None:
        self.fed.append(event)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class OpenDoor:
    origins = None
    message_bytes = 65536
    high_water = 65536


@pytest.fixture
def opened() -> tuple[Gateway, StuckTransport, NotedDevice]:
    gateway, transport, device = (
        Gateway(cast(Any, OpenDoor()), ServerState()),
        StuckTransport(),
        NotedDevice(),
    )
    gateway.connection_made(cast(Any, transport))
    gateway._frames = Frames(SERVER, max_size=OpenDoor.message_bytes, logger=logging.getLogger("test"))
    gateway._device = cast(Any, device)
    return gateway, transport, device


def _masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def test_a_message_in_parts_arrives_whole(opened: tuple[Gateway, StuckTransport, NotedDevice]) -> None:
    gateway, _, device = opened
    gateway.data_received(_masked(Opcode.TEXT, b"a", fin=False) + _masked(Opcode.CONT, b"", fin=False))
    gateway.data_received(_masked(Opcode.CONT, b"b") + _masked(Opcode.TEXT, b"c"))
    assert device.fed == [FrameReceived(b"ab"), FrameReceived(b"c")]


def test_endless_empty_parts_end_the_connection(opened: tuple[Gateway, StuckTransport, NotedDevice]) -> None:
    gateway, _, device = opened
    gateway.data_received(_masked(Opcode.TEXT, b"", fin=False))
    gateway.data_received(_masked(Opcode.CONT, b"", fin=False) * (FRAGMENTS - 1))
    assert device.fed == []
    gateway.data_received(_masked(Opcode.CONT, b"", fin=False))
    assert device.fed == [Dismissed(Disconnect.BAD_REQUEST)]


def test_who_pings_and_does_not_read_is_owed_one_pong(
    opened: tuple[Gateway, StuckTransport, NotedDevice],
) -> None:
    gateway, transport, _ = opened
    gateway.pause_writing()
    for number in range(1000):
        gateway.data_received(_masked(Opcode.PING, b"%d" % number))
    assert not transport.taken
    gateway.resume_writing()
    assert bytes(transport.taken) == Frame(Opcode.PONG, b"999").serialize(mask=False)


def test_no_pong_follows_a_close_frame(opened: tuple[Gateway, StuckTransport, NotedDevice]) -> None:
    gateway, transport, _ = opened
    gateway.pause_writing()
    gateway.data_received(_masked(Opcode.PING, b"x"))
    gateway._frames.send_close(3001, "shutdown")
    gateway.resume_writing()
    assert not transport.taken


def test_a_ping_is_answered_at_once_while_the_peer_reads(
    opened: tuple[Gateway, StuckTransport, NotedDevice],
) -> None:
    gateway, transport, _ = opened
    gateway.data_received(_masked(Opcode.PING, b"x"))
    assert bytes(transport.taken) == Frame(Opcode.PONG, b"x").serialize(mask=False)


@pytest.mark.parametrize(
    "behind",
    [
        Frame(Opcode.TEXT, b"{}").serialize(mask=False),
        Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True),
        Frame(Opcode.PING, b"x").serialize(mask=True) + b"\xff\xff\xff",
    ],
    ids=["unmasked", "goodbye", "garbage"],
)
@pytest.mark.parametrize("path", ["/connection/websocket", "/elsewhere"])
async def test_a_request_with_something_wrong_right_behind_it_is_ended_without_a_fault(
    path: str, behind: bytes
) -> None:
    """Found by fuzzing: the library had ended the stream already when the answer was to be written."""
    gateway, transport = Gateway(cast(Any, frames.Door()), ServerState()), frames.Transport()
    gateway.connection_made(cast(Any, transport))
    gateway.data_received(frames.UPGRADE.replace(b"/connection/websocket", path.encode()) + behind)
    assert transport.ended
