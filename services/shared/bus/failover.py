"""Whether the Sentinels are moving the master just now: while they are, no write is acknowledged.

Told by the watch over the Sentinels, asked by `scripts`. In a planned failover the chosen replica stops
following, and for some hundred milliseconds the old master still has its other replica to confirm writes that
both then throw away: WAIT alone says yes to them. The Sentinels announce a failover at least one of their
ticks (50 ms) before they order the promotion. Must never hold back for longer than `HOLD_S`: a word that got
lost must not stop the house.
"""

import asyncio

HOLD_S = 5.0
"""Longer than the Sentinels take from their announcement to the new master (1 to 3 s)."""


class Failover:
    """What the Sentinels said last.

    begun: counts announcements and moves, so that one is noticed also after its end.
    """

    def __init__(self) -> None:
        self.begun = 0
        self._over = asyncio.Event()
        self._over.set()

    def begin(self) -> None:
        """A Sentinel announced that it will move the master."""
        self.begun += 1
        self._over.clear()

    def end(self) -> None:
        """The master moved, or it was called off."""
        self._over.set()

    async def over(self) -> None:
        """Wait while a failover is under way, at most `HOLD_S` for each announcement."""
        try:
            async with asyncio.timeout(HOLD_S):
                await self._over.wait()
        except TimeoutError:
            self._over.set()
