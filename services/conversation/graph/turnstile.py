"""Lets heavy work through one piece at a time, with a turn of the event loop between two.

A loop carries out everything that is ready before it looks at timers and sockets again. When the replies of
many conversations come at once, each with a thread to serialise, all of them would be done in one go, and
whoever has a delta to send waits for that long. Called by the saver around what costs milliseconds. Must
never be held across an await: all conversations would wait for the reply to one.
"""

import asyncio
from types import TracebackType


class Turnstile:
    """`async with` passes it. First come, first served; free of cost while nobody else is there."""

    def __init__(self) -> None:
        self._passing = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._passing.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().call_soon(self._passing.release)
