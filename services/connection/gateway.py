"""The WebSocket side of a connection: handshake, frames in, control frames, close handshake. Nothing above
it.

Made by uvicorn for every upgrade request (its `ws` setting); what a message means is device.py's. The only
module that knows the websockets library: its sans-I/O protocol judges the handshake and parses what clients
send. What the server sends is framed once, elsewhere, and goes straight to the transport: no ASGI, no task
and no queue per socket. No compression: it would cost tens of KiB for each connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol, cast
from urllib.parse import parse_qs

from uvicorn.server import ServerState
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import SERVER, State
from websockets.protocol import Protocol as Frames
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from services.connection.core.events import Dismissed, FrameReceived
from services.connection.device import Device, Wire
from services.shared.wire.codes import Disconnect

PATH = "/connection/websocket"
JSON_SUBPROTOCOL = Subprotocol("centrifuge-json")
FRAGMENTS = 1024
"""Parts one message may come in. The library bounds their bytes, but parts can be empty."""
CLOSE_TIMEOUT_S = 5.0
"""How long the peer may take for its half of the close handshake."""
_REASON_BYTES = 123

quiet = logging.getLogger("continuo.websockets")
"""The library's logger: what hostile clients do must not fill the logs, only faults of its own may."""
quiet.setLevel(logging.ERROR)


class Door(Protocol):
    """What decides who gets in; app.py provides one for the process.

    origins: acceptable Origin headers, None among them for clients that send none; None = all.
    message_bytes: largest message taken. high_water: unsent bytes above which a transport counts as full.
    """

    origins: Sequence[str | None] | None
    message_bytes: int
    high_water: int

    def closed_because(self) -> str | None:
        """Why nobody is let in just now (draining, full), or None."""
        ...

    def welcome(self, wire: Wire) -> Device:
        """A WebSocket opened: make its device."""
        ...


