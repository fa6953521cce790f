"""The amortised replication tick of a process: one tiny write and WAIT at a time, for everybody who waits.

Called by outbound.py. Runs only while something is held or somebody waits. Ticks are numbered as they begin,
so that who came while one was under way waits for the next: only a tick that began later proves anything.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from services.shared.model.errors import Temporary

AGAIN_S = 0.1
"""Pause after a tick that was not confirmed: Redis is failing over, or has no replica."""


class Confirmer(Protocol):
    """What is needed of the bus."""

    async def tick(self) -> str:
        """Write, wait for a replica; return the replication id it was confirmed under. Raises Temporary."""
        ...


class Ticker:
    """`begun`: number of the last tick begun. `failing`: whether the last one was not confirmed.

    `confirmed` is called for every confirmed tick, in order.
    """

    def __init__(self, confirmer: Confirmer, confirmed: Callable[[int, str], None]) -> None:
        self.begun = 0
        self.failing = False
        self._confirmer = confirmer
        self._confirmed = confirmed
        self._wanted = asyncio.Event()
        self._waiting: deque[tuple[int, asyncio.Future[str]]] = deque()

    def want(self) -> None:
        """Something was taken in hand that only a later tick can let go."""
        self._wanted.set()

    async def replicated(self) -> str:
        """Wait until all that was read or heard so far is replicated; return the replication id it is
        under.
        """
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.begun, future))
        self._wanted.set()
        return await future

    async def run(self) -> None:
        """Tick while it is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._tick()

    async def _tick(self) -> None:
        self.begun += 1
        number = self.begun
        try:
            replid = await self._confirmer.tick()
        except Temporary:
            self.failing = True
            self._waiting = deque(each for each in self._waiting if not each[1].done())  # who gave up
            await asyncio.sleep(AGAIN_S)
            self._wanted.set()
            return
        self.failing = False
        self._confirmed(number, replid)
        while self._waiting and self._waiting[0][0] < number:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_result(replid)
        if self._waiting:
            self._wanted.set()
