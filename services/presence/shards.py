"""OwnShards: the part of the partitions this replica works for, held by leases that it renews each sweep.

Called by `sweep` before its work; the core decides what to take and what to give back. A replica that cannot
reach Redis works for nobody; one that was frozen works on what it held for one sweep at most, which the
scripts take with composure.
"""

from services.presence.core.shards import plan
from services.presence.settings import PresenceSettings
from services.shared.bus.shards import Shards
from services.shared.model.errors import Temporary
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics

TTL_MS = 4_000
"""Of a lease, and of a replica's beat; where sweeps are slow, three sweeps."""

log = get_logger(__name__)


class OwnShards:
    """What this replica holds."""

    def __init__(self, bus: Shards, replica: str, settings: PresenceSettings, metrics: Metrics) -> None:
        self._bus = bus
        self._replica = replica
        self._shards = settings.presence_shards
        self._partitions = settings.redis.partitions
        self._ttl_ms = max(TTL_MS, int(3_000 * settings.presence_sweep_s))
        self._metrics = metrics
        self.held: frozenset[int] = frozenset()
        """As of the last look."""

    async def look(self) -> frozenset[int]:
        """Renew, take, give back; the partitions to work for now. Raises Temporary."""
        before, self.held = self.held, frozenset()
        seen = await self._bus.look(self._replica, self._shards, self._ttl_ms)
        found = plan(self._replica, seen, shards=self._shards, ttl_ms=self._ttl_ms)
        taken: frozenset[int] = frozenset()
        if found.take or found.give:
            taken = await self._bus.change(self._replica, found.take, found.give, self._ttl_ms)
        self.held = found.keep | taken
        self._metrics.presence_shards.set(len(self.held))
        if self.held != before:
            log.info("shards changed", held=len(self.held), replicas=len(seen.beats))
        return frozenset(each for each in range(self._partitions) if each % self._shards in self.held)

    async def end(self) -> None:
        """Give back what is held, so that another goes on at once; it would soon anyway."""
        held, self.held = self.held, frozenset()
        try:
            await self._bus.end(self._replica, held)
        except Temporary as error:
            log.info("shards not given back", error=str(error))
