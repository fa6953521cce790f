"""Roles, titles and the pages of members, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.members import Members
from services.shared.bus.receipts import Receipts
from services.shared.model.errors import BadRequest, NotMember, Refused
from services.shared.model.ids import ConversationId, MessageId, UserId
from tests.support.bus_house import ANN, House, fresh, open_house
from tests.support.waiting import eventually

BOB, CLEO = UserId("bob"), UserId("cleo")


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


@pytest.fixture
def members(house: House) -> Members:
    return Members(house.floor)


async def test_a_role_holds_from_the_moment_it_is_given(house: House, members: Members) -> None:
    conversation = await house.conversation(BOB)
    await members.change_role(conversation, ANN, BOB, "reader")
    with pytest.raises(Refused, match=r"the role reader may not do conversation\.send"):
        await house.messages.accept(conversation, BOB, MessageId(fresh()), "hello")
    await members.change_role(conversation, ANN, BOB, "owner")
    await members.change_role(conversation, BOB, ANN, "member")
    roles = [(each["user"], each.get("role"), each["by"]) for each in await house.events(conversation)][2:]
    assert roles == [(BOB, "reader", ANN), (BOB, "owner", ANN), (ANN, "member", BOB)]
    assert await house.conversations.role(conversation, ANN) == "member"


async def test_giving_the_same_role_again_tells_nothing(house: House, members: Members) -> None:
    conversation = await house.conversation(BOB)
    first = await members.change_role(conversation, ANN, BOB, "reader")
    assert await members.change_role(conversation, ANN, BOB, "reader") == first
    assert await house.told(conversation) == ["member.changed"]


async def test_the_last_owner_stays_one(house: House, members: Members) -> None:
    conversation = await house.conversation(BOB)
    with pytest.raises(Refused, match="the last owner stays one"):
        await members.change_role(conversation, ANN, ANN, "reader")
    await members.change_role(conversation, ANN, BOB, "owner")
    await members.change_role(conversation, ANN, ANN, "reader")
    with pytest.raises(Refused, match="the last owner stays one"):
        await members.change_role(conversation, BOB, BOB, "member")


async def test_who_is_no_member_has_no_role_to_change(house: House, members: Members) -> None:
    conversation = await house.conversation(BOB)
    await members.invite(conversation, ANN, CLEO)
    with pytest.raises(BadRequest, match=r"cleo is not a member of .* - at `\$\.user`"):
        await members.change_role(conversation, ANN, CLEO, "reader")
    with pytest.raises(Refused, match=r"the role member may not do conversation\.members\.role"):
        await members.change_role(conversation, BOB, BOB, "owner")
    with pytest.raises(NotMember):
        await members.change_role(conversation, CLEO, BOB, "reader")
    assert await house.told(conversation) == ["member.invited"]


async def test_a_new_title_is_told_once(house: House) -> None:
    conversation = ConversationId(fresh())
    await house.conversations.create(conversation, ANN, title="Plans", members=[BOB])
    first = await house.conversations.rename(conversation, BOB, 'A "new" /title é')
    assert await house.conversations.rename(conversation, BOB, 'A "new" /title é') == first
    *_, last = await house.events(conversation)
    assert (last["type"], last["title"], last["by"]) == ("conversation.updated", 'A "new" /title é', BOB)
    assert await house.told(conversation) == ["conversation.updated"]
    with pytest.raises(NotMember):
        await house.conversations.rename(conversation, CLEO, "mine")
    with pytest.raises(BadRequest, match="title has 201 characters"):
        await house.conversations.rename(conversation, ANN, "x" * 201)
    await house.conversations.add_member(conversation, ANN, CLEO, role="reader")
    with pytest.raises(Refused, match=r"the role reader may not do conversation\.rename"):
        await house.conversations.rename(conversation, CLEO, "mine")


async def told_elsewhere(house: House, user: UserId, kind: str) -> list[Any]:
    """What the user's own channel was told."""
    entries: Any = await house.floor.commands.xrange(house.floor.keys.user(user).journal)
    events = [msgspec.json.decode(fields[b"b"]) for _, fields in entries]
    return [each for each in events if each["type"] == kind]


async def test_members_own_devices_hear_of_a_new_title_unless_they_are_many(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, cleo, kind = UserId(f"bob-{fresh()}"), UserId(f"cleo-{fresh()}"), "conversation.updated"
    small, large = await house.conversation(bob), await house.conversation(bob, cleo)
    monkeypatch.setattr("services.shared.bus.conversations.MOST_RENAMED", 2)
    relay = asyncio.create_task(house.outbox.relay(fresh()))
    try:
        await house.conversations.rename(large, bob, "of three")
        for title in ("of two", "of two", "of us"):
            await house.conversations.rename(small, bob, title)
        both = partial(told_elsewhere, house, bob, kind)

        async def heard() -> bool:
            return len(await both()) == 2

        await eventually(heard)
    finally:
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)
    assert [(each["conversation"], each["title"]) for each in await both()] == [
        (small, "of two"),
        (small, "of us"),
    ]
    assert await told_elsewhere(house, cleo, kind) == []


