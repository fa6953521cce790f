"""The relay between partitions: what a membership change does to the user's own partition, once, however
often it is carried.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.outbox import Carried
from services.shared.model.ids import UserId
from services.shared.wire.envelopes import ControlEntry
from tests.support.bus_house import ANN, WORKER, House, fresh, open_house
from tests.support.waiting import eventually


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


@pytest.fixture
async def relayed(house: House) -> AsyncIterator[House]:
    """A house in which two processes relay."""
    relays = [asyncio.create_task(house.outbox.relay(fresh())) for _ in range(2)]
    yield house
    for relay in relays:
        relay.cancel()
    await asyncio.gather(*relays, return_exceptions=True)


def a_user() -> UserId:
    return UserId(f"user-{fresh()}")


def joined(house: House, user: str, conversation: str, version: int, kind: str = "member.joined") -> Carried:
    stream = house.floor.keys.conversation(conversation).shared.outbox.encode()
    payload = msgspec.json.encode({"type": kind, "conversation": conversation, "user": user})
    return Carried(stream, b"1-1", kind, conversation, user, "", version, payload)


async def told(house: House, user: str) -> list[str]:
    entries = await house.floor.commands.xrange(house.floor.keys.user(user).journal)
    return [msgspec.json.decode(fields[b"b"])["type"] for _, fields in entries]


async def version(house: House, user: str, conversation: str) -> int:
    return int(await house.floor.commands.hget(house.floor.keys.user(user).conversations, conversation) or 0)


async def test_a_new_member_is_told_and_finds_the_conversation_in_the_list(relayed: House) -> None:
    bob = a_user()
    conversation = await relayed.conversation(bob)
    [summary] = await eventually(lambda: relayed.conversations.list_of(bob))
    assert summary.id == conversation
    assert await told(relayed, bob) == ["member.joined"]


async def test_a_removed_member_is_told_loses_the_list_entry_and_all_processes_hear(relayed: House) -> None:
    bob = a_user()
    conversation = await relayed.conversation(bob)
    await eventually(lambda: relayed.conversations.list_of(bob))
    heard: list[ControlEntry] = []

    async def follow() -> None:
        async for entry in relayed.control.follow():
            heard.append(entry)  # noqa: PERF401 - it is read while it grows

    follower = asyncio.create_task(follow())
    # Followers hear what comes after their start, so say something until this one hears it.
    sign = ControlEntry("turn.cancel", fresh())

    async def hears() -> bool:
        await relayed.control.publish(sign)
        return sign in heard

    await eventually(hears)
    await relayed.conversations.remove_member(conversation, ANN, bob)
    await eventually(lambda: ControlEntry("member.removed", conversation, user=bob) in heard)
    follower.cancel()
    await asyncio.gather(follower, return_exceptions=True)
    assert await told(relayed, bob) == ["member.joined", "member.left"]
    assert await relayed.conversations.list_of(bob) == []


async def test_nothing_stays_in_the_outbox_that_was_carried(relayed: House) -> None:
    conversation = await relayed.conversation(a_user(), a_user())
    outbox = relayed.floor.keys.conversation(conversation).shared.outbox

    async def emptied() -> bool:
        return not await relayed.floor.commands.xlen(outbox)

    await eventually(emptied)


async def test_an_entry_carried_twice_is_told_once(house: House) -> None:
    bob, conversation = a_user(), fresh()
    entry = joined(house, bob, conversation, 1)
    await house.outbox.carry([entry, entry])
    await house.outbox.carry([entry])
    assert await told(house, bob) == ["member.joined"]
    assert await version(house, bob, conversation) == 1


async def test_an_older_change_that_arrives_late_does_not_undo_a_newer_one(house: House) -> None:
    bob, conversation = a_user(), fresh()
    await house.outbox.carry([joined(house, bob, conversation, 3, "member.left")])
    await house.outbox.carry([joined(house, bob, conversation, 2)])
    assert await version(house, bob, conversation) == 0
    assert await told(house, bob) == ["member.left"]


async def test_that_a_user_left_is_remembered_for_a_time_and_does_not_grow_the_list(house: House) -> None:
    bob, conversation = a_user(), fresh()
    at = house.floor.keys.user(bob)
    await house.outbox.carry([joined(house, bob, conversation, 1)])
    await house.outbox.carry([joined(house, bob, conversation, 2, "member.left")])
    assert not await house.floor.commands.exists(at.conversations)
    assert await house.floor.commands.get(at.left(conversation)) == b"2"
    assert await house.floor.commands.ttl(at.left(conversation)) > 0
    await house.outbox.carry([joined(house, bob, conversation, 3)])
    assert not await house.floor.commands.exists(at.left(conversation))


async def test_who_comes_back_after_leaving_is_in_again(house: House) -> None:
    bob, conversation = a_user(), fresh()
    for number, kind in enumerate(["member.joined", "member.left", "member.joined"], start=1):
        await house.outbox.carry([joined(house, bob, conversation, number, kind)])
    assert await version(house, bob, conversation) == 3
    assert await told(house, bob) == ["member.joined", "member.left", "member.joined"]


async def test_an_entry_of_a_kind_unknown_to_this_release_is_left_for_a_newer_one(house: House) -> None:
    conversation = fresh()
    outbox = house.floor.keys.conversation(conversation).shared.outbox
    fields = {"kind": "from.tomorrow", "conversation": conversation}
    entry_id = await house.floor.commands.xadd(outbox, fields)
    entry = Carried(outbox.encode(), entry_id, "from.tomorrow", conversation, "", "", 0, b"")
    await house.outbox.carry([entry])
    assert await house.floor.commands.xrange(outbox, entry_id, entry_id)
    await house.floor.commands.xdel(outbox, entry_id)


async def consumers(house: House, stream: str, group: str) -> set[str]:
    return {each["name"].decode() for each in await house.floor.commands.xinfo_consumers(stream, group)}


async def test_a_relay_that_ends_is_struck_off_and_one_that_holds_something_is_not(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_house(own_redis.sentinels) as house:
        outbox = house.floor.keys.conversation(fresh()).shared.outbox
        relay = asyncio.create_task(house.outbox.relay("ending"))
        await eventually(lambda: listed(house, outbox, "ending"))
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)
        assert await consumers(house, outbox, "relay") == set()

        await house.floor.commands.xadd(outbox, {"kind": "from.tomorrow", "conversation": fresh()})
        assert len(await house.outbox._fresh("holder")) == 1
        assert await house.outbox._fresh("idler") == []
        assert await consumers(house, outbox, "relay") == {"holder", "idler"}
        ready = house.floor.keys.conversation(fresh()).shared.ready
        for _ in range(2):
            await house.turns.ready(WORKER, block_ms=1, count=1)
        assert await house.outbox.sweep() == 0, "nobody is gone for an hour"
        await house.outbox.sweep(idle_ms=0)
        assert await consumers(house, outbox, "relay") == {"holder"}
        assert await consumers(house, ready, "workers") == set()


async def listed(house: House, stream: str, name: str) -> bool:
    groups = await house.floor.commands.exists(stream)
    return bool(groups) and name in await consumers(house, stream, "relay")
