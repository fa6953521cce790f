"""A bus on real servers, for contract tests."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.model.ids import ENTROPY_BYTES, uuid7
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics


def fresh_id() -> str:
    """An id nobody used yet."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(ENTROPY_BYTES))


def fresh_user(name: str) -> str:
    """A user nobody else is, with a name one can read."""
    return f"{name}-{os.urandom(4).hex()}"


@asynccontextmanager
async def open_bus(redis: EmbeddedRedis, **settings: Any) -> AsyncIterator[Bus]:
    """A bus of a process of its own on these servers."""
    reached = RedisSettings(redis_sentinels=tuple(redis.sentinels.split(",")), **settings)
    bus = await Bus.open(reached, process=f"test-{fresh_id()}", clock=SystemClock(), metrics=Metrics())
    try:
        yield bus
    finally:
        await bus.close()
