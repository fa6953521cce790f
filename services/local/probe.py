"""One HTTP GET to a process on this machine: is it ready, is it alive.

Called by the supervisor. Must never raise for what a process that is just starting, ending or frozen does.
"""

import asyncio

_ANSWER_WITHIN_S = 1.0


async def status_of(port: int, path: str, host: str = "127.0.0.1") -> int | None:
    """The HTTP status of a GET; None when nobody answered within a second."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            return await _get(host, port, path)
    except (OSError, TimeoutError, ValueError, IndexError):
        return None


async def _get(host: str, port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        status_line = await reader.readline()
        return int(status_line.split()[1])
    finally:
        writer.close()
