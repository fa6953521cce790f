"""Invitations on a real Redis: asked, accepted, declined, taken back; and told to the user's partition."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus import outbox
from services.shared.bus.members import MOST_INVITED, Members
from services.shared.model.errors import BadRequest, NotMember, Refused
from services.shared.model.ids import ConversationId, UserId
from tests.support.bus_house import ANN, House, fresh, open_house, relayed
from tests.support.waiting import eventually

EVE = UserId("eve")


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    """A house in which two processes relay."""
    async with open_house(shared_redis.sentinels) as opened, relayed(opened):
        yield opened


@pytest.fixture
def members(house: House) -> Members:
    return Members(house.floor)


def somebody() -> UserId:
    return UserId(f"user-{fresh()}")


async def kinds(house: House, conversation: str) -> list[str]:
    return [each["type"] for each in await house.events(ConversationId(conversation))]


async def told(house: House, user: str) -> list[dict[str, Any]]:
    entries = await house.floor.commands.xrange(house.floor.keys.user(user).journal)
    return [msgspec.json.decode(fields[b"b"]) for _, fields in entries]


async def heard(house: House, user: str, *wanted: str) -> None:
    """Wait until the user's own channel has told this, and nothing else."""

    async def all_of_it() -> bool:
        return [each["type"] for each in await told(house, user)] == list(wanted)

    await eventually(all_of_it)


async def test_who_is_invited_sees_a_title_and_nothing_else(house: House, members: Members) -> None:
    bob, conversation = somebody(), ConversationId(fresh())
    await house.conversations.create(conversation, ANN, title="Plans")
    await members.invite(conversation, ANN, bob, "reader")
    await heard(house, bob, "member.invited")
    [event] = await told(house, bob)
    assert {**event, "time": 0} == {
        "type": "member.invited",
        "time": 0,
        "conversation": conversation,
        "user": bob,
        "by": ANN,
        "role": "reader",
        "title": "Plans",
    }
    [asked] = (await members.invitations(bob)).invitations
    assert (asked.conversation, asked.title, asked.role, asked.by) == (conversation, "Plans", "reader", ANN)
    assert asked.time == (await house.events(conversation))[-1]["time"]
    assert await house.conversations.list_of(bob) == []
    assert await house.conversations.role(conversation, bob) is None
    with pytest.raises(NotMember):
        await members.page(conversation, bob)
    with pytest.raises(NotMember):
        await members.invite(conversation, bob, EVE)


async def test_who_accepts_joins_as_whoever_invited_said(house: House, members: Members) -> None:
    bob = somebody()
    conversation = await house.conversation()
    await members.invite(conversation, ANN, bob, "reader")
    accepted = await members.accept(conversation, bob)
    last = (await house.events(conversation))[-1]
    assert (last["type"], last["user"], last["by"], last["role"]) == ("member.joined", bob, ANN, "reader")
    assert await house.conversations.role(conversation, bob) == "reader"
    await heard(house, bob, "member.invited", "member.joined")
    assert (await members.invitations(bob)).invitations == ()
    assert [each.id for each in await house.conversations.list_of(bob)] == [conversation]
    assert await members.accept(conversation, bob) == accepted
    assert await kinds(house, conversation) == ["member.joined", "member.invited", "member.joined"]


async def test_who_declines_is_as_strange_as_before(house: House, members: Members) -> None:
    bob = somebody()
    conversation = await house.conversation()
    await members.invite(conversation, ANN, bob)
    declined = await members.decline(conversation, bob)
    assert await members.decline(conversation, bob) == declined
    await heard(house, bob, "member.invited", "member.declined")
    assert (await members.invitations(bob)).invitations == ()
    with pytest.raises(NotMember):
        await members.accept(conversation, bob)
    assert await kinds(house, conversation) == ["member.joined", "member.invited", "member.declined"]
    await members.invite(conversation, ANN, bob)
    await members.accept(conversation, bob)
    assert await house.conversations.role(conversation, bob) == "member"
    with pytest.raises(Refused, match="member already"):
        await members.decline(conversation, bob)


async def test_an_owner_takes_an_invitation_back_and_a_member_cannot(house: House, members: Members) -> None:
    bob, cleo = somebody(), somebody()
    conversation = await house.conversation(cleo)
    await members.invite(conversation, cleo, bob)
    with pytest.raises(Refused, match=r"role member may not do conversation\.members\.remove"):
        await house.conversations.remove_member(conversation, cleo, bob)
    taken_back = await house.conversations.remove_member(conversation, ANN, bob)
    assert await house.conversations.remove_member(conversation, ANN, bob) == taken_back
    last = (await house.events(conversation))[-1]
    assert (last["type"], last["user"], last["by"]) == ("member.declined", bob, ANN)
    await heard(house, bob, "member.invited", "member.declined")
    with pytest.raises(NotMember):
        await members.accept(conversation, bob)


