"""Who is present, away and absent, in pages; and large conversations, where joins and leaves are numbers."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.attendees import Attendees
from services.shared.model.errors import NotMember
from services.shared.model.ids import ConversationId, UserId
from services.shared.model.presence import Attendee, State, Totals
from tests.contract.test_roster import AGES_MS, a_connection, a_node
from tests.support.bus_house import ANN, House, open_house
from tests.support.waiting import eventually

BOB, CAT, DAN = UserId("bob"), UserId("cat"), UserId("dan")


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


async def page(house: House, talk: ConversationId, **how: Any) -> Any:
    return await Attendees(house.floor).page(talk, ANN, **how)


async def test_states_seats_and_last_seen_of_each(house: House) -> None:
    talk, node, phone, once = (
        await house.conversation(BOB, CAT, DAN),
        a_node(),
        a_connection(),
        a_connection(),
    )
    roster, began = house.roster, house.floor.clock.now_ms()
    for connection in (phone, a_connection()):
        await roster.enter(talk, connection, ANN, None, node)
    await roster.enter(talk, once, CAT, None, node)
    await roster.leave(talk, once, CAT, node, grace_ms=0)
    await roster.depart_due()
    await roster.enter(talk, once, BOB, None, node)
    await roster.leave(talk, once, BOB, node, grace_ms=AGES_MS)
    found = await page(house, talk)
    assert found.totals == Totals(present=1, away=1, connections=2)
    ann, bob, cat = found.users
    assert ann == Attendee(ANN, State.PRESENT, 2, None)
    assert (bob.user, bob.state, cat.user, cat.state) == (BOB, State.AWAY, CAT, State.ABSENT)
    assert all(began <= each.last_seen <= house.floor.clock.now_ms() for each in (bob, cat))
    await roster.enter(talk, once, CAT, None, node)
    assert (await page(house, talk)).users[2] == Attendee(CAT, State.PRESENT, 1, None)


async def test_pages_follow_each_other_and_hold_nobody_who_was_removed(house: House) -> None:
    names = [UserId(f"user-{number}") for number in range(9)]
    talk, node = await house.conversation(*names), a_node()
    for name in names:
        await house.roster.enter(talk, a_connection(), name, None, node)
    for name in names[1:4]:
        await house.conversations.remove_member(talk, ANN, name)
    first = await page(house, talk, limit=4)
    assert ([each.user for each in first.users], first.more) == ([names[0], *names[4:7]], True)
    second = await page(house, talk, after=names[6], limit=4)
    assert ([each.user for each in second.users], second.more) == (names[7:], False)


async def test_a_stranger_sees_nobody(house: House) -> None:
    talk = await house.conversation()
    with pytest.raises(NotMember):
        await Attendees(house.floor).page(talk, BOB)


async def test_of_one_who_was_removed_nothing_is_kept(house: House) -> None:
    talk, node, connection = await house.conversation(BOB), a_node(), a_connection()
    await house.roster.enter(talk, connection, BOB, None, node)
    await house.conversations.remove_member(talk, ANN, BOB)
    await house.roster.leave(talk, connection, BOB, node, grace_ms=0)
    at = house.floor.keys.conversation(talk)
    assert not await house.floor.commands.exists(at.attendees, at.seen)


async def test_no_more_connections_are_listed_than_asked_for(house: House) -> None:
    talk, node = await house.conversation(), a_node()
    for _ in range(700):
        await house.roster.enter(talk, a_connection(), ANN, None, node)
    assert len(await house.roster.of(talk)) == len(await house.roster.of(talk, 700)) == 700
    assert len(await house.roster.of(talk, 600)) == 600


async def heard(feed: Any) -> list[tuple[str, dict[str, Any]]]:
    """(kind, body) of everything that was published."""
    found = []
    while said := await feed.get_message(ignore_subscribe_messages=True, timeout=0.2):
        _, kind, _, _, body = said["data"].split(b" ", 4)
        found.append((kind.decode(), msgspec.json.decode(body)))
    return found


async def test_where_many_are_present_numbers_are_told_and_only_so_often(shared_redis: EmbeddedRedis) -> None:
    """Three users are many here: the fourth and the fifth are counted, and so is the leave of the fifth."""
    async with open_house(shared_redis.sentinels, presence_large=3, presence_coalesce_s=0.2) as house:
        names = [UserId(f"user-{number}") for number in range(5)]
        talk, node, seats = await house.conversation(*names), a_node(), [a_connection() for _ in range(5)]
        feed = house.floor.blocking.pubsub()
        await feed.subscribe(house.floor.keys.conversation(talk).live)
        await feed.get_message(timeout=5)
        for name, seat in zip(names, seats, strict=True):
            await house.roster.enter(talk, seat, name, None, node)
        assert [(kind, body["user"]) for kind, body in await heard(feed)] == [
            ("j", name) for name in names[:3]
        ]
        assert await eventually(house.roster.tell_crowds) == 1
        ((kind, told),) = await heard(feed)
        assert (kind, told["type"], told["conversation"]) == ("t", "presence.changed", talk)
        assert (told["users"], told["connections"]) == (5, 5)
        for name, seat in zip(names[1:], seats[1:], strict=True):
            await house.roster.leave(talk, seat, name, node, grace_ms=0)
        await house.roster.depart_due()
        assert await eventually(house.roster.tell_crowds) == 1
        ((kind, told),) = [each for each in await heard(feed) if each[0] == "t"]
        assert (kind, told["users"], told["connections"]) == ("t", 1, 1)
        await feed.aclose()
