"""A house on a Redis of its own, driven from tests that are no coroutines, as Hypothesis wants them."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from services.local.embedded import EmbeddedRedis
from tests.support.bus_house import House, open_house


def driven_house(folder: Path) -> Iterator[tuple[asyncio.Runner, House]]:
    """For a fixture: what runs coroutines on the house's loop, and the house, until the last test."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start() -> House:
            servers = await stack.enter_async_context(EmbeddedRedis(folder))
            return await stack.enter_async_context(open_house(servers.sentinels))

        try:
            yield runner, runner.run(start())
        finally:
            runner.run(stack.aclose())
