"""Conversations that are deleted: one with everything in it, and a look for what is left of it."""

import asyncio
from typing import Any

from services.shared.model.ids import ConnectionId, ConversationId, NodeId
from tests.support.bus_house import ANN, House, fresh
from tests.support.waiting import eventually
from tests.support.workers import BOB


async def rich(house: House, *members: str, answers: int = 3) -> ConversationId:
    """A conversation with everything one can have: it is in the middle of an answer, and more waits."""
    talk = await house.conversation(BOB, *members)
    for _ in range(answers):
        await house.ask(talk)
    lease = await house.claim(talk)
    for _ in range(answers):
        await house.answer(lease)
    await house.ask(talk)
    failed = await house.begin(lease)
    await house.turns.finish(lease, failed, "failed", "no", "broken")
    letter = await house.dead_letters.find(failed.id)
    assert letter is not None
    await house.dead_letters.replay(letter)
    await house.ask(talk)
    await house.say(lease, await house.begin(lease), "half of an ans")
    await house.roster.enter(talk, ConnectionId(fresh()), ANN, None, NodeId(fresh()))
    other = ConnectionId(fresh())
    await house.roster.enter(talk, other, BOB, None, NodeId("other"))
    await house.roster.leave(talk, other, BOB, NodeId("other"), grace_ms=1_000_000)
    await house.conversations.remove_member(talk, ANN, BOB)
    await house.conversations.add_member(talk, ANN, BOB)
    return talk


async def step(house: House, conversation: ConversationId) -> bool:
    """Clear away some of a deleted conversation; whether nothing is left."""
    return await house.deletion._step(conversation) == b"gone"


async def traces(house: House, conversation: str) -> list[str]:
    """All that names a conversation anywhere in Redis."""
    redis: Any = house.floor.commands
    named = [key.decode() async for key in redis.scan_iter(f"*{conversation}*")]
    shared = house.floor.keys.conversation(conversation).shared
    for stream in (shared.ready, shared.outbox):
        named += [
            stream for _, fields in await redis.xrange(stream) if conversation.encode() in fields.values()
        ]
    for each in (shared.running, shared.deleting, shared.departing, shared.dead, shared.replayed):
        named += [each for name in await redis.zrange(each, 0, -1) if name.startswith(conversation.encode())]
    async for key in redis.scan_iter("*:conversations"):
        named += [key.decode()] if await redis.hexists(key, conversation) else []
    return sorted(named)


async def remembered(house: House, conversation: str, *users: str) -> list[str]:
    """What is meant to stay for a time: that it was deleted, and that its members are in it no more."""
    keys = house.floor.keys
    stay = [keys.conversation(conversation).deleted, *(keys.user(each).left(conversation) for each in users)]
    for key in stay:
        assert await house.floor.commands.ttl(key) > 0, key
    return sorted(stay)


async def carried(house: House, conversation: str) -> None:
    """Have the relay tell what is to be told of this conversation, as a process of its own."""
    relay = asyncio.create_task(house.outbox.relay(fresh()))
    outbox = house.floor.keys.conversation(conversation).shared.outbox

    async def empty() -> bool:
        return not await house.floor.commands.xlen(outbox)

    await eventually(empty)
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
