"""The process under measurement, on a core of its own: runs graphs with each saver. Started by the bench.

Arguments: the Sentinels, the master's port, the parts to do. Begins each part when stdin says so, and says
its figures as a JSON line.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import uvloop
from redis.asyncio import Redis

from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from tests.bench.threads_figures import LENGTHS, MESSAGES, NODES, OURS, STOCK, StockThread
from tests.bench.threads_meter import Meter, Reading
from tests.bench.threads_savers import contenders, row_of
from tests.bench.threads_turns import Savers, answer, around, crowds, one_by_one

TURNS = 15
"""Of each kind."""
CROWDED = (50, 200)
CROWD_TURNS = 40
ROUNDS = 3
STOCK_TURNS = 150
STOCK_WITHIN_S = 30.0


class Bench:
    """The parts, each by the name it is asked for."""

    def __init__(self, meter: Meter, savers: Savers) -> None:
        self.meter = meter
        self._savers = savers

    async def turns(self) -> list[Any]:
        """Every graph at every length, with every saver."""
        kinds = [(nodes, messages) for nodes in NODES for messages in MESSAGES]
        return [each for kind in kinds for each in await one_by_one(self.meter, self._savers, *kind, TURNS)]

    async def lengths(self) -> list[Any]:
        """What a turn costs as the conversation grows; the stock saver would take minutes."""
        savers = {name: fresh for name, fresh in self._savers.items() if name != STOCK}
        return [each for length in LENGTHS for each in await one_by_one(self.meter, savers, 3, length, TURNS)]

    async def around(self) -> list[Any]:
        """What a worker does beside a turn."""
        return [await around(self.meter, self._savers[OURS], length, TURNS) for length in LENGTHS]

    async def crowds(self) -> list[Any]:
        """Many turns at a time."""
        sizes = CROWD_TURNS, ROUNDS
        return [
            each for length in CROWDED for each in await crowds(self.meter, self._savers, 3, length, *sizes)
        ]

    async def stock(self) -> list[Any]:
        """What the stock saver keeps of a conversation, grown turn by turn."""
        thread, graph = await self._savers[STOCK](), row_of(3, speaking=1)
        seen: list[Reading] = []
        while len(seen) < STOCK_TURNS and sum(reading.wall_s for reading in seen) < STOCK_WITHIN_S:
            async with self.meter.reading(seen):
                await answer(thread, graph)
        keys, documents = await self.meter.keys_of(thread.id)
        held = sum(reading.held for reading in seen)
        return [StockThread(len(seen), keys, documents, held)]


async def main() -> None:
    """Do part after part, then end."""
    sentinels, port, *parts = sys.argv[1:]
    settings = RedisSettings(redis_sentinels=tuple(sentinels.split(",")))
    bus = await Bus.open(settings, process="bench-threads", clock=SystemClock(), metrics=Metrics())
    plain = Redis(port=int(port))
    bench = Bench(Meter(plain), await contenders(bus, plain))
    await bench.meter.calibrate()
    loop = asyncio.get_running_loop()
    try:
        for part in parts:
            await loop.run_in_executor(None, sys.stdin.readline)
            measure: Callable[[], Awaitable[list[Any]]] = getattr(bench, part)
            print(json.dumps({part: [asdict(figure) for figure in await measure()]}), flush=True)
    finally:
        await bus.close()
        await plain.aclose()


if __name__ == "__main__":
    uvloop.run(main())
