"""Speakers who go on through a failover, and what they got acknowledged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import redis.asyncio
from redis.exceptions import RedisError

from services.shared.bus.house import Bus
from services.shared.model.errors import Temporary
from tests.support.open_bus import fresh_id
from tests.support.waiting import eventually


@dataclass
class Talk:
    """What several speakers got acknowledged, and what they were refused with."""

    conversation: str
    acknowledged: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    over: bool = False

    async def speak(self, bus: Bus) -> None:
        """Say one message after the other; one that was not acknowledged is said again with its id."""
        while not self.over:
            message = fresh_id()
            while not await self._said(bus, message):
                pass

    async def _said(self, bus: Bus, message: str) -> bool:
        try:
            await bus.messages.accept(self.conversation, "ann", message, "hi")
        except Temporary as error:
            self.errors.append(error)
            return False
        self.acknowledged.append(message)
        return True


@asynccontextmanager
async def talking(bus: Bus) -> AsyncIterator[Talk]:
    talk = Talk(fresh_id())
    await bus.conversations.create(talk.conversation, "ann", agents=())
    async with asyncio.TaskGroup() as speakers:
        for _ in range(4):
            speakers.create_task(talk.speak(bus))
        await eventually(lambda: len(talk.acknowledged) > 40)
        try:
            yield talk
        finally:
            talk.over = True


async def kept_ids(bus: Bus, conversation: str) -> list[str]:
    kept: list[str] = []
    before = None
    while True:
        page = await bus.messages.history(conversation, "ann", before=before, limit=200)
        kept = [*(message.id for message in page.messages), *kept]
        if not page.more:
            return kept
        before = page.messages[0].seq


class Pinned:
    """A client that knows one server only, whoever is master: what it got acknowledged there by a replica."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.acknowledged: list[str] = []
        self.over = False

    async def write(self) -> None:
        """Until it is over: the library may swallow a cancellation."""
        while not self.over:
            async with redis.asyncio.Redis(port=self._port, socket_timeout=30) as client:
                with suppress(RedisError, OSError):
                    while not self.over:
                        await self._once(client)
            await asyncio.sleep(0.01)  # sent away or refused: no condition to wait for, only a pace

    async def _once(self, client: redis.asyncio.Redis) -> None:
        key = f"pinned:{fresh_id()}"
        async with client.pipeline(transaction=False) as pipe:
            _, replicas = await pipe.set(key, "1", ex=600).wait(1, 500).execute()
        if replicas:
            self.acknowledged.append(key)

    async def lost(self, port: int) -> list[str]:
        """What this server has nothing of."""
        async with redis.asyncio.Redis(port=port) as client:
            return [key for key in self.acknowledged if not await client.exists(key)]


@asynccontextmanager
async def pinned(port: int) -> AsyncIterator[Pinned]:
    writer = Pinned(port)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.write())
        await eventually(lambda: len(writer.acknowledged) > 20)
        try:
            yield writer
        finally:
            writer.over = True
