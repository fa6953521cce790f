"""uvicorn's HTTP side with bounds on what a client may do before its request is whole.

Used by server.py. uvicorn itself waits for ever for a request that never comes, and takes headers of any
size.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 16 * 1024
"""Most bytes of address and headers: ten times what browsers send with a few cookies."""


class HurriedHttp(HttpToolsProtocol):
    """Cuts a connection whose request head is not complete in time, or too large.

    head_within_s: from the opening of the socket.
    """

    head_within_s: ClassVar[float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """A socket opened."""
        super().connection_made(transport)
        self._hurry = self.loop.call_later(self.head_within_s, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._relax()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Another request begins."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request, or the upgrade to a WebSocket, is whole."""
        self._relax()
        super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            self.transport.abort()

    def _relax(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None


def http_within(seconds: float) -> type[HurriedHttp]:
    """Return the class for servers that give a client this long for its request head."""

    class Bound(HurriedHttp):
        head_within_s = seconds

    return Bound
