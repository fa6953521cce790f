"""What must stop is told to all processes also when the master dies while it is told, and who may have missed
something is told so.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.keys import CONTROL
from services.shared.bus.outbox import Carried, Outbox
from services.shared.model.errors import Temporary
from services.shared.wire.envelopes import ControlEntry
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually


async def controlled(bus: Bus) -> list[bytes]:
    entries: Any = await bus.floor.commands.xrange(CONTROL)
    return [fields[b"user"] for _, fields in entries]


async def test_a_word_to_all_outlives_a_master_that_dies_between_telling_and_forgetting(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_bus(own_redis, redis_wait_ms=100) as bus:
        conversation = fresh_id()
        outbox = bus.floor.keys.conversation(conversation).shared.outbox
        cancel: Any = {"kind": "turn.cancel", "conversation": conversation, "user": "bob", "turn": fresh_id()}
        await bus.floor.commands.xadd(outbox, cancel)
        dying = DyingBeforeForgetting(bus, own_redis)
        assert not await dying._fresh("first"), "the group is made by the first reader"
        entries = await dying._fresh("first")
        await own_redis.settled()
        replicas = own_redis.replicas
        await bus.floor.commands.config_set("min-replicas-to-write", 0)
        for replica in replicas:
            own_redis.freeze(replica)
        await bus.floor.commands.execute_command("CLIENT", "KILL", "TYPE", "replica")
        dying.replicas = replicas
        dying.armed = True
        with contextlib.suppress(Temporary):
            await dying.carry(entries)
        if dying.armed:
            await dying.die()
        relay = asyncio.create_task(bus.outbox.relay("second"))

        async def told() -> bool:
            return b"bob" in await controlled(bus)

        await eventually(told, within_s=15)
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)


class DyingBeforeForgetting(Outbox):
    """A relay whose master is replaced just before it forgets."""

    armed = False
    replicas: Sequence[str] = ()

    def __init__(self, bus: Bus, redis: EmbeddedRedis) -> None:
        super().__init__(bus.floor, bus.control)
        self._bus, self._redis = bus, redis

    async def die(self) -> None:
        self.armed = False
        self._redis.kill(self._redis.master)
        for replica in self.replicas:
            self._redis.thaw(replica)
        await eventually(lambda: self._bus.confirmer.tick(), within_s=25)

    async def _forget(self, entries: Sequence[Carried]) -> None:
        if self.armed:
            await self.die()
        await super()._forget(entries)


async def test_a_follower_that_fell_behind_what_is_kept_is_told_of_the_gap(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis) as bus:
        heard: list[ControlEntry] = []

        async def follow() -> None:
            async for entry in bus.control.follow():
                heard.append(entry)  # noqa: PERF401 - it is read while it grows

        follower = asyncio.create_task(follow())
        sign, after = ControlEntry("turn.cancel", fresh_id()), ControlEntry("turn.cancel", fresh_id())

        async def hears() -> bool:
            await bus.control.publish(sign)
            return sign in heard

        await eventually(hears, within_s=15)
        await eventually(lambda: heard[-1] == sign)
        heard.clear()
        lost: Any = {"kind": "member.removed", "conversation": fresh_id(), "user": "bob"}
        last: Any = {"kind": after.kind, "conversation": after.conversation}
        async with bus.floor.commands.pipeline(transaction=True) as pipe:
            pipe.xadd(CONTROL, lost)
            pipe.xtrim(CONTROL, maxlen=0, approximate=False)
            pipe.xadd(CONTROL, last)
            await pipe.execute()
        await eventually(lambda: after in heard)
        assert heard[-2:] == [ControlEntry("gap"), after]
        await bus.control.publish(sign)
        await eventually(lambda: heard[-1] == sign)
        assert heard.count(ControlEntry("gap")) == 1
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
