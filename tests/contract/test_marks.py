"""What a user makes of a conversation for itself, on a real Redis: kept, told to its devices, gone with the
membership.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.marks import UserMarks
from services.shared.model.conversation import Summary
from services.shared.model.errors import BadRequest, BusUnavailable, NotMember
from services.shared.model.ids import ConversationId, UserId
from services.shared.model.members import Marks
from tests.support.bus_house import ANN, House, fresh, open_house, relayed
from tests.support.waiting import eventually


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    """A house in which two processes relay."""
    async with open_house(shared_redis.sentinels) as opened, relayed(opened):
        yield opened


@pytest.fixture
def marks(house: House) -> UserMarks:
    return UserMarks(house.floor)


async def member_of(house: House) -> tuple[UserId, ConversationId]:
    """A user, and a conversation that its list has."""
    bob = UserId(f"user-{fresh()}")
    conversation = await house.conversation(bob)
    await eventually(lambda: house.conversations.list_of(bob))
    return bob, conversation


async def summary(house: House, user: UserId) -> Summary:
    [found] = await house.conversations.list_of(user)
    return found


async def told(house: House, user: str) -> list[dict[str, Any]]:
    entries = await house.floor.commands.xrange(house.floor.keys.user(user).journal)
    bodies = [msgspec.json.decode(fields[b"b"]) for _, fields in entries]
    return [{**each, "time": 0} for each in bodies if each["type"] == "conversation.marked"]


async def test_marks_stand_in_the_list_and_are_told_to_the_user_alone(house: House, marks: UserMarks) -> None:
    bob, conversation = await member_of(house)
    assert await marks.mute(conversation, bob, 1_900_000_000_000) == Marks(1_900_000_000_000)
    assert await marks.archive(conversation, bob, archived=True) == Marks(1_900_000_000_000, archived=True)
    assert await marks.mute(conversation, bob, None) == Marks(None, archived=True)
    seen = await summary(house, bob)
    assert (seen.muted, seen.archived) == (None, True)
    event = {"time": 0, "type": "conversation.marked", "conversation": conversation}
    assert await told(house, bob) == [
        {**event, "muted": 1_900_000_000_000, "archived": False},
        {**event, "muted": 1_900_000_000_000, "archived": True},
        {**event, "muted": None, "archived": True},
    ]
    assert [each["type"] for each in await house.events(conversation)] == ["member.joined"] * 2
    assert await told(house, ANN) == []


async def test_a_repeat_tells_nothing_and_what_says_nothing_is_not_kept(
    house: House, marks: UserMarks
) -> None:
    bob, conversation = await member_of(house)
    for _ in range(2):
        await marks.mute(conversation, bob, 0)
        await marks.archive(conversation, bob, archived=False)
    assert await told(house, bob) == []
    for _ in range(2):
        await marks.archive(conversation, bob, archived=True)
    for _ in range(2):
        assert await marks.archive(conversation, bob, archived=False) == Marks()
    assert [each["archived"] for each in await told(house, bob)] == [True, False]
    assert not await house.floor.commands.exists(house.floor.keys.user(bob).marks)


@pytest.mark.parametrize("end", ["left", "removed", "deleted"])
async def test_marks_go_with_the_membership(house: House, marks: UserMarks, end: str) -> None:
    bob, conversation = await member_of(house)
    await marks.mute(conversation, bob, None)
    match end:
        case "left":
            await house.conversations.remove_member(conversation, bob, bob)
        case "removed":
            await house.conversations.remove_member(conversation, ANN, bob)
        case _:
            await house.deletion.delete(conversation, ANN, linger_ms=0)
            await eventually(house.deletion.work_off)
    key = house.floor.keys.user(bob).marks

    async def gone() -> bool:
        return not await house.floor.commands.exists(key)

    await eventually(gone)
    with pytest.raises(NotMember):
        await marks.mute(conversation, bob, None)
    if end != "deleted":
        await house.conversations.add_member(conversation, ANN, bob)
        await eventually(lambda: house.conversations.list_of(bob))
        assert (await summary(house, bob)).muted == 0


async def test_a_mark_that_comes_before_the_relay_is_no_orphan(
    shared_redis: EmbeddedRedis,
) -> None:
    async with open_house(shared_redis.sentinels) as house:
        marks, bob = UserMarks(house.floor), UserId(f"user-{fresh()}")
        conversation = await house.conversation(bob)
        assert await marks.mute(conversation, bob, None) == Marks(None)
        at = house.floor.keys.user(bob)
        await house.floor.commands.set(at.left(conversation), 1)  # the end of an earlier membership
        with pytest.raises(BusUnavailable):
            await marks.mute(conversation, bob, 0)


async def test_strangers_mark_nothing_and_times_have_bounds(house: House, marks: UserMarks) -> None:
    bob, conversation = await member_of(house)
    for stranger in ("eve", f"user-{fresh()}"):
        with pytest.raises(NotMember):
            await marks.mute(conversation, stranger, None)
        with pytest.raises(NotMember):
            await marks.archive(conversation, stranger, archived=True)
        assert not await house.floor.commands.exists(house.floor.keys.user(stranger).marks)
    for until in (-1, (1 << 53) + 1):
        with pytest.raises(BadRequest, match=f"until is {until}"):
            await marks.mute(conversation, bob, until)
