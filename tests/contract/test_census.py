"""The census in Redis: written by the presence service, marked stale when that is silent."""

import msgspec

from services.local.embedded import EmbeddedRedis
from services.presence.core.census import NOBODY, take
from services.presence.told import told
from services.shared.bus import keys
from services.shared.bus.census import Censuses
from tests.contract.test_roster import a_node
from tests.support.bus_house import open_house


async def test_what_nodes_say_is_read_with_their_sums_and_what_is_old_is_stale(
    shared_redis: EmbeddedRedis,
) -> None:
    async with open_house(shared_redis.sentinels) as house:
        first, second, censuses = a_node(), a_node(), Censuses(house.floor)
        await house.roster.beat(first, {"connections": 3, "users": 2, "hears": 1})
        await house.roster.beat(second, {"connections": 4, "users": 4})
        seen = await house.roster.look()
        own = {node: beat for node, beat in seen.beats.items() if node in (first, second)}
        census = take(NOBODY, type(seen)(own, seen.now_ms), 0)
        await censuses.write(told(census))
        found = await censuses.read()
        assert (found["sums"]["connections"], found["sums"]["users"], found["sums"]["nodes"]) == (7, 6, 2)
        assert found["nodes"][first].items() >= {"connections": 3, "users": 2, "stale": False}.items()
        assert "hears" not in found["nodes"][first]
        assert not found["stale"]

        sums = found["sums"] | {"at_ms": seen.now_ms - 11_000}
        await house.floor.commands.hset(keys.CENSUS, "sums", msgspec.json.encode(sums))
        found = await censuses.read()
        assert (found["sums"], found["stale"]) == ({}, True)
        assert found["nodes"][first].items() >= {"connections": 3, "stale": True}.items()
        await house.floor.commands.delete(keys.CENSUS)
        assert await censuses.read() == {"nodes": {}, "sums": {}, "stale": True}
