"""A Redis with its Sentinels that many tests share, each with a loop of its own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from services.local.embedded import EmbeddedRedis


def redis_group(folder: Path) -> Iterator[EmbeddedRedis]:
    """Start a group for a fixture, and stop it behind the last test."""
    servers = EmbeddedRedis(folder)
    # A loop only for starting and stopping: the servers belong to no loop, each test brings its own.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(servers.start())
        yield servers
        loop.run_until_complete(servers.stop())
    finally:
        loop.close()
