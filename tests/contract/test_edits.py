"""Messages that are edited and deleted after they were said, on a real Redis."""

from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest

from services.shared.bus.edits import MOST_VERSIONS
from services.shared.bus.house import Bus
from services.shared.model.errors import BadRequest, NotMember, Refused
from services.shared.model.ids import Channel
from tests.support.bus_house import House, open_house
from tests.support.open_bus import fresh_id, fresh_user


class Talk:
    """A conversation of an owner and two members; agents answer nothing, unless it is said here."""

    def __init__(self, bus: Bus) -> None:
        self.bus, self.id = bus, fresh_id()
        self.ann, self.bob, self.cleo = (fresh_user(name) for name in ("ann", "bob", "cleo"))

    async def begin(self, when: str = "never") -> "Talk":
        others = [self.bob, self.cleo]
        answers: Any = {"assistant": when}
        await self.bus.conversations.create(self.id, self.ann, members=others, answers=answers)
        return self

    async def say(self, user: str, text: str) -> str:
        message = fresh_id()
        await self.bus.messages.accept(self.id, user, message, text)
        return message

    async def kept(self, message: str) -> Any:
        page = await self.bus.messages.history(self.id, self.ann)
        return next(each for each in page.messages if each.id == message)

    async def events(self, kind: str) -> list[dict[str, Any]]:
        reading = await self.bus.journal.read(Channel.of_conversation(self.id), 0, deltas=False)
        told = [msgspec.json.decode(entry.body) for entry in reading.entries]
        return [{k: v for k, v in each.items() if k != "time"} for each in told if each["type"] == kind]

    async def versions(self, user: str, message: str) -> list[str]:
        found = await self.bus.edits.versions(self.id, user, message)
        assert [each.until for each in found.versions] == sorted(each.until for each in found.versions)
        return [each.text for each in found.versions]


async def refused(call: Awaitable[object], why: str) -> None:
    with pytest.raises(Refused, match=why):
        await call


