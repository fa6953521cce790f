"""Notices that Redis lost everything: flushed, or replaced by an empty one under the same name.

Watched by every service, whose `app.py` says what it sets up again. The first process on an empty Redis
writes an id there; whoever finds another one than it knew stands before another life. Must never decide by a
failure to read: a Redis that does not answer lost nothing.
"""

import asyncio
import secrets
from collections.abc import Callable

from services.shared.bus import keys
from services.shared.bus.floor import Floor
from services.shared.model.errors import Temporary
from services.shared.runtime.health import Finding
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

LOOK_S = 1.0
SHOWN_S = 60.0
"""For so long /health tells of it: longer than anybody waits between two looks."""

log = get_logger(__name__)


class Birth:
    """The life of Redis that this process knows. emptied: how often it found another one."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._known = ""
        self._emptied_at = 0.0
        self._callbacks: list[Callable[[], None]] = []
        self.emptied = 0

    def on_emptied(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever Redis turns out to have lost everything; it must not block."""
        self._callbacks.append(callback)

    async def watch(self) -> None:
        """Look every second, until cancelled."""
        away = Trouble(log, "redis away", "redis back")
        while True:
            try:
                await self.look()
            except Temporary as error:
                away.met(error=str(error))
            else:
                away.over()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Compare once. Raises Temporary."""
        fresh = secrets.token_hex(10)  # each time: the id of an earlier life must not come again
        found = (await self._floor.scripts.run("birth", [keys.BIRTH], [fresh, ""])).decode()
        if self._known and found != self._known:
            self._known = ""
            self._tell()
        if not self._known and await self._replicated(found):
            self._known = found

    async def _replicated(self, found: str) -> bool:
        """Whether a failover leaves this id: one it takes away would look like a loss. Raises Temporary."""
        kept = await self._floor.scripts.acknowledged("birth", [keys.BIRTH], [found, "1"])
        return kept is not None

    def finding(self) -> Finding:
        """For /health: whether all is as it was for the last minute."""
        if not self.emptied:
            return Finding.of(True, emptied=0)
        since_s = self._floor.clock.monotonic() - self._emptied_at
        return Finding.of(since_s > SHOWN_S, emptied=self.emptied, since_s=round(since_s, 1))

    def _tell(self) -> None:
        self.emptied += 1
        self._emptied_at = self._floor.clock.monotonic()
        self._floor.metrics.redis_emptied.inc()
        log.error("redis lost everything")
        for callback in self._callbacks:
            callback()
