"""Our saver for tests: with rights it grants itself, for production code has no unfenced way in."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from services.conversation.graph.saver import Saver
from services.conversation.graph.serde import ThreadSerializer
from services.shared.bus.house import Bus
from services.shared.model.ids import AttemptId, ConversationId, NodeId
from services.shared.model.turn import Lease
from tests.support.open_bus import fresh_id

LEASE_MS = 3_600_000
WORKER = NodeId("saver-test")


def fresh_thread(agent: str = "assistant") -> str:
    """A thread of a conversation nobody used yet."""
    return f"{fresh_id()}.{agent}"


def conversation_of(thread: str) -> ConversationId:
    """The conversation a thread belongs to."""
    return ConversationId(thread.partition(".")[0])


@dataclass
class GrantedRights:
    """Takes the lease of whatever conversation is asked for, once each, and so takes it away from whoever
    held it: of two savers with rights of their own the one that wrote first can write no more.
    """

    bus: Bus
    held: dict[str, Lease] = field(default_factory=dict)
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def lease(self, thread: str) -> Lease:
        """The lease of the thread's conversation."""
        key = self.bus.floor.keys.thread(thread).lease
        async with self.taking:
            if key not in self.held:
                self.held[key] = await self._take(key, conversation_of(thread))
        return self.held[key]

    async def _take(self, key: str, conversation: ConversationId) -> Lease:
        redis: Any = self.bus.floor.commands
        token = int(await redis.hget(key, "token") or 0) + 1
        lease = Lease(conversation, token, AttemptId(fresh_id()), WORKER)
        until_ms = self.bus.floor.clock.now_ms() + LEASE_MS
        fields = {"token": lease.token, "attempt": lease.attempt, "worker": lease.worker}
        await redis.hset(key, mapping={**fields, "until_ms": until_ms, "lease_ms": LEASE_MS})
        return lease


async def open_saver(
    bus: Bus, *, allowed: Iterable[Any] = (), rights: GrantedRights | None = None, **options: Any
) -> Saver:
    """A saver as a worker has it, that knows nothing of what others wrote yet.

    allowed: types beside LangGraph's that may be revived. rights: shared with another saver whose threads it
    is to write on with. options: of Saver (ttl_s, keep).
    """
    return Saver(bus.checkpoints, rights or GrantedRights(bus), serde=ThreadSerializer(allowed), **options)
