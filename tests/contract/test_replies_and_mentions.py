"""Replies to messages, and people named in them, on a real Redis."""

import asyncio
from typing import Any

import msgspec
import pytest

from services.shared.bus.house import Bus
from services.shared.model.errors import BadRequest, MessageConflict, QueueFull
from services.shared.model.ids import Channel
from services.shared.wire.mentions import mentions, named
from tests.support.open_bus import fresh_id, fresh_user
from tests.support.waiting import eventually


class Talk:
    """A conversation of two that no agent answers."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.id, self.ann, self.bob = fresh_id(), fresh_user("ann"), fresh_user("bob")

    async def begin(self) -> "Talk":
        await self.bus.conversations.create(
            self.id, self.ann, members=[self.bob], answers={"assistant": "never"}
        )
        return self

    async def say(self, user: str, text: str, message: str = "", reply_to: str = "") -> str:
        message = message or fresh_id()
        words: dict[str, Any] = {"mentions": mentions(text), "named": named(text)}
        await self.bus.messages.accept(self.id, user, message, text, reply_to=reply_to, **words)
        return message

    async def created(self) -> list[dict[str, Any]]:
        return [each for each in await events(self.bus, Channel.of_conversation(self.id)) if "text" in each]

    async def kept(self) -> Any:
        return (await self.bus.messages.history(self.id, self.ann)).messages


async def events(bus: Bus, channel: Channel) -> list[dict[str, Any]]:
    return [
        msgspec.json.decode(each.body) for each in (await bus.journal.read(channel, 0, deltas=False)).entries
    ]


async def mentioned(bus: Bus, user: str) -> list[dict[str, Any]]:
    told = await events(bus, Channel.of_user(user))
    return [each for each in told if each["type"] == "message.mentioned"]


async def test_a_reply_names_what_it_replies_to(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    first = await talk.say(talk.ann, "who comes?")
    await talk.say(talk.bob, "I do", reply_to=first)
    assert [each.get("reply_to") for each in await talk.created()] == [None, first]
    assert [each.reply_to for each in await talk.kept()] == [None, first]


async def test_a_reply_to_nothing_is_refused_and_not_kept(bus: Bus) -> None:
    talk, elsewhere = await Talk(bus).begin(), await Talk(bus).begin()
    theirs = await elsewhere.say(elsewhere.ann, "of another conversation")
    for wrong in (theirs, fresh_id(), "nonsense"):
        with pytest.raises(BadRequest, match="reply_to"):
            await talk.say(talk.ann, "hello?", reply_to=wrong)
    assert await talk.kept() == ()


async def test_an_id_stands_for_the_text_and_for_what_it_replies_to(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    first = await talk.say(talk.ann, "who comes?")
    reply = await talk.say(talk.bob, "I do", reply_to=first)
    await talk.say(talk.bob, "I do", message=reply, reply_to=first)
    with pytest.raises(MessageConflict):
        await talk.say(talk.bob, "I do", message=reply)
    assert len(await talk.kept()) == 2


async def test_members_that_are_named_are_told_once_and_others_are_not(bus: Bus) -> None:
    talk, relay = await Talk(bus).begin(), asyncio.create_task(bus.outbox.relay(fresh_id()))
    eve = fresh_user("eve")
    text = f"@{talk.bob}, @{talk.bob.upper()}, @{eve} and @{talk.ann}: look"
    message = await talk.say(talk.ann, text)
    await talk.say(talk.ann, text, message=message)
    [created], [kept] = await talk.created(), await talk.kept()
    assert created["mentions"] == list(kept.mentions) == [talk.bob, talk.ann]
    [told] = await eventually(lambda: mentioned(bus, talk.bob))
    assert {**told, "time": 0} == {
        "type": "message.mentioned",
        "time": 0,
        "conversation": talk.id,
        "message": message,
        "user": talk.ann,
        "seq": 1,
    }
    await talk.say(talk.ann, f"@{talk.bob} again")
    await eventually(lambda: _many(bus, talk.bob, 2))
    assert await mentioned(bus, eve) == await mentioned(bus, talk.ann) == []
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)


async def _many(bus: Bus, user: str, count: int) -> bool:
    return len(await mentioned(bus, user)) == count


async def test_who_names_nobody_says_nothing_of_mentions(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    await talk.say(talk.ann, "@nobody there?")
    [created] = await talk.created()
    assert "mentions" not in created
    assert "reply_to" not in created


async def test_nothing_is_kept_that_its_people_could_not_be_told_of(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    outbox = bus.floor.keys.conversation(talk.id).shared.outbox
    async with bus.floor.commands.pipeline(transaction=False) as pipe:
        for _ in range(10_000):
            pipe.xadd(outbox, {"kind": "of a later release"})
        ids = await pipe.execute()
    try:
        with pytest.raises(QueueFull):
            await talk.say(talk.ann, f"@{talk.bob}, look")
        await talk.say(talk.ann, "look")
    finally:
        await bus.floor.commands.xdel(outbox, *ids)
    assert [each.text for each in await talk.kept()] == ["look"]
