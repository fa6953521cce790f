"""Two neighbouring releases on one Redis: each reads what the other writes; what is beyond is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model import formats
from services.shared.model.asking import Ask
from services.shared.model.errors import AlreadyAnswered, Broken, UnreadableTurn
from services.shared.model.ids import AttemptId, Channel, ConversationId, NodeId, UserId
from services.shared.model.turn import Lease, Ready
from services.shared.wire.envelopes import ControlEntry, EnvelopeError, decode_live
from tests.rollout import next_release
from tests.support.kept_threads import a_thread, contents, write
from tests.support.open_bus import fresh_id
from tests.support.waiting import eventually


@asynccontextmanager
async def next_one() -> AsyncIterator[None]:
    """This process is of the next release within the block."""
    with pytest.MonkeyPatch.context() as patch:
        next_release.install(patch.setattr)
        yield
    next_release.scripts.script.cache_clear()


WAYS = pytest.mark.parametrize("upgrade", [True, False], ids=["this reads the next", "the next reads this"])


@asynccontextmanager
async def release(next_: bool) -> AsyncIterator[None]:
    """The next release, or this one."""
    if not next_:
        yield
        return
    async with next_one():
        yield


async def claim(bus: Bus, conversation: ConversationId) -> Lease:
    ready = Ready(bus.floor.keys.conversation(conversation).partition, conversation)
    attempt = AttemptId(fresh_id())
    lease = await bus.leases.claim(ready, worker=NodeId("w"), attempt=attempt, lease_ms=60_000)
    assert lease is not None
    return lease


async def talk(bus: Bus) -> tuple[str, Any]:
    """A conversation with a question whose turn is under way and has said some."""
    conversation = ConversationId(fresh_id())
    await bus.conversations.create(conversation, "ann", members=["bob"])
    await bus.messages.accept(conversation, "ann", fresh_id(), "well?")
    lease = await claim(bus, conversation)
    turn = await bus.turns.begin(lease)
    assert turn is not None
    message = fresh_id()
    await bus.turns.start_message(lease, turn, message, turn.agent)
    await bus.turns.delta(lease, turn, message, 0, "half ")
    return conversation, (lease, turn, message)


async def test_the_next_release_is_another_one(bus: Bus) -> None:
    async with next_one():
        conversation, (_, turn, _) = await talk(bus)
    said: Any = bus.floor.commands
    at = bus.floor.keys.conversation(conversation)
    entries = await said.xrange(at.journal)
    assert {fields[b"f"] for _, fields in entries} == {b"2"}
    assert all(msgspec.json.decode(fields[b"b"])["novel"] for _, fields in entries)
    assert await said.hget(at.turn(turn.id), "format") == b"2"


@WAYS
async def test_a_journal_is_read_with_what_is_open_in_it(bus: Bus, upgrade: bool) -> None:
    async with release(upgrade):
        conversation, (_, _, message) = await talk(bus)
    async with release(not upgrade):
        channel = Channel.of_conversation(ConversationId(conversation))
        reading = await bus.journal.read(channel, 0, user="ann", deltas=True)
        history = await bus.messages.history(ConversationId(conversation), "ann", limit=10)
    types = [msgspec.json.decode(entry.body)["type"] for entry in reading.entries]
    assert types[-4:] == ["message.created", "turn.started", "message.started", "message.delta"]
    assert [(each.message, each.text) for each in reading.open] == [(message, "half ")]
    assert [each.text for each in history.messages] == ["well?"]
    assert reading.role == "owner"


@WAYS
async def test_a_turn_is_carried_on_and_its_deltas_are_dropped(bus: Bus, upgrade: bool) -> None:
    async with release(upgrade):
        conversation, (lease, turn, message) = await talk(bus)
    async with release(not upgrade):
        await bus.turns.delta(lease, turn, message, 5, "done")
        await bus.turns.complete_message(lease, turn, message, "half done", source="s")
        await bus.turns.finish(lease, turn, "completed")
        channel = Channel.of_conversation(ConversationId(conversation))
        reading = await bus.journal.read(channel, 0, deltas=True)
    types = [msgspec.json.decode(entry.body)["type"] for entry in reading.entries]
    assert "message.delta" not in types
    assert types[-2:] == ["message.completed", "turn.finished"]


@WAYS
async def test_a_queued_turn_is_begun_by_the_other_release(bus: Bus, upgrade: bool) -> None:
    conversation = ConversationId(fresh_id())
    async with release(upgrade):
        await bus.conversations.create(conversation, "ann")
        await bus.messages.accept(conversation, "ann", fresh_id(), "well?")
    async with release(not upgrade):
        lease = await claim(bus, conversation)
        turn = await bus.turns.begin(lease)
        assert turn is not None
        assert [each.text for each in turn.messages] == ["well?"]


@WAYS
async def test_a_question_is_answered_and_asked_again(bus: Bus, upgrade: bool) -> None:
    one, two = Ask("1" * 32, b'{"of":[1,{}]}', b"{}"), Ask("2" * 32, b"2")
    async with release(upgrade):
        conversation, (lease, turn, _) = await talk(bus)
        await bus.turns.finish(lease, turn, "interrupted", asks=[one, two])
        await bus.answers.answer(conversation, "bob", fresh_id(), two.interrupt, b"true")
    async with release(not upgrade):
        [question] = (await bus.messages.history(conversation, "ann")).asked
        assert (question.interrupt, question.value, question.schema) == (one.interrupt, one.value, one.schema)
        with pytest.raises(AlreadyAnswered, match="bob answered it"):
            await bus.answers.answer(conversation, "ann", fresh_id(), two.interrupt, b"false")
        resuming = await bus.turns.begin(lease)
        assert resuming is not None
        assert (resuming.resumes, resuming.answer) == (two.interrupt, "true")
        await bus.turns.finish(lease, resuming, "failed", "poisoned", asks=None)
        assert len((await bus.messages.history(conversation, "ann")).asked) == 2
        await bus.turns.cancel(ConversationId(conversation), UserId("ann"), None)
        assert (await bus.messages.history(conversation, "ann")).asked == ()


@WAYS
async def test_what_is_published_is_heard(bus: Bus, upgrade: bool) -> None:
    conversation = ConversationId(fresh_id())
    async with release(upgrade):
        await bus.conversations.create(conversation, "ann")
        live = bus.floor.keys.conversation(conversation).live
        heard = bus.floor.blocking.pubsub()
        await heard.subscribe(live)
        accepted = await bus.messages.accept(conversation, "ann", fresh_id(), "hi")

        async def payload() -> bytes | None:
            said = await heard.get_message(ignore_subscribe_messages=True, timeout=0.1)
            return said["data"] if said else None

        published = await eventually(payload)
        await heard.aclose()
    async with release(not upgrade):
        push = decode_live(published)
    assert push.position == accepted.position
    assert msgspec.json.decode(push.body)["text"] == "hi"


@WAYS
async def test_control_is_obeyed_and_kinds_to_come_are_passed_over(bus: Bus, upgrade: bool) -> None:
    turn, heard = fresh_id(), asyncio.Event()

    async def follow() -> None:
        async for entry in bus.control.follow():
            if entry.turn == turn:
                heard.set()
                return

    async with release(not upgrade), asyncio.TaskGroup() as following:
        following.create_task(follow())
        while not heard.is_set():
            async with release(upgrade):
                await bus.control.publish(ControlEntry("turn.cancel", fresh_id(), user="ann", turn=turn))
            await asyncio.sleep(0.05)


@WAYS
async def test_seats_and_censuses_are_read(bus: Bus, upgrade: bool) -> None:
    conversation, node, connection = ConversationId(fresh_id()), NodeId(fresh_id()), fresh_id()
    async with release(upgrade):
        await bus.conversations.create(conversation, "ann")
        await bus.roster.beat(node, {"connections": 7})
        await bus.roster.enter(conversation, connection, UserId("ann"), None, node)
    async with release(not upgrade):
        assert [seat.user for seat in (await bus.roster.of(conversation)).values()] == ["ann"]
        assert (await bus.roster.beats())[node].census == {"connections": 7}


@WAYS
async def test_documents_are_read_and_found(bus: Bus, upgrade: bool) -> None:
    root = (fresh_id(),)
    await bus.documents.open()
    async with release(upgrade):
        await bus.documents.put(root, "key", '{"a":1}')
    async with release(not upgrade):
        document = await bus.documents.get(root, "key")
        assert document is not None
        assert document.value == '{"a":1}'
        assert [each.key for each in await bus.documents.page(root, 0, 5)] == ["key"]


@WAYS
async def test_a_thread_is_read_and_carried_on(shared_redis: EmbeddedRedis, upgrade: bool) -> None:
    async with a_thread(shared_redis) as thread:
        async with release(upgrade):
            await thread.put("1")
            await thread.write("1", write("pending"))
        async with release(not upgrade):
            read = await thread.read("1")
            assert contents(read.writes) == ["pending"]
            await thread.put("2", parent="1")
            assert (await thread.read("2")).header.parent == "1"


async def test_what_is_two_formats_ahead_is_refused_by_name(bus: Bus) -> None:
    conversation, (lease, turn, _) = await talk(bus)
    at = bus.floor.keys.conversation(conversation)
    await bus.floor.commands.hset(at.turn(turn.id), "format", "3")
    with pytest.raises(UnreadableTurn):
        await bus.turns.begin(lease)
    await bus.floor.commands.xadd(at.journal, {"k": "e", "b": "{}", "f": "3"}, id="999-0")
    with pytest.raises(Broken, match="format 3"):
        await bus.journal.read(Channel.of_conversation(ConversationId(conversation)), 0, deltas=False)
    with pytest.raises(EnvelopeError):
        decode_live(b'3 e epoch 1 {"type":"x"}')


def test_lua_reads_the_formats_that_python_reads() -> None:
    text = next_release.scripts.script("thread_read").text
    said = text.partition("READABLE = {")[2].partition("}")[0]
    assert {int(each.strip("[] ")) for each in said.replace("= true", "").split(",")} == formats.READS
