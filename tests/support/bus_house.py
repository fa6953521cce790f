"""Ports over one real Redis for the tests of turns, leases, the relay and the roster, and short words for
what they do.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from services.shared.bus.control import Control
from services.shared.bus.conversations import Conversations
from services.shared.bus.dead_letters import DeadLetters
from services.shared.bus.deletion import Deletion
from services.shared.bus.floor import Floor
from services.shared.bus.house import Bus
from services.shared.bus.lease import Leases
from services.shared.bus.messages import Messages
from services.shared.bus.outbox import Outbox
from services.shared.bus.roster import Roster
from services.shared.bus.settings import RedisSettings
from services.shared.bus.turns import Turns
from services.shared.model.ids import (
    ENTROPY_BYTES,
    AgentName,
    AttemptId,
    ConversationId,
    MessageId,
    NodeId,
    UserId,
    uuid7,
)
from services.shared.model.turn import Lease, Ready, Turn
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics

ANN = UserId("ann")
AGENT = AgentName("assistant")
WORKER = NodeId("worker-1")
LONG_MS = 60_000
"""A lease no test outlives."""
SHORT_MS = 1
"""A lease that has run out by the next command."""


def fresh() -> str:
    """A new id."""
    return uuid7(SystemClock().now_ms(), os.urandom(ENTROPY_BYTES))


@dataclass(frozen=True)
class House:
    """Every port under test, and the floor for looking beneath."""

    floor: Floor
    conversations: Conversations
    messages: Messages
    leases: Leases
    turns: Turns
    control: Control
    outbox: Outbox
    roster: Roster
    dead_letters: DeadLetters
    deletion: Deletion

    async def conversation(self, *members: str) -> ConversationId:
        """A new conversation of Ann and these members."""
        conversation = ConversationId(fresh())
        await self.conversations.create(conversation, ANN, members=tuple(UserId(each) for each in members))
        return conversation

    async def ask(self, conversation: ConversationId, text: str = "hello") -> Any:
        """Ann says something; the acceptance."""
        return await self.messages.accept(conversation, ANN, MessageId(fresh()), text)

    async def claim(
        self, conversation: ConversationId, lease_ms: int = LONG_MS, worker: NodeId = WORKER
    ) -> Lease:
        """Take the lease, which must be free."""
        lease = await self.try_claim(conversation, lease_ms, worker)
        assert lease is not None
        return lease

    async def try_claim(
        self, conversation: ConversationId, lease_ms: int = LONG_MS, worker: NodeId = WORKER
    ) -> Lease | None:
        """Take the lease if it is free."""
        at = self.floor.keys.conversation(conversation)
        ready = Ready(at.partition, conversation)
        return await self.leases.claim(ready, worker=worker, attempt=AttemptId(fresh()), lease_ms=lease_ms)

    async def begin(self, lease: Lease) -> Turn:
        """Begin the turn at the head, which must be there."""
        turn = await self.turns.begin(lease)
        assert turn is not None
        return turn

    async def say(self, lease: Lease, turn: Turn, *parts: str) -> MessageId:
        """Start a message and stream these parts; it stays open."""
        message, said = MessageId(fresh()), ""
        await self.turns.start_message(lease, turn, message, AGENT)
        for part in parts:
            await self.turns.delta(lease, turn, message, len(said), part)
            said += part
        return message

    async def answer(self, lease: Lease, text: str = "hi") -> Turn:
        """Begin, say and finish one whole turn."""
        turn = await self.begin(lease)
        message = await self.say(lease, turn, text)
        await self.turns.complete_message(lease, turn, message, text, source=f"source-{message}")
        await self.turns.finish(lease, turn, "completed")
        return turn

    async def events(self, conversation: ConversationId) -> list[dict[str, Any]]:
        """The bodies in the journal, in order."""
        at = self.floor.keys.conversation(conversation)
        entries: Any = await self.floor.commands.xrange(at.journal)
        return [msgspec.json.decode(fields[b"b"]) for _, fields in entries]

    async def told(self, conversation: ConversationId) -> list[str]:
        """The types of the events in the journal, in order, without membership and people's messages."""
        types = [event["type"] for event in await self.events(conversation)]
        return [each for each in types if each not in {"member.joined", "message.created"}]


@asynccontextmanager
async def open_house(sentinels: str, process: str = "", **more: Any) -> AsyncIterator[House]:
    """Open the bus on a Redis reached through `sentinels`, "host:port,..."."""
    settings = RedisSettings(redis_sentinels=tuple(sentinels.split(",")), **more)
    bus = await Bus.open(settings, process=process or fresh(), clock=SystemClock(), metrics=Metrics())
    try:
        yield house_of(bus)
    finally:
        await bus.close()


def house_of(bus: Bus) -> House:
    """The same ports over a bus that somebody opened."""
    return House(
        bus.floor,
        bus.conversations,
        bus.messages,
        bus.leases,
        bus.turns,
        bus.control,
        bus.outbox,
        bus.roster,
        bus.dead_letters,
        bus.deletion,
    )


@asynccontextmanager
async def relayed(house: House) -> AsyncIterator[None]:
    """Two processes carry what scripts have for other partitions."""
    relays = [asyncio.create_task(house.outbox.relay(fresh())) for _ in range(2)]
    try:
        yield
    finally:
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
