"""What people have read, on a real Redis: never back, the same for all who ask, told once."""

import asyncio

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.outbox import Carried
from services.shared.model.errors import BadRequest, NotMember, QueueFull
from services.shared.model.ids import Channel
from tests.support.open_bus import fresh_id, fresh_user, open_bus
from tests.support.waiting import eventually

HIGH = 1 << 53


async def talk(bus: Bus, messages: int = 3) -> tuple[str, str, str]:
    """A conversation of two, in which the first said something; its id and both."""
    ann, bob, conversation = fresh_user("ann"), fresh_user("bob"), fresh_id()
    await bus.conversations.create(conversation, ann, members=[bob], answers={"assistant": "never"})
    for number in range(messages):
        await bus.messages.accept(conversation, ann, fresh_id(), f"message {number}")
    return conversation, ann, bob


async def events(bus: Bus, conversation: str, kind: str) -> list[dict[str, object]]:
    reading = await bus.journal.read(Channel.of_conversation(conversation), 0, deltas=False)
    told = (msgspec.json.decode(entry.body) for entry in reading.entries)
    return [event for event in told if event["type"] == kind]


async def stands(bus: Bus, conversation: str, user: str) -> tuple[int, int]:
    """How far a user has read, as a subscribe reply tells."""
    reading = await bus.journal.read(Channel.of_conversation(conversation), 0, user=user, deltas=False)
    return reading.read.seq, reading.read.unread


async def told(bus: Bus, user: str) -> list[dict[str, object]]:
    reading = await bus.journal.read(Channel.of_user(user), 0, deltas=False)
    return [msgspec.json.decode(entry.body) for entry in reading.entries]


async def test_what_is_unread_is_told_by_lists_and_subscribe_replies(bus: Bus) -> None:
    conversation, ann, bob = await talk(bus)
    relay = asyncio.create_task(bus.outbox.relay(fresh_id()))
    noted = await bus.receipts.read(conversation, bob, 2)
    assert (noted.read.seq, noted.read.unread, noted.repeated) == (2, 1, False)
    assert await stands(bus, conversation, bob) == (2, 1)
    [listed] = await eventually(lambda: bus.conversations.list_of(bob))
    assert (listed.read, listed.unread) == (2, 1)
    [receipt] = await events(bus, conversation, "receipt.read")
    assert (receipt["user"], receipt["seq"], receipt["unread"]) == (bob, 2, 1)

    async def receipts() -> list[dict[str, object]]:
        return [each for each in await told(bus, bob) if each["type"] == "receipt.read"]

    [on_user] = await eventually(receipts)
    assert {**on_user, "time": 0} == {**receipt, "time": 0}
    assert [each for each in await told(bus, ann) if each["type"] == "receipt.read"] == []
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)


async def test_who_says_something_has_read_all_before_it(bus: Bus) -> None:
    conversation, ann, bob = await talk(bus)
    assert await stands(bus, conversation, ann) == (3, 0)
    assert await stands(bus, conversation, bob) == (0, 3)
    await bus.messages.accept(conversation, bob, fresh_id(), "so do I")
    assert (await stands(bus, conversation, bob), await stands(bus, conversation, ann)) == ((4, 0), (3, 1))
    assert [each["seq"] for each in await events(bus, conversation, "message.created")] == [1, 2, 3, 4]


async def test_a_repeat_and_a_lower_number_change_and_tell_nothing(bus: Bus) -> None:
    conversation, _, bob = await talk(bus)
    await bus.receipts.read(conversation, bob, 2)
    for seq in (2, 1, 0):
        again = await bus.receipts.read(conversation, bob, seq)
        assert (again.read.seq, again.read.unread, again.repeated) == (2, 1, True)
    assert len(await events(bus, conversation, "receipt.read")) == 1


async def test_above_the_top_it_counts_as_the_top(bus: Bus) -> None:
    conversation, _, bob = await talk(bus)
    assert (await bus.receipts.read(conversation, bob, HIGH)).read.seq == 3
    await bus.messages.accept(conversation, bob, fresh_id(), "one more")
    assert await stands(bus, conversation, bob) == (4, 0)


