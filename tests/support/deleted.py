"""Conversations that are deleted: one with everything in it, and a look for what is left of it."""

import asyncio
from typing import Any

from services.shared.bus.edits import Edits
from services.shared.bus.marks import UserMarks
from services.shared.bus.members import Members
from services.shared.bus.receipts import Receipts
from services.shared.model.ids import ConnectionId, ConversationId, MessageId, NodeId, UserId
from tests.support.bus_house import ANN, House, fresh
from tests.support.waiting import eventually
from tests.support.workers import BOB

INVITED = UserId("invited")


async def rich(house: House, *members: str, answers: int = 3) -> ConversationId:
    """A conversation with everything one can have: it is in the middle of an answer, and more waits."""
    talk = await house.conversation(BOB, *members)
    for _ in range(answers):
        said = await house.ask(talk)
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
    await lively(house, talk, said.message)
    return talk


async def lively(house: House, talk: ConversationId, message: MessageId) -> None:
    """People do with it what they can."""
    floor = house.floor
    edits, members, marks = Edits(floor), Members(floor), UserMarks(floor)
    await edits.edit(talk, ANN, message, "in other words")
    await edits.react(talk, BOB, message, "yes", on=True)
    silent = (await house.messages.accept(talk, BOB, MessageId(fresh()), f"@{ANN}", named=[ANN])).message
    await edits.react(talk, ANN, silent, "no", on=True)
    await edits.delete(talk, ANN, silent)
    await Receipts(floor).read(talk, ANN, 1)
    await members.invite(talk, ANN, INVITED, "reader")
    await members.change_role(talk, ANN, BOB, "reader")
    await members.page(talk, ANN)
    await carried(house, talk)
    await marks.archive(talk, BOB, archived=True)


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
    for kind in ("conversations", "invitations", "marks"):
        async for key in redis.scan_iter(f"*:{kind}"):
            named += [key.decode()] if await redis.hexists(key, conversation) else []
    return sorted(named)


async def remembered(house: House, conversation: str, *users: str) -> list[str]:
    """What is meant to stay for a time: that it was deleted, and that its members, and who was asked to be
    one, are in it no more.
    """
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
