"""Faults of threads: a checkpoint port that dies or loses its last writes, and a look at a thread's keys.

A worker's write is one call of the port. So a death between two of them is a port that refuses all that
come after the n-th, and a failover that takes writes back is a port whose thread is as it was some writes
ago. Both can be had at every point of a turn, in milliseconds; real kills and failovers are in the tests
that say so.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from services.conversation.graph.serde import ThreadSerializer
from services.shared.bus.checkpoints import Checkpoints
from services.shared.bus.house import Bus
from services.shared.model.errors import LeaseLost
from services.shared.model.thread import Keeping, NewCheckpoint, Place, Write
from services.shared.model.turn import Lease
from tests.support.thread_types import ALLOWED

ROUNDS = 50
"""Of the event loop, more than LangGraph takes to get from a step's end to its saver."""


@dataclass
class Landed:
    """A write that reached Redis."""

    place: Place
    above: dict[str, str]
    nodes: frozenset[str]
    """Nodes whose end it keeps."""
    put: bool
    waited_for: bool = False
    """A replica confirmed it."""


class Port:
    """The checkpoint port with its writes in one row, and what a test wants done before and after each."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._row = asyncio.Lock()
        self._serde = ThreadSerializer(ALLOWED)
        self.landed: list[Landed] = []
        self.asked = 0
        self.spaces: dict[str, dict[str, str]] = {"": {}}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkpoints, name)

    async def quiet(self) -> None:
        """Wait until nothing was asked for, nor is under way, for a few rounds of the loop."""
        seen = -1
        while seen != self.asked or self._row.locked():
            seen = self.asked
            for _ in range(ROUNDS):
                await asyncio.sleep(0)

    async def put(self, lease: Lease, new: NewCheckpoint, *, ttl_s: int, acknowledged: bool) -> Keeping:
        self.asked += 1
        async with self._row:
            await self.before(new.place.thread)
            kept = await self._checkpoints.put(lease, new, ttl_s=ttl_s, acknowledged=acknowledged)
            if kept is Keeping.KEPT:
                above = dict(new.header.above)
                self.spaces[new.place.space] = above
                self.landed.append(Landed(new.place, above, frozenset(), True, acknowledged))
                await self.after(new.place.thread)
            return kept

    async def put_writes(
        self, lease: Lease, place: Place, writes: list[Write], *, ttl_s: int, acknowledged: bool = False
    ) -> None:
        self.asked += 1
        async with self._row:
            await self.before(place.thread)
            port = self._checkpoints
            await port.put_writes(lease, place, writes, ttl_s=ttl_s, acknowledged=acknowledged)
            done = [self._serde.loads_typed(each.value) for each in writes if each.channel == "done"]
            nodes = frozenset(name for each in done for name in each)
            self.landed.append(Landed(place, self.spaces.get(place.space, {}), nodes, False, acknowledged))
            await self.after(place.thread)

    async def before(self, thread: str) -> None:
        """Before each write."""

    async def after(self, thread: str) -> None:
        """After each write that landed."""


class Dying(Port):
    """Of a process that dies when `survive` writes have landed; `unheard`: before it hears of the last."""

    def __init__(self, checkpoints: Checkpoints, survive: int, *, unheard: bool = False) -> None:
        super().__init__(checkpoints)
        self._survive = survive
        self._unheard = unheard
        self.dead = False

    async def before(self, thread: str) -> None:
        if self.dead or len(self.landed) >= self._survive:
            self.dead = True
            raise LeaseLost("this process is dead")

    async def after(self, thread: str) -> None:
        if self._unheard and len(self.landed) == self._survive:
            self.dead = True
            raise LeaseLost("this process died before it heard of its last write")


class Losing(Port):
    """Of a process that goes on through a failover, which after the write number `at` takes back the last
    `back`, unless all `puts` of the turn have landed by then: writes come in another order each time.
    """

    def __init__(self, bus: Bus, at: int, back: int, puts: int) -> None:
        super().__init__(bus.checkpoints)
        self._bus = bus
        self._at = at
        self._back = back
        self._puts = puts
        self._dumps: list[list[bytes | None]] = [[None, None]]
        self.lost = 0

    async def after(self, thread: str) -> None:
        self._dumps.append(await dumped(self._bus, thread))
        to_come = sum(each.put for each in self.landed) < self._puts
        if len(self.landed) == self._at and to_come and not self.lost:
            self.lost = min(self._back, self._at)
            await restore(self._bus, thread, self._dumps[-1 - self.lost])

    async def lose_what_nobody_waited_for(self, thread: str) -> int:
        """The failover comes now, and takes back all that was written since a replica confirmed."""
        waited = [place for place, each in enumerate(self.landed, 1) if each.waited_for]
        await restore(self._bus, thread, self._dumps[waited[-1] if waited else 0])
        return len(self.landed) - (waited[-1] if waited else 0)


async def dumped(bus: Bus, thread: str) -> list[bytes | None]:
    """A thread's two keys."""
    commands: Any = bus.floor.commands
    return [await commands.dump(key) for key in bus.floor.keys.thread(thread).reading]


async def restore(bus: Bus, thread: str, dumps: list[bytes | None]) -> None:
    """Make a thread what it was."""
    commands: Any = bus.floor.commands
    for key, dump in zip(bus.floor.keys.thread(thread).reading, dumps, strict=True):
        if dump is None:
            await commands.delete(key)
        else:
            await commands.restore(key, 0, dump, replace=True)


async def digest(bus: Bus, thread: str) -> Any:
    """All that a thread's keys hold."""
    commands, keys = bus.floor.commands, bus.floor.keys.thread(thread)
    records: Any = await commands.hgetall(keys.records)
    return sorted(records.items()), await commands.zrange(keys.order, 0, -1, withscores=True)
