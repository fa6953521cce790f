"""Reactions to messages, on a real Redis: once each, bounded, told, gone with the text."""

from typing import Any

import msgspec
import pytest

from services.shared.bus.edits import MOST_KINDS, MOST_REACTIONS
from services.shared.bus.house import Bus
from services.shared.model.errors import BadRequest, NotMember, Refused
from services.shared.model.ids import Channel
from tests.support.open_bus import fresh_id, fresh_user


class Said:
    """One message in a conversation of three."""

    def __init__(self, bus: Bus) -> None:
        self.bus, self.talk, self.id = bus, fresh_id(), fresh_id()
        self.ann, self.bob, self.eve = (fresh_user(name) for name in ("ann", "bob", "eve"))

    async def begin(self) -> "Said":
        never: Any = {"assistant": "never"}
        await self.bus.conversations.create(self.talk, self.ann, members=[self.bob], answers=never)
        await self.bus.conversations.add_member(self.talk, self.ann, self.eve, "reader")
        await self.bus.messages.accept(self.talk, self.ann, self.id, "news")
        return self

    async def react(self, user: str, reaction: str, *, on: bool = True) -> None:
        await self.bus.edits.react(self.talk, user, self.id, reaction, on=on)

    async def shown(self) -> dict[str, tuple[str, ...]]:
        [kept] = (await self.bus.messages.history(self.talk, self.ann)).messages
        return dict(kept.reactions)

    async def told(self) -> list[tuple[str, str, bool]]:
        reading = await self.bus.journal.read(Channel.of_conversation(self.talk), 0, deltas=False)
        events = [msgspec.json.decode(entry.body) for entry in reading.entries]
        kind = "message.reacted"
        return [(each["user"], each["reaction"], each["on"]) for each in events if each["type"] == kind]


async def test_reactions_are_put_and_taken_back_once_each(bus: Bus) -> None:
    said = await Said(bus).begin()
    for user, reaction in ((said.bob, "+1"), (said.ann, "+1"), (said.bob, "\U0001f44d"), (said.bob, "+1")):
        await said.react(user, reaction)
    assert await said.shown() == {"+1": (said.ann, said.bob), "\U0001f44d": (said.bob,)}
    for _ in range(2):
        await said.react(said.bob, "+1", on=False)
    await said.react(said.ann, "never-put", on=False)
    assert await said.shown() == {"+1": (said.ann,), "\U0001f44d": (said.bob,)}
    told = await said.told()
    assert (told[0], told[-1], len(told)) == ((said.bob, "+1", True), (said.bob, "+1", False), 4)
    await said.react(said.ann, "+1", on=False)
    await said.react(said.bob, "\U0001f44d", on=False)
    assert await said.shown() == {}


async def test_kinds_and_reactions_are_bounded(bus: Bus) -> None:
    said = await Said(bus).begin()
    for number in range(MOST_KINDS):
        await said.react(said.ann, f"kind{number}")
    with pytest.raises(Refused, match="kinds"):
        await said.react(said.bob, "one-more")
    await said.react(said.bob, "kind0")
    key = bus.floor.keys.conversation(said.talk).reactions(said.id)
    many = {f"kind0 user{number}": 1 for number in range(MOST_REACTIONS - MOST_KINDS - 1)}
    await bus.floor.commands.hset(key, mapping=many)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="reactions"):
        await said.react(said.bob, "kind1")
    await said.react(said.bob, "kind0", on=False)
    await said.react(said.bob, "kind1")


async def test_a_deleted_message_has_none_and_takes_none(bus: Bus) -> None:
    said = await Said(bus).begin()
    await said.react(said.bob, "+1")
    await bus.edits.delete(said.talk, said.ann, said.id)
    assert await said.shown() == {}
    with pytest.raises(Refused, match="deleted"):
        await said.react(said.bob, "+1")


async def test_what_is_wrong_is_named_and_changes_nothing(bus: Bus) -> None:
    said = await Said(bus).begin()
    for wrong in ("", "a b", "a\nb", "a\x00b", "\u20ac" * 11):
        with pytest.raises(BadRequest, match="reaction"):
            await said.react(said.bob, wrong)
    with pytest.raises(BadRequest, match="id: "):
        await bus.edits.react(said.talk, said.bob, fresh_id(), "+1", on=True)
    with pytest.raises(NotMember):
        await said.react("stranger", "+1")
    with pytest.raises(Refused, match=r"the role reader may not do message\.react"):
        await said.react(said.eve, "+1")
    assert await said.shown() == {}
    assert await said.told() == []