class Gateway(asyncio.Protocol):
    """One socket. `uvicorn` calls the constructor, `connection_made` and `data_received` with the request."""

    __slots__ = ("_connections", "_device", "_door", "_frames", "_message", "_pong", "_timer", "_transport")

    def __init__(self, door: Door, server_state: ServerState) -> None:
        self._door = door
        self._connections: set[Any] = server_state.connections
        self._transport: asyncio.Transport | None = None
        self._device: Device | None = None
        self._frames: Frames = ServerProtocol(
            origins=cast(Sequence[Origin | None] | None, door.origins),
            select_subprotocol=_select_subprotocol,
            max_size=door.message_bytes,
            logger=quiet,
        )
        self._message: list[bytes] | None = None
        self._pong: bytes | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------ what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours now."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._transport.set_write_buffer_limits(high=self._door.high_water)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: the upgrade request first, then frames."""
        self._frames.receive_data(data)
        failed = self._frames.parser_exc
        for event in self._frames.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif self._device is not None and isinstance(event, Frame):
                self._take(event, self._device)
        self._send_out()
        if failed is not None:
            self._end_malformed(failed)

    def eof_received(self) -> None:
        """The peer ended its stream; the transport closes itself."""

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        if self._device is not None:
            self._device.pause()

    def resume_writing(self) -> None:
        """The transport's buffer has room again."""
        if self._pong is not None:
            pong, self._pong = self._pong, None
            if self._frames.state is State.OPEN:  # nothing may follow a close frame
                self.write(pong)
        if self._device is not None:
            self._device.resume()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how it broke matters to nobody
        """The socket is gone."""
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._device is not None:
            self._device.lost()
        self._device = self._transport = self._timer = self._message = None

    def shutdown(self) -> None:
        """uvicorn's own end: the drain has been here before; whatever is left is cut."""
        if self._transport is not None:
            self._transport.close()

    # ---------------------------------------------------------------------------------- what the device calls

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        if self._transport is not None:
            self._transport.write(data)

    def unsent(self) -> int:
        """Bytes the transport still holds."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def peer(self) -> str:
        """The address the socket comes from; empty once it is gone."""
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(peer[0]) if isinstance(peer, tuple) else ""

    def close(self, code: int, reason: str) -> None:
        """Say why it ends, and cut the connection if the peer does not answer in time."""
        if self._transport is None or self._frames.state is not State.OPEN:
            return
        self._frames.send_close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore"))
        self._send_out()
        self._device = self._message = None
        self._cut_later()

    # ------------------------------------------------------------------------------------------ the handshake

    def _shake_hands(self, request: Request) -> None:
        """Let the client in, or answer why not."""
        handshake, transport = self._frames, self._transport
        assert isinstance(handshake, ServerProtocol)
        if transport is None:
            return
        if handshake.parser_exc is not None or handshake.eof_sent:  # it went on, unanswered, and ended it all
            transport.abort()
            return
        path, _, query = request.path.partition("?")
        if path != PATH:
            response = handshake.reject(404, "There is no WebSocket here.\n")
        elif "protobuf" in parse_qs(query).get("cf_protocol", []):
            response = handshake.reject(400, "This server speaks JSON only.\n")
        elif why := self._door.closed_because():
            response = handshake.reject(503, f"{why}\n")
        else:
            response = handshake.accept(request)
        handshake.send_response(response)
        self._send_out()
        if handshake.state is State.OPEN:
            # A fresh parser: the one that shook hands keeps the request and its headers for ever.
            self._frames = Frames(SERVER, max_size=self._door.message_bytes, logger=quiet)
            self._device = self._door.welcome(self)
            # The hub writes through this: one call less for every frame.
            self._device.write = transport.write

    # ------------------------------------------------------------------------------------------ frames coming

    def _take(self, frame: Frame, device: Device) -> None:
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            self._collect(frame, device)
        elif frame.opcode is Opcode.CLOSE:
            self._device = self._message = None
            device.lost()

    def _collect(self, frame: Frame, device: Device) -> None:
        """Put a message together; the library bounds its size and checks the order of its parts."""
        if frame.opcode is Opcode.BINARY:
            device.feed(FrameReceived(b"", binary=True))
        elif self._message is None and frame.fin:
            device.feed(FrameReceived(bytes(frame.data)))
        else:
            self._collect_part(frame, device)

    def _collect_part(self, frame: Frame, device: Device) -> None:
        if self._message is None:
            self._message = []
        self._message.append(bytes(frame.data))
        if len(self._message) > FRAGMENTS:
            device.feed(Dismissed(Disconnect.BAD_REQUEST))
        elif frame.fin:
            data, self._message = b"".join(self._message), None
            device.feed(FrameReceived(data))

    def _end_malformed(self, failed: Exception) -> None:
        """The client broke the WebSocket protocol itself; the library has sent the close frame."""
        if self._device is not None:
            device, self._device = self._device, None
            self._message = None
            device.lost(Disconnect.TOO_BIG if isinstance(failed, PayloadTooBig) else Disconnect.BAD_REQUEST)
        self._cut_later()

    # -------------------------------------------------------------------------------------------------- going

    def _send_out(self) -> None:
        """Write what the library wants written; an empty piece is its word for the end of the stream."""
        pieces = self._frames.data_to_send()
        if not pieces or self._transport is None:
            return
        if self._frames.state is State.OPEN and self._device is not None and self._device.paused:
            # Answers to pings, for a peer that does not read: only the latest is owed (RFC 6455, 5.5.3).
            self._pong = pieces[-1]
            return
        if data := b"".join(pieces):
            self._transport.write(data)
        if pieces[-1] == b"":
            # Half-closed, not closed: with unread input the kernel would answer with a reset, and the peer
            # might never read the close frame.
            if self._transport.can_write_eof():
                self._transport.write_eof()
                self._cut_later()
            else:
                self._transport.close()

    def _cut_later(self) -> None:
        if self._timer is None and self._transport is not None:
            self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._cut)

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _select_subprotocol(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return JSON_SUBPROTOCOL if JSON_SUBPROTOCOL in offered else None


def gateway_for(door: Door) -> type[asyncio.Protocol]:
    """Return the class uvicorn makes a socket's protocol of: a Gateway that knows its door."""

    class Bound(Gateway):
        __slots__ = ()

        def __init__(self, config: object, server_state: ServerState, app_state: object) -> None:
            """Take what uvicorn passes by name; only the set of connections is of use here."""
            del config, app_state
            super().__init__(door, server_state)

    return Bound
