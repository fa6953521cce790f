"""uvicorn's HTTP side with bounds on how long a client may keep the server waiting, and on what it may say
before it is known.

Used by server.py and api/port.py. uvicorn itself waits for ever for a request that never comes, for the rest
of a body, and for who does not read its answer; it takes headers of any size, also from behind a body.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 16 * 1024
"""Most bytes of address and headers, trailers among them: ten times what browsers send with a few cookies."""
READ_WITHIN_S = 30.0
"""What a client gets to read what is too much for the buffers between."""


class HurriedHttp(HttpToolsProtocol):
    """Cuts a connection whose request is not whole in time, or too large in the head, or whose answer is not
    read.

    head_within_s: from the opening of the socket, or the first byte of a further request. body_within_s: from
    the end of the head.
    """

    head_within_s: ClassVar[float]
    body_within_s: ClassVar[float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._hurry: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """A socket opened."""
        super().connection_made(transport)
        self._within(self.head_within_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._relax()
        self._read_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes, of which the parser may make nothing: blank lines before a request, say."""
        if self._hurry is None:
            self._within(self.head_within_s)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Another request begins."""
        self._head_bytes, self._in_head = 0, True
        self._within(self.head_within_s)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; or a trailer, which is passed over: what stands behind a body is no header."""
        self._count(len(name) + len(value))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._within(self.body_within_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request, or the upgrade to a WebSocket, is whole."""
        self._relax()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is told."""
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(READ_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read."""
        self._read_on()
        super().resume_writing()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            self.transport.abort()

    def _within(self, seconds: float) -> None:
        self._relax()
        self._hurry = self.loop.call_later(seconds, self.transport.abort)

    def _relax(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    def _read_on(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def http_within(head_s: float, body_s: float) -> type[HurriedHttp]:
    """Return the class for servers that give a client this long for its request's head, and for its body."""

    class Bound(HurriedHttp):
        head_within_s = head_s
        body_within_s = body_s

    return Bound
