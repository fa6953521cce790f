"""Counts and clocks for the process under measurement: what goes to Redis and comes from it, what stays
there, how late the loop is. Used by threads_turns.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

TICK_S = 0.001


@dataclass(frozen=True)
class Reading:
    """One look, or the difference of two. sends: of all clients of this process, a pipeline counting once.
    sent, received: bytes between Redis and its clients, replication left out. held: bytes of its data set.
    """

    wall_s: float
    cpu_s: float
    sends: int
    sent: int
    received: int
    held: int


class Meter:
    """Reads the clocks next to the work, and asks Redis outside of it, on a connection of its own."""

    def __init__(self, plain: "Redis") -> None:
        self._redis = plain
        self._sends = 0
        self._own = (0, 0)
        send = AbstractConnection._send_packed_command

        async def counted(connection: AbstractConnection, command: Any) -> None:
            self._sends += 1
            await send(connection, command)

        AbstractConnection._send_packed_command = counted  # type: ignore[method-assign, assignment]

    async def calibrate(self) -> None:
        """Find out what a reading itself sends and receives; it is taken off from then on."""
        seen: list[Reading] = []
        for _ in range(9):
            async with self.reading(seen):
                pass
        self._own = (
            median_low(reading.sent for reading in seen),
            median_low(reading.received for reading in seen),
        )

    @asynccontextmanager
    async def reading(self, into: list[Reading]) -> AsyncIterator[None]:
        """What happens inside is added to `into`."""
        before = await self._wire()
        sends, cpu_s, wall_s = self._sends, time.process_time(), time.perf_counter()
        yield
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        sends = self._sends - sends
        sent, received, held = (now - then for now, then in zip(await self._wire(), before, strict=True))
        sent, received = sent - self._own[0], received - self._own[1]
        into.append(Reading(wall_s, cpu_s, sends, sent, received, held))

    async def keys_of(self, conversation: str) -> tuple[int, int]:
        """How many keys have this id in their names, and their bytes."""
        keys = [key async for key in self._redis.scan_iter(f"*{conversation}*", count=1000)]
        return len(keys), sum([int(await self._redis.memory_usage(key, samples=0) or 0) for key in keys])

    async def _wire(self) -> tuple[int, int, int]:
        said: dict[str, int] = await self._redis.info("stats", "memory")
        sent = said["total_net_input_bytes"] - said["total_net_repl_input_bytes"]
        received = said["total_net_output_bytes"] - said["total_net_repl_output_bytes"]
        return sent, received, said["used_memory_dataset"]


@asynccontextmanager
async def ticking() -> AsyncIterator[list[float]]:
    """By how many seconds a task that sleeps a millisecond at a time is woken too late."""
    late: list[float] = []

    async def tick() -> None:
        while True:
            due = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            late.append(max(0.0, time.perf_counter() - due))

    async with asyncio.TaskGroup() as tasks:
        ticker = tasks.create_task(tick())
        yield late
        ticker.cancel()
