"""The bus of one process: opens the pools and holds every port. Made by each service's `app.py`, closed last.

Each port takes the same `Floor` and becomes one attribute in `Bus.__init__`.
"""

from services.shared.bus.floor import Floor
from services.shared.bus.keys import Keys
from services.shared.bus.scripts import Scripts
from services.shared.bus.sentinel import Masters, mapped
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.clock import Clock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.metrics import Metrics


class Bus:
    """Every port of the bus, over one pair of pools."""

    def __init__(self, masters: Masters, floor: Floor) -> None:
        self._masters = masters
        self._tasks = Tasks()
        self.floor = floor

    @classmethod
    async def open(cls, settings: RedisSettings, *, process: str, clock: Clock, metrics: Metrics) -> "Bus":
        """Open the pools and reach the master once. Raises BusUnavailable when it cannot be reached in time.

        process: a name of this process, unique among those that run now; it names its tick and its probe.
        """
        masters = Masters(settings, metrics)
        scripts = Scripts(masters.commands, settings, clock, metrics)
        keys = Keys(settings.partitions)
        floor = Floor(process, settings, keys, scripts, masters.commands, masters.blocking, clock, metrics)
        bus = cls(masters, floor)
        bus._tasks.start("sentinel watch", masters.watch())
        try:
            async with mapped("open", within_s=settings.redis_deadline_s):
                await masters.commands.execute_command("PING")  # type: ignore[no-untyped-call]
        except BaseException:
            await bus.close()
            raise
        return bus

    async def close(self) -> None:
        """Stop the watch and close every socket."""
        await self._tasks.close()
        await self._masters.close()
