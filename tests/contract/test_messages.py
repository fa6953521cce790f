"""Accepting messages and reading them back on a real Redis: once, in order, by members, bounded."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import BadRequest, MessageConflict, NotMember, NotReplicated, QueueFull
from services.shared.model.ids import Channel
from services.shared.model.position import Position
from tests.support.open_bus import fresh_id, open_bus


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as opened:
        yield opened


async def conversation_of(bus: Bus, *agents: str) -> str:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann", members=["bob"], agents=agents)
    return conversation


async def ready_count(bus: Bus, conversation: str) -> int:
    entries = await bus.floor.commands.xrange(bus.floor.keys.conversation(conversation).shared.ready)
    return sum(fields[b"c"] == conversation.encode() for _, fields in entries)


async def test_messages_said_at_once_get_places_without_gap_or_repeat(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    said = [(fresh_id(), "ann" if number % 2 else "bob") for number in range(60)]
    accepted = await asyncio.gather(
        *(bus.messages.accept(conversation, user, message, "hi") for message, user in said)
    )
    assert sorted(each.position.offset for each in accepted) == list(range(3, 63))
    page = await bus.messages.history(conversation, "ann", limit=200)
    by_place = sorted(accepted, key=lambda each: each.position.offset)
    assert [message.id for message in page.messages] == [each.message for each in by_place]
    assert [message.seq for message in page.messages] == list(range(1, 61))


async def test_an_accepted_message_is_kept_told_and_queued_as_one_turn_per_agent(bus: Bus) -> None:
    conversation, message = await conversation_of(bus, "one", "two"), fresh_id()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    accepted = await bus.messages.accept(conversation, "bob", message, "hé \U0001f600", trace=trace)
    reading = await bus.journal.read(Channel.of_conversation(conversation), 2, deltas=False)
    event = msgspec.json.decode(reading.entries[0].body)
    assert event.pop("time") > 1_600_000_000_000
    assert event == {
        "type": "message.created",
        "trace": trace,
        "conversation": conversation,
        "message": message,
        "user": "bob",
        "text": "hé \U0001f600",
        "seq": 1,
    }
    keys = bus.floor.keys.conversation(conversation)
    queued = await bus.floor.commands.lrange(keys.fifo, 0, -1)
    assert [turn.decode() for turn in queued] == list(accepted.turns)
    records = [await bus.floor.commands.hgetall(keys.turn(turn)) for turn in accepted.turns]
    assert [record[b"agent"] for record in records] == [b"one", b"two"]
    for turn, record in zip(accepted.turns, records, strict=True):
        assert int(record.pop(b"queued_ms")) > 0
        assert {key.decode(): value.decode() for key, value in record.items() if key != b"agent"} == {
            "id": turn,
            "conversation": conversation,
            "messages": message,
            "state": "queued",
            "attempts": "0",
            "trace": trace,
            "format": "1",
        }


async def test_a_conversation_is_called_ready_only_when_it_was_idle(bus: Bus) -> None:
    conversation = await conversation_of(bus, "one", "two")
    for _ in range(3):
        await bus.messages.accept(conversation, "ann", fresh_id(), "hi")
    assert await ready_count(bus, conversation) == 1


async def test_a_conversation_somebody_has_the_lease_of_is_not_called_ready(bus: Bus) -> None:
    conversation = await conversation_of(bus, "one")
    await bus.floor.commands.hset(bus.floor.keys.conversation(conversation).lease, "token", 1)
    await bus.messages.accept(conversation, "ann", fresh_id(), "hi")
    assert await ready_count(bus, conversation) == 0


async def test_a_conversation_without_agents_queues_nothing(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    accepted = await bus.messages.accept(conversation, "ann", fresh_id(), "hi")
    assert accepted.turns == ()
    assert await ready_count(bus, conversation) == 0


async def test_a_repeat_gets_the_first_position_and_turns_and_adds_nothing(bus: Bus) -> None:
    conversation, message = await conversation_of(bus, "one"), fresh_id()
    first = await bus.messages.accept(conversation, "ann", message, "hi")
    await bus.messages.accept(conversation, "bob", fresh_id(), "between")
    again = await bus.messages.accept(conversation, "ann", message, "hi")
    assert (again.position, again.turns, again.repeated) == (first.position, first.turns, True)
    page = await bus.messages.history(conversation, "ann")
    assert (len(page.messages), page.head.top) == (2, 4)


async def test_an_id_used_for_another_text_or_by_another_user_is_a_conflict(bus: Bus) -> None:
    conversation, message = await conversation_of(bus), fresh_id()
    await bus.messages.accept(conversation, "ann", message, "hi")
    with pytest.raises(MessageConflict):
        await bus.messages.accept(conversation, "ann", message, "ho")
    with pytest.raises(MessageConflict):
        await bus.messages.accept(conversation, "bob", message, "hi")
    page = await bus.messages.history(conversation, "ann")
    assert [each.text for each in page.messages] == ["hi"]


async def test_strangers_and_former_members_say_and_read_nothing(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    await bus.conversations.remove_member(conversation, "bob", "bob")
    for user, where in (("eve", conversation), ("bob", conversation), ("ann", fresh_id())):
        with pytest.raises(NotMember):
            await bus.messages.accept(where, user, fresh_id(), "hi")
        with pytest.raises(NotMember):
            await bus.messages.history(where, user)
    assert (await bus.messages.history(conversation, "ann")).messages == ()


async def test_a_full_queue_stores_nothing_and_repeats_what_it_took(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis, fifo_length=3) as bus:
        conversation, first = await conversation_of(bus, "one", "two"), fresh_id()
        await bus.messages.accept(conversation, "ann", first, "hi")
        before = await bus.messages.history(conversation, "ann")
        with pytest.raises(QueueFull):
            await bus.messages.accept(conversation, "ann", fresh_id(), "too many")
        assert await bus.messages.history(conversation, "ann") == before
        assert (await bus.messages.accept(conversation, "ann", first, "hi")).repeated


async def test_history_goes_back_page_by_page_and_says_when_it_ends(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    for number in range(1, 8):
        await bus.messages.accept(conversation, "ann", fresh_id(), f"m{number}")
    newest = await bus.messages.history(conversation, "bob", limit=3)
    middle = await bus.messages.history(conversation, "bob", before=newest.messages[0].seq, limit=3)
    oldest = await bus.messages.history(conversation, "bob", before=middle.messages[0].seq, limit=3)
    texts = [[message.text for message in page.messages] for page in (newest, middle, oldest)]
    assert texts == [["m5", "m6", "m7"], ["m2", "m3", "m4"], ["m1"]]
    assert [page.more for page in (newest, middle, oldest)] == [True, True, False]
    assert newest.head.top == 9
    exact = await bus.messages.history(conversation, "bob", limit=7)
    assert not exact.more
    for bad in ({"limit": 0}, {"limit": 201}, {"before": 0}):
        with pytest.raises(BadRequest, match=next(iter(bad))):
            await bus.messages.history(conversation, "bob", **bad)


async def test_the_page_and_its_position_are_of_one_moment(bus: Bus) -> None:
    """A device subscribes from the page's head: a message must be on the page or behind that position, never
    neither.
    """
    conversation = await conversation_of(bus)

    async def talk() -> None:
        for _ in range(40):
            await bus.messages.accept(conversation, "ann", fresh_id(), "hi")

    async with asyncio.TaskGroup() as both:
        talking = both.create_task(talk())
        pages = []
        while not talking.done():
            pages.append(await bus.messages.history(conversation, "bob", limit=200))
    assert len({page.head.top for page in pages}) > 1
    for page in pages:
        assert len(page.messages) == page.head.top - 2


async def test_a_message_no_replica_confirms_is_not_acknowledged_and_its_repeat_is(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_bus(own_redis, redis_wait_ms=150) as bus, open_bus(own_redis, acks="master") as hasty:
        conversation, message = await conversation_of(bus), fresh_id()
        replicas = own_redis.replicas
        for replica in replicas:
            own_redis.freeze(replica)
        with pytest.raises(NotReplicated):
            await bus.messages.accept(conversation, "ann", message, "hi")
        with pytest.raises(NotReplicated):
            await bus.messages.accept(conversation, "ann", message, "hi")
        # Without waiting the same servers acknowledge: what refused above was the wait.
        assert (await hasty.messages.accept(conversation, "ann", message, "hi")).repeated
        for replica in replicas:
            own_redis.thaw(replica)
        accepted = await bus.messages.accept(conversation, "ann", message, "hi")
        assert accepted.repeated
        assert accepted.position == Position(accepted.position.epoch, 3)