async def test_an_author_says_it_in_other_words_and_what_was_said_is_kept(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    message = await talk.say(talk.bob, "see you at 5")
    done = await bus.edits.edit(talk.id, talk.bob, message, "see you at\n6 \U0001f600")
    await bus.edits.edit(talk.id, talk.bob, message, "see you")
    kept = await talk.kept(message)
    assert (done.edits, done.repeated, kept.text, kept.edits, kept.deleted) == (1, False, "see you", 2, False)
    assert await talk.events("message.edited") == [
        {"type": "message.edited", "conversation": talk.id, "message": message, "user": talk.bob,
         "text": text, "edits": number}
        for number, text in enumerate(["see you at\n6 \U0001f600", "see you"], start=1)
    ]  # fmt: skip
    for user in (talk.bob, talk.ann):
        assert await talk.versions(user, message) == ["see you at 5", "see you at\n6 \U0001f600"]


async def test_the_text_it_has_changes_and_tells_nothing(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    message = await talk.say(talk.bob, "five")
    await bus.edits.edit(talk.id, talk.bob, message, "six")
    again = await bus.edits.edit(talk.id, talk.bob, message, "six")
    assert (again.repeated, again.edits) == (True, 1)
    assert len(await talk.events("message.edited")) == 1
    assert await talk.versions(talk.bob, message) == ["five"]


async def test_a_message_that_is_sent_again_after_an_edit_is_a_repeat(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    message = await talk.say(talk.bob, "five")
    await bus.edits.edit(talk.id, talk.bob, message, "six")
    assert (await bus.messages.accept(talk.id, talk.bob, message, "five")).repeated
    assert (await talk.kept(message)).text == "six"


async def test_the_newest_versions_are_kept(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    message = await talk.say(talk.bob, "0")
    for number in range(1, MOST_VERSIONS + 6):
        await bus.edits.edit(talk.id, talk.bob, message, str(number))
    assert await talk.versions(talk.bob, message) == [str(each) for each in range(5, MOST_VERSIONS + 5)]


async def test_nobody_changes_what_another_said_and_only_owners_delete_it(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    message = await talk.say(talk.bob, "mine")
    await refused(bus.edits.edit(talk.id, talk.ann, message, "ours"), "somebody else")
    await refused(bus.edits.edit(talk.id, talk.cleo, message, "ours"), "somebody else")
    await refused(bus.edits.delete(talk.id, talk.cleo, message), "the role member may not do message.delete")
    await refused(
        bus.edits.versions(talk.id, talk.cleo, message), "the role member may not do message.versions"
    )
    assert (await talk.kept(message)).text == "mine"
    assert await talk.versions(talk.bob, message) == []
    await bus.edits.delete(talk.id, talk.ann, message)
    assert (await talk.kept(message)).deleted


async def test_a_deleted_message_keeps_its_place_and_nothing_else(bus: Bus) -> None:
    talk = await Talk(bus).begin()
    message, other = await talk.say(talk.bob, "secret"), await talk.say(talk.bob, "open")
    await bus.edits.delete(talk.id, talk.bob, message)
    first = len(await talk.events("message.deleted"))
    await bus.edits.delete(talk.id, talk.ann, message)
    kept = await talk.kept(message)
    assert (kept.text, kept.deleted, kept.seq) == ("", True, 1)
    assert first == len(await talk.events("message.deleted")) == 1
    assert (await talk.events("message.deleted"))[0]["by"] == talk.bob
    assert await talk.versions(talk.bob, message) == ["secret"]
    await refused(bus.edits.edit(talk.id, talk.bob, message, "back"), "was deleted")
    assert (await talk.kept(other)).text == "open"


async def test_what_is_wrong_is_named_and_changes_nothing(bus: Bus) -> None:
    talk, elsewhere = await Talk(bus).begin(), await Talk(bus).begin()
    message, theirs = await talk.say(talk.bob, "here"), await elsewhere.say(elsewhere.ann, "there")
    for wrong in (theirs, fresh_id(), "nonsense"):
        for call in (
            bus.edits.edit(talk.id, talk.bob, wrong, "x"),
            bus.edits.delete(talk.id, talk.bob, wrong),
            bus.edits.versions(talk.id, talk.bob, wrong),
        ):
            with pytest.raises(BadRequest, match="id: "):
                await call
    with pytest.raises(BadRequest, match="text"):
        await bus.edits.edit(talk.id, talk.bob, message, "")
    with pytest.raises(NotMember):
        await bus.edits.delete(talk.id, "stranger", message)
    assert (await talk.kept(message)).text == "here"


@pytest.fixture
async def house(shared_redis: Any) -> Any:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


async def test_a_turn_that_waits_hears_a_deleted_message_no_more(bus: Bus, house: House) -> None:
    talk = await Talk(bus).begin("always")
    running, only = await talk.say(talk.ann, "first"), await talk.say(talk.bob, "only this")
    lease = await house.claim(talk.id)  # type: ignore[arg-type]
    first = await house.begin(lease)
    await bus.edits.delete(talk.id, talk.bob, only)
    await bus.edits.delete(talk.id, talk.ann, running)
    [ended] = await talk.events("turn.finished")
    assert (ended["outcome"], ended["reason"]) == ("cancelled", "deleted")
    await bus.turns.finish(lease, first, "completed")
    assert await bus.turns.begin(lease) is None


async def test_a_turn_that_waits_with_others_answers_the_others(bus: Bus, house: House) -> None:
    talk = await Talk(bus).begin("mention")
    heard, gone = await talk.say(talk.bob, "some"), await talk.say(talk.bob, "secret")
    asking = fresh_id()
    await bus.messages.accept(talk.id, talk.ann, asking, "@assistant well?", mentions=["assistant"])
    await bus.edits.delete(talk.id, talk.bob, gone)
    turn = await house.begin(await house.claim(talk.id))  # type: ignore[arg-type]
    assert [each.id for each in turn.messages] == [heard, asking]


async def test_what_is_deleted_before_an_agent_is_asked_is_not_heard(bus: Bus, house: House) -> None:
    talk = await Talk(bus).begin("mention")
    gone, heard = await talk.say(talk.bob, "secret"), await talk.say(talk.bob, "some")
    await bus.edits.delete(talk.id, talk.bob, gone)
    await bus.edits.edit(talk.id, talk.bob, heard, "in other words")
    asking = fresh_id()
    await bus.messages.accept(talk.id, talk.ann, asking, "@assistant well?", mentions=["assistant"])
    turn = await house.begin(await house.claim(talk.id))  # type: ignore[arg-type]
    assert [each.text for each in turn.messages] == ["in other words", "@assistant well?"]


async def test_an_owner_deletes_what_an_agent_said_and_its_versions_end_with_the_conversation(
    bus: Bus, house: House
) -> None:
    talk = await Talk(bus).begin("always")
    await talk.say(talk.ann, "well?")
    lease = await house.claim(talk.id)  # type: ignore[arg-type]
    await house.answer(lease, "nonsense")
    page = await bus.messages.history(talk.id, talk.ann)
    said = page.messages[-1].id
    await refused(bus.edits.delete(talk.id, talk.bob, said), "may not do message.delete")
    await bus.edits.delete(talk.id, talk.ann, said)
    assert (await talk.kept(said)).deleted
    at = bus.floor.keys.conversation(talk.id)
    assert await bus.floor.commands.exists(at.versions(said))
    await bus.deletion.delete(talk.id, talk.ann)
    while await bus.deletion._step(talk.id) != b"gone":  # type: ignore[arg-type]
        pass
    left = [key async for key in bus.floor.commands.scan_iter(f"*{talk.id}*")]
    assert [key.decode() for key in left if b":u:" not in key] == [at.deleted]