async def test_who_left_and_comes_back_has_read_nothing(bus: Bus) -> None:
    conversation, ann, bob = await talk(bus)
    await bus.receipts.read(conversation, bob, 3)
    await bus.conversations.remove_member(conversation, ann, bob)
    with pytest.raises(NotMember):
        await bus.receipts.read(conversation, bob, 3)
    assert await stands(bus, conversation, bob) == (0, 0), "a stranger is told nothing"
    await bus.conversations.add_member(conversation, ann, bob)
    assert await stands(bus, conversation, bob) == (0, 3)


async def test_what_is_wrong_is_refused_by_name_and_changes_nothing(bus: Bus) -> None:
    conversation, _, bob = await talk(bus)
    for arguments in (("nonsense", bob, 1), (conversation, "", 1), (conversation, bob, -1)):
        with pytest.raises(BadRequest):
            await bus.receipts.read(*arguments)
    with pytest.raises(NotMember):
        await bus.receipts.read(fresh_id(), bob, 1)
    assert await stands(bus, conversation, bob) == (0, 3)


async def test_nothing_is_read_that_devices_could_not_be_told_of(bus: Bus) -> None:
    conversation, _, bob = await talk(bus)
    outbox = bus.floor.keys.conversation(conversation).shared.outbox
    async with bus.floor.commands.pipeline(transaction=False) as pipe:
        for _ in range(10_000):
            pipe.xadd(outbox, {"kind": "of a later release"})
        ids = await pipe.execute()
    try:
        with pytest.raises(QueueFull):
            await bus.receipts.read(conversation, bob, 1)
    finally:
        await bus.floor.commands.xdel(outbox, *ids)
    assert await stands(bus, conversation, bob) == (0, 3)


async def test_a_notice_that_is_carried_twice_is_told_once(bus: Bus) -> None:
    bob, conversation = fresh_user("bob"), fresh_id()
    stream = bus.floor.keys.conversation(conversation).shared.outbox.encode()
    payload = msgspec.json.encode({"type": "receipt.read", "conversation": conversation})
    first = Carried(stream, b"7-1", "receipt.read", conversation, bob, "", 0, payload)
    second = Carried(stream, b"7-2", "receipt.read", conversation, bob, "", 0, payload)
    for entry in (first, second, first, second):
        await bus.outbox.carry([entry])
    assert len(await told(bus, bob)) == 2


async def test_typing_is_told_to_followers_and_kept_nowhere(bus: Bus) -> None:
    conversation, ann, _ = await talk(bus, messages=0)
    before = await bus.floor.commands.hgetall(bus.floor.keys.conversation(conversation).head)
    listening = bus.floor.blocking.pubsub()
    await listening.subscribe(bus.floor.keys.conversation(conversation).live)
    assert await listening.get_message(timeout=10)  # the subscription's own
    await bus.receipts.typing(conversation, ann, typing=True, expires_ms=6000)
    heard = await listening.get_message(timeout=10)
    await listening.aclose()  # type: ignore[no-untyped-call]  # redis' types
    assert heard["data"].startswith(b'1 t - 0 {"time":')
    event = msgspec.json.decode(heard["data"].split(b" ", 4)[4])
    assert {**event, "time": 0} == {
        "type": "typing",
        "time": 0,
        "conversation": conversation,
        "user": ann,
        "typing": True,
        "expires_ms": 6000,
    }
    assert await bus.floor.commands.hgetall(bus.floor.keys.conversation(conversation).head) == before


async def test_a_deleted_message_keeps_its_place_among_the_unread_and_one_that_is_gone_does_not(
    bus: Bus, shared_redis: EmbeddedRedis
) -> None:
    conversation, ann, bob = await talk(bus)
    messages = [each["message"] for each in await events(bus, conversation, "message.created")]
    await bus.receipts.read(conversation, bob, 1)
    await bus.edits.delete(conversation, ann, str(messages[2]))
    assert await stands(bus, conversation, bob) == (1, 2)
    await bus.rewinds.rewind(conversation, ann, fresh_id(), str(messages[2]), ask=False)
    assert await stands(bus, conversation, bob) == (1, 1)
    async with open_bus(shared_redis, messages_kept=1) as strict:
        await strict.messages.accept(conversation, ann, fresh_id(), "the only one kept")
    assert await stands(bus, conversation, bob) == (1, 1)
