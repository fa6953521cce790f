"""Who is master, and whether that was the campaign's doing.

Called by `campaign` around each fault. Sentinels that replace a master nothing was done to (the machine stood
still for as long as they wait, or the server has a fault) cost what only the master held: a violation that
follows should say so.
"""

import asyncio
from fnmatch import fnmatchcase

from services.local.embedded import EmbeddedRedis
from tests.chaos.journaling import Notes

MOVES_THE_MASTER = ("redis.master.*", "redis.failover.*")
"""Faults after which another master is what the Sentinels are for."""


class Mastery:
    """The master as last seen. notes: where each replacement is written that no fault asked for."""

    def __init__(self, redis: EmbeddedRedis, notes: Notes) -> None:
        self._redis = redis
        self._notes = notes
        self._seen = ""

    async def look(self, fault: str = "") -> None:
        """See who is master; fault: what was done since the last look, or nothing."""
        now = await asyncio.to_thread(lambda: self._redis.master)
        before, self._seen = self._seen, now
        asked_for = any(fnmatchcase(fault, pattern) for pattern in MOVES_THE_MASTER)
        if before not in ("", now) and not asked_for:
            self._notes.write("master.replaced", during=fault, master=before)
