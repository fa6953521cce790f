"""What bounds requests: places, so many, and the next is told to come again; and times that grow shorter when
the process goes. Used by answering.py and requests.py.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType

from services.connection.api.problems import ProblemError
from services.shared.wire import codes


class Places:
    """As a context: one of them, taken until its end. Raises ProblemError where none is free."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.taken = 0

    def __enter__(self) -> None:
        if self.taken >= self._count:
            raise ProblemError(codes.INTERNAL, f"{self.taken} requests are under way here; no more fit")
        self.taken += 1

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.taken -= 1


class Patience:
    """How long is waited for those who ask, until `lose` is called."""

    def __init__(self) -> None:
        self._waits: set[asyncio.Timeout] = set()
        self._most = float("inf")

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """As a context: its end, so much later. Raises TimeoutError."""
        async with asyncio.timeout(min(seconds, self._most)) as wait:
            self._waits.add(wait)
            try:
                yield
            finally:
                self._waits.discard(wait)

    def lose(self, seconds: float) -> None:
        """From now on nobody is waited for longer than this, those who are already among them."""
        self._most = seconds
        at = asyncio.get_running_loop().time() + seconds
        for wait in self._waits:
            if (when := wait.when()) is not None and when > at:
                wait.reschedule(at)
