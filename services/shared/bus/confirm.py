"""Proof that what a process heard or read is held by a replica too.

Called by connection pods: they show to devices what they heard or read only once a tick that began later is
confirmed under the same replication id. Replication is one ordered stream, so a replica that holds the tick
holds everything written before it.
"""

from services.shared.bus import keys
from services.shared.bus.floor import Floor
from services.shared.model.errors import Temporary

TICK_TTL_S = 3600


class Confirmer:
    """One process's tick."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._key = keys.tick(floor.process)

    async def tick(self) -> str:
        """Write and wait; return the replication id under which a replica confirmed.

        With acks=master it returns the master's replication id without waiting. Raises NotReplicated or
        BusUnavailable: nothing is confirmed, and what waits for it must wait for the next one.
        """
        metrics, clock = self._floor.metrics, self._floor.clock
        began = clock.monotonic()
        try:
            replid = await self._floor.scripts.acknowledged("tick", [self._key], [TICK_TTL_S])
        except Temporary:
            metrics.ticks_failed.inc()
            raise
        metrics.tick_seconds.observe(clock.monotonic() - began)
        return str(replid.decode())