async def test_members_come_in_pages_by_their_ids(house: House, members: Members) -> None:
    users = sorted([*(f"User-{number:02}" for number in range(7)), "_x", "a.b", "Z"])
    conversation = await house.conversation(*users)
    seen: list[tuple[str, str]] = []
    after, more = "", True
    while more:
        page = await members.page(conversation, ANN, after=after, limit=3)
        assert len(page.members) <= 3
        seen += [(each.user, each.role) for each in page.members]
        after, more = page.members[-1].user, page.more
    assert seen == sorted([(ANN, "owner"), *((user, "member") for user in users)])
    behind = await members.page(conversation, ANN, after="zzz")
    assert (behind.members, behind.more) == ((), False)
    for limit in (0, 1001):
        with pytest.raises(BadRequest, match=f"limit is {limit}"):
            await members.page(conversation, ANN, limit=limit)
    with pytest.raises(NotMember):
        await members.page(conversation, CLEO)


async def test_members_are_listed_with_how_far_they_have_read(house: House, members: Members) -> None:
    conversation = await house.conversation(BOB)
    for text in ("one", "two"):
        await house.ask(conversation, text)
    await Receipts(house.floor).read(conversation, BOB, 1)
    page = await members.page(conversation, BOB)
    assert [(each.user, each.read) for each in page.members] == [(ANN, 2), (BOB, 1)]
    await house.conversations.remove_member(conversation, ANN, BOB)
    await house.conversations.add_member(conversation, ANN, BOB)
    assert [each.read for each in (await members.page(conversation, BOB)).members] == [2, 0]


async def test_a_page_of_many_members_costs_what_it_holds(house: House, members: Members) -> None:
    """Its names are in order already: of a conversation of an earlier release, from its first page on."""
    conversation = await house.conversation(BOB)
    at, run = house.floor.keys.conversation(conversation), house.floor.commands
    many = [f"user-{number:04}" for number in range(2_500)]
    await run.hset(at.members, mapping=dict.fromkeys(many, "member"))
    assert [each.user for each in (await members.page(conversation, ANN, limit=2)).members] == [ANN, BOB]
    await house.conversations.add_member(conversation, ANN, CLEO)
    await house.conversations.remove_member(conversation, ANN, many[1])
    page = await members.page(conversation, ANN, after=BOB, limit=3)
    assert [each.user for each in page.members] == [CLEO, many[0], many[2]]
    await run.hdel(at.members, BOB)  # as a server of another release would
    await run.hset(at.members, "dan", "reader")
    page = await members.page(conversation, ANN, limit=3)
    assert [each.user for each in page.members] == [ANN, CLEO, "dan"]
    before = await read_whole(house)
    await members.page(conversation, ANN, after=many[9], limit=10)
    assert await read_whole(house) == before


async def read_whole(house: House) -> int:
    """How many hashes Redis has read from end to end."""
    stats: Any = await house.floor.commands.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("hkeys", "hgetall", "hvals"))


async def test_a_member_s_own_devices_hear_of_its_role_and_no_others(house: House, members: Members) -> None:
    bob, cleo = UserId(f"bob-{fresh()}"), UserId(f"cleo-{fresh()}")
    conversation = await house.conversation(bob, cleo)
    await members.change_role(conversation, ANN, bob, "reader")
    await members.change_role(conversation, ANN, bob, "reader")

    async def told(user: UserId) -> list[Any]:
        return await told_elsewhere(house, user, "member.changed")

    relay = asyncio.create_task(house.outbox.relay(fresh()))
    try:
        [event] = await eventually(lambda: told(bob))
        assert {**event, "time": 0} == {
            "type": "member.changed",
            "time": 0,
            "conversation": conversation,
            "user": bob,
            "by": ANN,
            "role": "reader",
        }
        assert await told(cleo) == []
    finally:
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)


async def test_the_last_owner_may_leave_and_members_go_on(house: House, members: Members) -> None:
    conversation = await house.conversation(BOB)
    await members.invite(conversation, ANN, CLEO, "owner")
    await house.conversations.remove_member(conversation, ANN, ANN)
    await house.messages.accept(conversation, BOB, MessageId(fresh()), "hello")
    with pytest.raises(Refused, match=r"may not do conversation\.members\.role"):
        await members.change_role(conversation, BOB, BOB, "owner")
    await members.accept(conversation, CLEO)
    await members.change_role(conversation, CLEO, BOB, "owner")
    assert await house.conversations.role(conversation, BOB) == "owner"
