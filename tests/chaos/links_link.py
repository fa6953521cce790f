"""One connection through the proxy: its two sockets, and the bytes on their way between them.

Made by the proxy for each connection accepted. Unharmed it writes what it reads at once and stops reading one
side while the other is full. Harmed, it keeps what it read in order, each piece with the time it came, so
that a rule that comes, changes or goes holds for what is under way too. A cut stops the reading: as in a
parted network, nobody learns what the other side did meanwhile, not even that it closed.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import cast

from tests.chaos.links_rules import NONE, Harm

HELD_BYTES = 4 * 1024 * 1024
"""As much is held in each direction before the sender is no longer read."""
_SLICES_PER_S = 20.0
_ESTABLISHED = 1


class End(asyncio.Protocol):
    """One socket of a link, and what is on its way to it."""

    def __init__(self, link: "Link") -> None:
        self._link = link
        self._transport: asyncio.Transport | None = None
        self._coming: deque[tuple[float, bytes]] = deque()
        self._coming_bytes = 0
        self._full = False
        self._timer: asyncio.TimerHandle | None = None
        self._free_at = 0.0
        self.peer: End = self

    # -- what asyncio calls ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.pause_reading()
        self._link.opened(self)

    def data_received(self, data: bytes) -> None:
        self.peer.take(data)

    def eof_received(self) -> bool:
        self.peer.take(b"")
        return True

    def pause_writing(self) -> None:
        self._full = True
        self.peer.read_on()

    def resume_writing(self) -> None:
        self._full = False
        self.peer.read_on()
        self.flow()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._coming.clear()
        self._coming_bytes = 0
        self._link.over()

    # -- what the link calls ---------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    @property
    def ports(self) -> tuple[int, int]:
        """The other side's port and ours; (0, 0) when the other side is gone already."""
        assert self._transport is not None
        peer = self._transport.get_extra_info("peername")
        return (peer[1], self._transport.get_extra_info("sockname")[1]) if peer else (0, 0)

    @property
    def held(self) -> int:
        """Bytes on their way to this end."""
        return self._coming_bytes

    def has_left(self) -> bool:
        """Whether the process behind has closed, also when that was not read yet."""
        if self._transport is None:
            return True
        sock = self._transport.get_extra_info("socket")
        (state,) = struct.unpack("B", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))
        return bool(state != _ESTABLISHED)

    def take(self, data: bytes) -> None:
        """Bytes for this end; none at all mean that no more will come."""
        if self._link.harm is NONE and not self._coming and self._transport is not None:
            self._write(data)
            return
        self._coming.append((asyncio.get_running_loop().time(), data))
        self._coming_bytes += len(data)
        self.flow()
        self.peer.read_on()

    def flow(self) -> None:
        """Pass on what is due, and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop, harm = asyncio.get_running_loop(), self._link.harm
        if harm.cut:
            return
        while self._coming and not self._full and self._transport is not None:
            came, data = self._coming[0]
            due = max(came + harm.delay_s, self._free_at if harm.bytes_per_s else 0.0)
            if due > loop.time():
                self._timer = loop.call_at(due, self._on_time)
                return
            self._pass_on(data, harm.bytes_per_s)

    def read_on(self) -> None:
        """Read from this end while the other takes it."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._link.flows and not self.peer._full and self.peer.held < HELD_BYTES:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def abort(self) -> None:
        """Close with a reset, whatever is under way."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def close(self) -> None:
        """Close behind the last byte written; what is held still is lost."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def _on_time(self) -> None:
        self.flow()
        self.peer.read_on()

    def _pass_on(self, data: bytes, bytes_per_s: float) -> None:
        came, _ = self._coming.popleft()
        if bytes_per_s and data:
            size = max(1, int(bytes_per_s / _SLICES_PER_S))
            data, rest = data[:size], data[size:]
            if rest:
                self._coming.appendleft((came, rest))
            now = asyncio.get_running_loop().time()
            self._free_at = max(now, self._free_at) + len(data) / bytes_per_s
        self._coming_bytes -= len(data)
        self._write(data)

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        if data:
            self._link.carried += len(data)
            self._transport.write(data)
        elif self._transport.can_write_eof():
            self._transport.write_eof()
            self._link.ended()


class Link:
    """Dialler and server, each with its end. source: the dialler's name, empty until it was asked for."""

    def __init__(
        self,
        destination: str,
        accepted: Callable[["Link"], None],
        dial: Callable[["Link"], None],
        gone: Callable[["Link"], None],
    ) -> None:
        self.destination = destination
        self._accepted = accepted
        self.source = ""
        self.harm: Harm = NONE
        self.carried = 0
        self.dialler, self.server = End(self), End(self)
        self.dialler.peer, self.server.peer = self.server, self.dialler
        self._dial = dial
        self._gone = gone
        self._dialled = False
        self._ends_done = 0

    @property
    def flows(self) -> bool:
        """Both ends are there, and nothing cuts them."""
        return not self.harm.cut and self.dialler.is_open and self.server.is_open

    @property
    def held(self) -> int:
        return self.dialler.held + self.server.held

    def opened(self, end: End) -> None:
        """An end is there; with the server's, bytes may flow."""
        if end is self.dialler:
            self._accepted(self)
        elif not self.dialler.is_open:
            self.abort()
        else:
            self._both(End.flow)
            self._both(End.read_on)

    def suffer(self, harm: Harm) -> None:
        """Live with this from now on."""
        was, self.harm = self.harm, harm
        if harm.refuses or (was.cut and was.resets and not harm.cut):
            self.abort()
            return
        if not harm.cut and not self._dialled:
            # Somebody who gave up while the network was parted never reached the server.
            if was.cut and self.dialler.has_left():
                self.abort()
                return
            self._dialled = True
            self._dial(self)
        self._both(End.flow)
        self._both(End.read_on)

    def ended(self) -> None:
        """One end has its last byte; when both have, close."""
        self._ends_done += 1
        if self._ends_done == 2:
            self._both(End.close)

    def abort(self) -> None:
        self._both(End.abort)
        self._gone(self)

    def over(self) -> None:
        """A socket is gone, and the other goes with it, behind what was handed to it already."""
        self._both(End.close)
        self._gone(self)

    def _both(self, act: Callable[[End], None]) -> None:
        act(self.dialler)
        act(self.server)
