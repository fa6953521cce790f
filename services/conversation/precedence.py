"""The order of work in one worker: a turn that has not said anything yet goes before those that stream.

Made by intake. All turns share one processor. Were they served round and round, each answer would begin when
nearly all the work is done; so a few at a time are brought to their first words, in the order in which they
came, and those that stream already wait for them between two tokens: their pieces become larger, and nothing
of them is lost. Must never hold anybody up for long: a start that takes its time, and a model that is waited
for, make room, and who has given way for a while goes on whoever starts.
"""

import asyncio
from collections.abc import Callable

AT_ONCE = 8
"""Starts under way together: while some wait for Redis, others have the processor."""
START_S = 0.5
"""After so long a start holds up nobody any more; all that is before a graph's first node is short."""
ELSEWHERE_S = 0.05
"""The same once a node runs, a model or a tool was called: the work is elsewhere, or comes at once."""
GIVES_WAY_S = 1.0
"""For so long a turn gives way, all in all."""


class Start:
    """One turn's way from its claim to its first words. `leave` it; once more changes nothing."""

    def __init__(self, precedence: "Precedence") -> None:
        self._precedence = precedence
        self._gave_s = 0.0
        self._left = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(START_S, self._leave)

    def elsewhere(self) -> None:
        """A node runs, or a model or a tool was called; from any thread."""
        if not self._left:
            self._on_loop(self._leave_soon)

    def leave(self) -> None:
        """It has begun to speak, or there is nothing to say; from any thread."""
        if not self._left:
            self._on_loop(self._leave)

    @property
    def over(self) -> bool:
        """Whether it was left."""
        return self._left

    @property
    def waits(self) -> bool:
        """Whether others go first now."""
        return self._left and self._precedence.starting > 0 and self._gave_s < GIVES_WAY_S

    async def give_way(self) -> None:
        """Wait until nobody starts, for as long as this turn still has to."""
        if not self.waits or _running_loop() is not self._loop:
            return
        since = self._loop.time()
        try:
            async with asyncio.timeout(GIVES_WAY_S - self._gave_s):
                await self._precedence.clear.wait()
        except TimeoutError:
            pass
        finally:
            self._gave_s += self._loop.time() - since

    def _on_loop(self, act: Callable[[], None]) -> None:
        if _running_loop() is self._loop:
            act()
        else:
            self._loop.call_soon_threadsafe(act)

    def _leave_soon(self) -> None:
        if not self._left:
            self._timer.cancel()
            self._timer = self._loop.call_later(ELSEWHERE_S, self._leave)

    def _leave(self) -> None:
        if not self._left:
            self._left = True
            self._timer.cancel()
            self._precedence.left()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Precedence:
    """One worker's. starting: turns that start, or wait to. clear: nobody does."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)
        self.starting = 0
        self.clear = asyncio.Event()
        self.clear.set()

    async def start(self) -> Start:
        """Wait for this turn's start to come up."""
        self.starting += 1
        self.clear.clear()
        try:
            await self._room.acquire()
        except BaseException:
            self._over()
            raise
        return Start(self)

    def left(self) -> None:
        """A start is over."""
        self._room.release()
        self._over()

    def _over(self) -> None:
        self.starting -= 1
        if not self.starting:
            self.clear.set()
