"""The backlog: how many turns all conversations together have in their FIFOs, waiting or running.

Read by connection pods, which take no more messages for agents while it is too deep. Each partition keeps a
count, changed by the very scripts that queue and end turns. Must never be what decides in which order or by
whom turns are done: that is the FIFOs' and the leases'.
"""

from services.shared.bus.floor import Floor
from services.shared.bus.scripts import Call, script
from services.shared.bus.sentinel import mapped


class Backlog:
    """The counts of all partitions."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._commands = floor.commands
        self._partitions = floor.keys.shared()

    async def depth(self) -> int:
        """Turns that wait or run, in one round trip. Raises BusUnavailable."""
        async with mapped("backlog"), self._commands.pipeline(transaction=False) as pipe:
            for each in self._partitions:
                pipe.get(each.queued)
            counts = await pipe.execute()
        return sum(max(0, int(count or 0)) for count in counts)

    async def recount(self) -> int:
        """The same, counted anew from the FIFOs and written down: for data older than the counts, or what a
        failover or a hand tore apart. Costs about a microsecond for each conversation with turns. Raises
        BusUnavailable.
        """
        calls = [
            Call(script("recount"), [each.ready, each.running, each.queued], [each.conversations])
            for each in self._partitions
        ]
        return sum(await self._scripts.batch(calls))
