"""What is read of a conversation on request: shown only once a replica holds it, like all that is pushed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.connection.brake import Brake
from services.connection.core.effects import Call, Errand, History
from services.connection.core.events import Answered, Failed, Ref
from services.connection.deeds import Deeds
from services.connection.inbound import Inbound
from services.connection.ticker import Ticker
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import NotReplicated
from services.shared.model.ids import Channel, UserId
from services.shared.runtime.tracing import Tracing
from tests.support.open_bus import fresh_id, open_bus

ANN = UserId("ann")


def open_brake(bus: Bus) -> Brake:
    """One that never stops anybody."""
    return Brake(bus.backlog, 1000, bus.floor.metrics)


@asynccontextmanager
async def guarded(bus: Bus) -> AsyncIterator[Inbound]:
    """An inbound whose reads wait for this process's ticks, at most a second."""
    ticker = Ticker(bus.confirmer, lambda _tick, _replid: None)
    ticking = asyncio.create_task(ticker.run())
    brake, clock = open_brake(bus), bus.floor.clock
    yield Inbound(Deeds(bus, brake, fresh_id, ticker.replicated, Tracing.off(), clock, within_s=1))
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)


def asked_of(conversation: str) -> list[Errand]:
    arguments = json.dumps({"conversation": conversation}).encode()
    return [
        Call(Ref(1), ANN, "conversation.history", arguments),
        History(Ref(2), ANN, Channel.of_conversation(conversation), 300, None, reverse=False),
    ]


async def test_history_that_no_replica_holds_is_not_shown_until_one_does(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis, redis_wait_ms=100) as bus, guarded(bus) as inbound:
        conversation = fresh_id()
        await bus.conversations.create(conversation, ANN)
        for replica in own_redis.replicas:
            own_redis.freeze(replica)
        with pytest.raises(NotReplicated):
            await bus.messages.accept(conversation, ANN, fresh_id(), "only on the master")
        for errand in asked_of(conversation):
            answer = await inbound.perform(errand)
            assert isinstance(answer, Failed), "shown before any replica held it"
            assert (answer.fault.code, answer.fault.temporary) == (100, True)
            at_once = Inbound(Deeds(bus, open_brake(bus), fresh_id, None, Tracing.off(), bus.floor.clock))
            shown = await at_once.perform(errand)
            assert isinstance(shown, Answered), "with acks=master nothing is waited for"
        for replica in own_redis.replicas:
            own_redis.thaw(replica)
        for errand in asked_of(conversation):
            answer = await inbound.perform(errand)
            assert isinstance(answer, Answered)
            assert b"only on the master" in answer.result
