"""Shows what was read only once a replica holds it: what a client has seen no failover may take back.

Called by deeds.py, inbound.py and by the modules of calls; keeps no state.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.connection.inbound_ports import Dated
from services.shared.model.errors import NotReplicated

WITHIN_S = 3.5
"""How long a reading may wait until it is replicated: a command is answered within 4 s."""
AGAIN_S = 0.02
"""Pause before reading again: Redis is just moving to another master."""

Read = TypeVar("Read", bound=Dated)


class Shown:
    """Gives out what was read once it is replicated."""

    def __init__(self, replicated: Callable[[], Awaitable[str]] | None, within_s: float = WITHIN_S) -> None:
        """replicated: waits until all that was read so far is held by a replica, and names the replication
        id; None (acks=master): what is read is shown at once.
        """
        self._replicated = replicated
        self._within_s = within_s

    async def confirmed(self, read: Callable[[], Awaitable[Read]]) -> Read:
        """Read, and give it out only once a replica holds it; read again when the master changed meanwhile.
        Raises NotReplicated.
        """
        if self._replicated is None:
            return await read()
        try:
            async with asyncio.timeout(self._within_s):
                while True:
                    seen = await read()
                    if await self._replicated() == seen.replid:
                        return seen
                    await asyncio.sleep(AGAIN_S)
        except TimeoutError as late:
            raise NotReplicated("no replica confirmed in time what was read") from late