async def test_who_is_added_is_invited_no_more(house: House, members: Members) -> None:
    bob = somebody()
    conversation = await house.conversation()
    await members.invite(conversation, ANN, bob, "reader")
    await house.conversations.add_member(conversation, ANN, bob)
    assert await house.conversations.role(conversation, bob) == "member"
    await heard(house, bob, "member.invited", "member.joined")
    assert (await members.invitations(bob)).invitations == ()
    assert not await house.floor.commands.exists(house.floor.keys.conversation(conversation).invited)


async def test_inviting_again_changes_and_tells_nothing(house: House, members: Members) -> None:
    bob = somebody()
    conversation = await house.conversation()
    first = await members.invite(conversation, ANN, bob)
    assert await members.invite(conversation, ANN, bob, "reader") == first
    await members.accept(conversation, bob)
    assert await house.conversations.role(conversation, bob) == "member"
    before = await kinds(house, conversation)
    await members.invite(conversation, ANN, bob)
    assert await kinds(house, conversation) == before


async def test_only_an_owner_asks_owners_in(house: House, members: Members) -> None:
    bob, cleo = somebody(), somebody()
    conversation = await house.conversation(cleo)
    with pytest.raises(Refused, match=r"role member may not do conversation\.members\.invite \(owner\)"):
        await members.invite(conversation, cleo, bob, "owner")
    await members.invite(conversation, ANN, bob, "owner")
    await members.accept(conversation, bob)
    assert await house.conversations.role(conversation, bob) == "owner"


async def test_strangers_invite_accept_and_decline_nothing(house: House, members: Members) -> None:
    for conversation in (await house.conversation(), ConversationId(fresh())):
        with pytest.raises(NotMember):
            await members.invite(conversation, EVE, EVE)
        with pytest.raises(NotMember):
            await members.accept(conversation, EVE)
        with pytest.raises(NotMember):
            await members.decline(conversation, EVE)


async def test_invitations_are_bounded(house: House, members: Members) -> None:
    conversation = await house.conversation()
    key = house.floor.keys.conversation(conversation).invited
    await house.floor.commands.hset(
        key, mapping={f"u{each}": f"member {ANN} 1" for each in range(MOST_INVITED)}
    )
    with pytest.raises(Refused, match="1000 users are invited"):
        await members.invite(conversation, ANN, somebody())
    await members.invite(conversation, ANN, "u7")


async def test_one_of_many_acceptances_and_refusals_counts(house: House, members: Members) -> None:
    bob = somebody()
    conversation = await house.conversation()
    await members.invite(conversation, ANN, bob)
    answers = [members.accept(conversation, bob) for _ in range(5)]
    answers += [members.decline(conversation, bob) for _ in range(5)]
    await asyncio.gather(*answers, return_exceptions=True)
    ends = [each for each in await kinds(house, conversation) if each != "member.invited"]
    assert len(ends) == 2
    is_member = await house.conversations.role(conversation, bob) == "member"
    assert ends == ["member.joined", "member.joined" if is_member else "member.declined"]


@pytest.mark.parametrize(
    ("user", "role", "named"), [("no one!", "member", "no one!"), ("bob", "agent", "agent")]
)
async def test_what_is_no_user_or_role_is_named(members: Members, user: str, role: str, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        await members.invite(fresh(), ANN, user, role)
    with pytest.raises(BadRequest, match=named):
        await members.change_role(fresh(), ANN, user, role)


async def test_a_deleted_conversation_invites_nobody_any_more(house: House, members: Members) -> None:
    bob, cleo = somebody(), somebody()
    conversation = await house.conversation(cleo)
    await members.invite(conversation, ANN, bob)
    await heard(house, bob, "member.invited")
    await house.deletion.delete(conversation, ANN, linger_ms=0)
    with pytest.raises(NotMember):
        await members.accept(conversation, bob)
    assert (await members.invitations(bob)).invitations == ()
    await eventually(house.deletion.work_off)
    await heard(house, bob, "member.invited", "conversation.deleted")
    at = house.floor.keys.user(bob)
    assert not await house.floor.commands.exists(at.invitations)
    assert not await house.floor.commands.exists(house.floor.keys.conversation(conversation).invited)


async def test_a_relay_of_the_release_before_leaves_invitations_to_one_of_this(
    shared_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(shared_redis.sentinels) as house:
        bob, members, conversation = somebody(), Members(house.floor), await house.conversation()
        await members.invite(conversation, ANN, bob)
        stream = house.floor.keys.conversation(conversation).shared.outbox
        entries: Any = await house.floor.commands.xrange(stream)
        waiting = [outbox._carried(stream.encode(), *each) for each in entries]
        mine = [each for each in waiting if each.conversation == conversation]
        known = {"member.joined", "member.left", "conversation.deleted", "turn.cancel"}
        with monkeypatch.context() as before:
            before.setattr(outbox, "_APPLIED", frozenset(known))
            await house.outbox.carry(mine)
        assert await told(house, bob) == []
        [invitation] = [each for each in mine if each.kind not in known]
        assert await house.floor.commands.xrange(stream, invitation.id, invitation.id)
        await house.outbox.carry([invitation])
        assert [each["type"] for each in await told(house, bob)] == ["member.invited"]
        assert len((await members.invitations(bob)).invitations) == 1
