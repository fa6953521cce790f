"""Group: looks at the Redis servers behind the Sentinels, for the metrics: how many call themselves master,
how many replicas follow.

Run by `app`, beside the sweep. Asks each server on a connection of its own, so that it sees what the pools'
one road to the master can't. Decides nothing and mends nothing: that is the Sentinels' part.
"""

import asyncio

from services.shared.bus import examine
from services.shared.bus.examine import Access, Address, Replication, UnansweredError
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics

EVERY_S = 5.0
"""Between two looks."""

log = get_logger(__name__)


class Group:
    """The servers, as of the last look. `masters`: how many there were; None before the first."""

    def __init__(self, settings: RedisSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._known: tuple[Address, ...] = ()
        self._masters = metrics.redis_masters.labels(name=settings.redis_master)
        self._replicas = metrics.redis_replicas.labels(name=settings.redis_master)
        self.masters: int | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """One look. Who does not answer is no master; while no Sentinel does, the servers known last are
        asked.
        """
        self._known = await self._named() or self._known
        said = [one for one in await asyncio.gather(*map(self._asked, self._known)) if one is not None]
        masters = [one for one in said if one.role == "master"]
        if self.masters != len(masters):
            log.info("masters counted", masters=len(masters), servers=len(self._known), answer=len(said))
        self.masters = len(masters)
        self._masters.set(len(masters))
        self._replicas.set(sum(one.online_replicas for one in masters))

    async def _named(self) -> tuple[Address, ...]:
        """Every server that any Sentinel names, each once."""
        views = await asyncio.gather(*map(self._viewed, self._settings.sentinel_addresses()))
        return tuple(dict.fromkeys(address for named in views for address in named))

    async def _viewed(self, sentinel: Address) -> tuple[Address, ...]:
        access = Access(None, self._settings.redis_sentinel_password.reveal() or None)
        try:
            view = await examine.sentinel_view(sentinel, self._settings.redis_master, access)
        except UnansweredError:
            return ()
        return (view.master, *view.replicas)

    async def _asked(self, server: Address) -> Replication | None:
        settings = self._settings
        access = Access(settings.redis_username or None, settings.redis_password.reveal() or None)
        try:
            return await examine.replication(server, access)
        except UnansweredError:
            return None
