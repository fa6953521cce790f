"""What a bus must look like when nobody uses it: no socket taken, none with somebody else's reply in it."""

import asyncio
from typing import Any

from services.shared.bus.house import Bus
from services.shared.bus.sentinel import MasterPool
from tests.support.waiting import eventually


async def assert_pools_whole(bus: Bus, *, blocking_in_use: int = 0, within_s: float = 5.0) -> None:
    """All connections are back and each answers what it is asked. blocking_in_use: held by feeds that run."""
    for client in bus._masters._clients:
        in_use = blocking_in_use if client is bus.floor.blocking else 0
        await eventually(lambda pool=client.connection_pool, in_use=in_use: _all_back(pool, in_use), within_s)
        await _each_gets_its_own_reply(client)
    for sentinel in bus._masters._sentinel.sentinels:
        held = sentinel.connection_pool._in_use_connections
        await eventually(lambda held=held: len(held) <= 1)  # the watch holds one


def _all_back(pool: MasterPool, in_use: int) -> bool:
    assert pool._room._value == pool.max_connections - in_use
    assert not pool._room._waiters
    assert len(pool._handed) == len(pool._in_use_connections) == in_use
    free = pool._available_connections
    assert len(set(free)) == len(free) <= pool.max_connections - in_use
    return True


async def _each_gets_its_own_reply(client: Any) -> None:
    """The one after a cancelled command would get that one's reply, if it were still on its way."""
    words = [
        f"word {number}".encode() for number in range(len(client.connection_pool._available_connections))
    ]
    echoes = await asyncio.gather(*(client.execute_command("ECHO", word) for word in words))
    assert echoes == words
