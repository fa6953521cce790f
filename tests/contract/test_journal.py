"""Journals on a real Redis: what a read promises, what retention drops, and what a failover does to
positions.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import NotReplicated
from services.shared.model.events import MemberJoined
from services.shared.model.ids import AgentName, AttemptId, Channel, ConversationId, MessageId, NodeId
from services.shared.model.position import Position, serves
from services.shared.model.turn import Lease, Ready, Turn
from tests.support.open_bus import fresh_id, fresh_user, open_bus
from tests.support.waiting import eventually


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as opened:
        yield opened


async def conversation_of(bus: Bus, *agents: str) -> str:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann", agents=agents)
    return conversation


async def say(bus: Bus, conversation: str, times: int = 1) -> Position:
    last = [await bus.messages.accept(conversation, "ann", fresh_id(), "hi") for _ in range(times)][-1]
    return last.position


async def running_turn(bus: Bus, conversation: str) -> tuple[Lease, Turn]:
    ready = Ready(bus.floor.keys.conversation(conversation).partition, ConversationId(conversation))
    attempt, worker = AttemptId(fresh_id()), NodeId(fresh_id())
    lease = await bus.leases.claim(ready, worker=worker, attempt=attempt, lease_ms=60_000)
    assert lease is not None
    turn = await bus.turns.begin(lease)
    assert turn is not None
    return lease, turn


async def test_a_read_has_what_came_after_the_position_and_the_head_of_that_moment(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    await say(bus, conversation, 5)
    reading = await bus.journal.read(Channel.of_conversation(conversation), 2, user="ann", deltas=True)
    assert [entry.offset for entry in reading.entries] == [3, 4, 5, 6]
    assert (reading.head.top, reading.head.low, reading.since) == (6, 0, 2)
    assert (reading.exists, reading.role) == (True, "owner")
    assert reading.head.position.epoch.startswith(reading.replid[:10])
    assert reading.replid == await bus.confirmer.tick()


async def test_strangers_have_no_role_and_what_is_not_there_does_not_exist(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    there = await bus.journal.read(Channel.of_conversation(conversation), 0, user="eve", deltas=False)
    missing = await bus.journal.read(Channel.of_conversation(fresh_id()), 0, user="eve", deltas=False)
    assert (there.exists, there.role) == (True, None)
    assert (missing.exists, missing.role, missing.entries) == (False, None, ())
    assert not serves(missing.head, there.head.position)


async def test_an_unfinished_message_is_read_whole_and_its_deltas_leave_when_it_is_complete(bus: Bus) -> None:
    conversation = await conversation_of(bus, "assistant")
    channel = Channel.of_conversation(conversation)
    await say(bus, conversation)
    lease, turn = await running_turn(bus, conversation)
    message = MessageId(fresh_id())
    await bus.turns.start_message(lease, turn, message, AgentName("assistant"))
    await bus.turns.delta(lease, turn, message, 0, "Gr\u00fc\u00df ")
    await bus.turns.delta(lease, turn, message, 5, "\U0001f600!")

    with_deltas = await bus.journal.read(channel, 0, deltas=True)
    without = await bus.journal.read(channel, 0, deltas=False)
    assert [entry.kind for entry in with_deltas.entries].count("d") == 2
    assert [entry.kind for entry in without.entries].count("d") == 0
    [unfinished] = without.open
    assert (unfinished.message, unfinished.text, unfinished.at) == (message, "Gr\u00fc\u00df \U0001f600!", 8)
    assert (unfinished.turn, unfinished.attempt) == (turn.id, turn.attempt)

    said = "Gr\u00fc\u00df \U0001f600!"
    done = await bus.turns.complete_message(lease, turn, message, said, source="s1")
    after = await bus.journal.read(channel, 0, deltas=True)
    assert {entry.kind for entry in after.entries} == {"e"}
    assert after.open == ()
    assert (after.head.top, after.head.low) == (done.position.offset, 0)
    # A reader who stood among the deltas has missed nothing that is not in the completed message.
    assert serves(after.head, Position(done.position.epoch, done.position.offset - 1))


async def test_retention_raises_low_and_a_reader_below_it_is_not_served(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis, journal_length=4) as bus:
        conversation = await conversation_of(bus)
        position = await say(bus, conversation, 9)
        reading = await bus.journal.read(Channel.of_conversation(conversation), 0, deltas=True)
        assert [entry.offset for entry in reading.entries] == [7, 8, 9, 10]
        assert (reading.head.top, reading.head.low) == (10, 6)
        served = [serves(reading.head, Position(position.epoch, offset)) for offset in range(12)]
        assert served == [False] * 6 + [True] * 5 + [False]


async def test_deltas_that_retention_drops_do_not_raise_low_but_are_told(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis, journal_length=4) as bus:
        conversation = await conversation_of(bus, "assistant")
        await say(bus, conversation)
        lease, turn = await running_turn(bus, conversation)
        message = MessageId(fresh_id())
        started = await bus.turns.start_message(lease, turn, message, AgentName("assistant"))
        for at in range(10):
            await bus.turns.delta(lease, turn, message, at, "x")
        channel = Channel.of_conversation(conversation)
        reading = await bus.journal.read(channel, 0, deltas=True)
        assert len(reading.entries) == 4
        assert reading.head.low == started.position.offset
        assert reading.head.low_delta == reading.head.top - 4
        assert (await bus.journal.tops([channel]))[channel] == reading.head
        assert reading.open[0].text == "x" * 10


async def test_a_journal_that_expired_serves_only_who_stood_at_its_top(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    position = await say(bus, conversation, 3)
    keys, channel = bus.floor.keys.conversation(conversation), Channel.of_conversation(conversation)
    assert await bus.floor.commands.ttl(keys.journal) > 0
    await bus.floor.commands.delete(keys.journal)
    head = (await bus.journal.read(channel, 0, deltas=True)).head
    assert serves(head, position)
    assert not serves(head, Position(position.epoch, position.offset - 1))
    await say(bus, conversation)
    head = (await bus.journal.read(channel, 0, deltas=True)).head
    assert serves(head, position)
    assert not serves(head, Position(position.epoch, position.offset - 1))


async def test_a_users_channel_is_born_by_its_first_read_and_takes_an_event_once(bus: Bus) -> None:
    user = fresh_user("ann")
    channel, event = Channel.of_user(user), MemberJoined(fresh_id(), user, "bob", "member")
    empty = await bus.journal.read(channel, 0, deltas=False)
    first = await bus.journal.append_user(user, event, once="1-0")
    again = await bus.journal.append_user(user, event, once="1-0")
    other = await bus.journal.append_user(user, event, once="2-0")
    assert (first.position.offset, again.position, other.position.offset) == (1, first.position, 2)
    assert first.position.epoch == empty.head.position.epoch
    reading = await bus.journal.read(channel, 0, deltas=False)
    assert [msgspec.json.decode(entry.body)["user"] for entry in reading.entries] == [user, user]
    keys = bus.floor.keys.user(user)
    for key in (keys.head, keys.journal, keys.once("1-0")):
        assert await bus.floor.commands.ttl(key) > 0


async def test_a_journal_made_anew_under_the_same_master_is_another_epoch(bus: Bus) -> None:
    user = fresh_user("ann")
    channel, event = Channel.of_user(user), MemberJoined(fresh_id(), user, "bob", "member")
    before = await bus.journal.append_user(user, event, once="1")
    keys = bus.floor.keys.user(user)
    await bus.floor.commands.delete(keys.head, keys.journal)
    await bus.journal.append_user(user, event, once="2")
    head = (await bus.journal.read(channel, 0, deltas=False)).head
    assert not serves(head, before.position)


async def test_an_excerpt_is_as_long_as_asked_from_either_end(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    await say(bus, conversation, 450)
    channel = Channel.of_conversation(conversation)

    async def offsets(at: int | None, limit: int, *, reverse: bool) -> tuple[list[int], bool]:
        found = await bus.journal.excerpt(channel, at, user="ann", limit=limit, reverse=reverse)
        return [entry.offset for entry in found.entries], found.whole

    assert await offsets(None, 0, reverse=False) == ([], False)
    assert await offsets(None, 2, reverse=False) == ([1, 2], False)
    assert await offsets(449, 2, reverse=False) == ([450, 451], True)
    assert await offsets(None, 2, reverse=True) == ([451, 450], False)
    assert await offsets(3, 300, reverse=True) == ([2, 1], True)
    assert await offsets(0, 300, reverse=True) == ([], True)
    assert await offsets(1, 300, reverse=False) == ([*range(2, 302)], False)
    assert await offsets(1, 1000, reverse=False) == ([*range(2, 452)], True)


async def test_what_one_device_missed_is_read_up_to_a_bound_of_bytes(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis, reply_bytes=65_536, recovery_bytes=65_536) as bus:
        conversation = await conversation_of(bus, "assistant")
        texts = ["x" * 30_000] * 3 + ["y" * 100_000]
        said = [await bus.messages.accept(conversation, "ann", fresh_id(), text) for text in texts]
        channel, offsets = Channel.of_conversation(conversation), [each.position.offset for each in said]
        beyond = await bus.journal.read(channel, 0, deltas=False)
        assert (beyond.whole, beyond.entries[-1].offset) == (False, offsets[1])
        last = await bus.journal.read(channel, offsets[2], deltas=False)
        assert (last.whole, [each.offset for each in last.entries]) == (True, [offsets[3]])
        assert (await bus.journal.read(channel, 0, deltas=True)).whole, "a repair reads everything"
        newest = await bus.messages.history(conversation, "ann")
        assert ([len(each.text) for each in newest.messages], newest.more) == ([100_000], True)
        older = await bus.messages.history(conversation, "ann", before=newest.messages[0].seq)
        assert ([each.seq for each in older.messages], older.more) == ([2, 3], True)


async def test_tops_of_many_channels_come_in_one_go_and_leave_out_what_is_not_there(bus: Bus) -> None:
    made = [await conversation_of(bus) for _ in range(20)]
    await asyncio.gather(*(say(bus, each, 1 + number % 3) for number, each in enumerate(made)))
    missing = Channel.of_conversation(fresh_id())
    channels = [Channel.of_conversation(conversation) for conversation in made]
    tops = await bus.journal.tops([*channels, missing])
    assert missing not in tops
    assert [tops[channel].top for channel in channels] == [2 + number % 3 for number in range(20)]


async def fail_over(redis: EmbeddedRedis) -> None:
    """Kill the master; return when the Sentinels name another."""
    lost = redis.master
    redis.kill(lost)
    await eventually(lambda: redis.master != lost, within_s=20)


async def test_positions_from_before_a_failover_stay_good_and_go_on_in_the_new_epoch(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_bus(own_redis) as bus:
        conversation = await conversation_of(bus)
        channel = Channel.of_conversation(conversation)
        old = await say(bus, conversation, 3)
        await fail_over(own_redis)
        unchanged = await bus.journal.read(channel, old.offset, deltas=False)
        assert serves(unchanged.head, old)
        new = await say(bus, conversation, 2)
        head = (await bus.journal.read(channel, 0, deltas=False)).head
        assert [(fork.epoch, fork.first) for fork in head.forks] == [(old.epoch, 1), (new.epoch, 5)]
        assert (new.epoch != old.epoch, new.offset) == (True, 6)
        served = {
            (epoch, offset): serves(head, Position(epoch, offset))
            for epoch in (old.epoch, new.epoch)
            for offset in (0, 4, 5, 6, 7)
        }
        good = {(old.epoch, 0), (old.epoch, 4), (new.epoch, 0), *((new.epoch, at) for at in (4, 5, 6))}
        assert {position for position, is_served in served.items() if is_served} == good


async def test_a_position_only_the_lost_master_knew_is_not_served(own_redis: EmbeddedRedis) -> None:
    """The old master takes one more event that no replica ever gets. Whoever saw it must be reset, also once
    the new master has written another event at the same offset.
    """
    async with open_bus(own_redis, redis_wait_ms=100) as bus:
        conversation = await conversation_of(bus)
        channel = Channel.of_conversation(conversation)
        shared = await say(bus, conversation)
        replicas = own_redis.replicas
        await bus.floor.commands.config_set("min-replicas-to-write", 0)
        for replica in replicas:
            own_redis.freeze(replica)
        await bus.floor.commands.execute_command("CLIENT", "KILL", "TYPE", "replica")
        with pytest.raises(NotReplicated):
            await say(bus, conversation)
        seen = (await bus.journal.read(channel, 0, deltas=False)).head.position
        assert seen == Position(shared.epoch, shared.offset + 1)

        own_redis.kill(own_redis.master)
        for replica in replicas:
            own_redis.thaw(replica)
        await eventually(lambda: bus.confirmer.tick(), within_s=25)
        head = (await bus.journal.read(channel, 0, deltas=False)).head
        assert serves(head, shared)
        assert not serves(head, seen)
        await say(bus, conversation)
        head = (await bus.journal.read(channel, 0, deltas=False)).head
        assert head.top == seen.offset
        assert serves(head, shared)
        assert not serves(head, seen)
