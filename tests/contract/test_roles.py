"""Roles, titles and the pages of members, on a real Redis."""

from collections.abc import AsyncIterator

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.members import Members
from services.shared.bus.receipts import Receipts
from services.shared.model.errors import BadRequest, NotMember, Refused
from services.shared.model.ids import ConversationId, MessageId, UserId
from tests.support.bus_house import ANN, House, fresh, open_house

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
