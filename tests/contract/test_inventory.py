"""After all that a house does, every key has an owner and an end; each kind of stray key is found."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.conversation.graph.build import build_assistant
from services.conversation.graph.memory import Memory
from services.conversation.graph.models import open_model
from services.local.embedded import EmbeddedRedis
from services.local.keytable import looked_through
from services.shared.bus import keys
from services.shared.bus.house import Bus
from services.shared.bus.key_faults import Fault, Tally, Wrong
from services.shared.bus.key_row import KEYLESS
from services.shared.bus.key_table import ROWS
from services.shared.bus.settings import RedisSettings
from services.shared.model.asking import Ask
from services.shared.model.audit import AuditEntry
from services.shared.model.events import ConversationUpdated
from services.shared.model.ids import ConnectionId, ConversationId, MessageId, NodeId, service_actor
from services.shared.model.revocation import Revocation
from tests.support.bus_house import LONG_MS, WORKER, House, fresh, open_house
from tests.support.open_bus import fresh_user, open_bus
from tests.support.redis_group import redis_group
from tests.support.waiting import eventually
from tests.support.workers import ANN, BOB, Talk, worker_in_process


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Redis nobody else leaves things in."""
    yield from redis_group(tmp_path_factory.mktemp("redis"))


@pytest.fixture
async def bus(redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(redis) as bus:
        yield bus


async def lived(redis: EmbeddedRedis, bus: Bus) -> None:
    """All that a house does, in small."""
    relay = asyncio.create_task(bus.outbox.relay("relay"))
    for checkpointer in ("continuo", "redis"):
        await _talked(redis, bus, checkpointer)
    async with open_house(redis.sentinels) as house:
        await _worked(house)
        await _attended(house)
        await _failed(house)
        await _asked(house, bus)
        await _invited(house, bus)
    await _read_through(bus)
    await _served(bus)
    await bus.confirmer.tick()
    await bus.birth.look()
    await bus.revocations.revoke(Revocation(token=fresh()), by="tests")
    await bus.revocations.revoke(Revocation(user=ANN, before_ms=1), by="tests")
    await bus.audit.note({bus.audit.named(): AuditEntry("denied", ANN, target="subscribe", code=103)})
    memory = Memory(bus.documents)
    await memory.open()
    await memory.store.aput(("users", "ann"), "fact", {"text": "likes tea"})
    user = fresh_user("ann")
    await bus.journal.append_user(user, ConversationUpdated(fresh(), "new"), once="some:thing")
    await eventually(lambda: _carried(bus))
    await bus.restore._begun()
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)


async def _talked(redis: EmbeddedRedis, bus: Bus, checkpointer: str) -> None:
    graph = build_assistant(open_model("", token_s=0.0))
    async with worker_in_process(redis, graph, checkpointer=checkpointer):
        talk = await Talk.new(bus, BOB, checkpointer=checkpointer)
        await talk.answer("hello")
        await talk.answer("and again", BOB)


async def _worked(house: House) -> None:
    """Turns by hand: one in the middle of an answer, others waiting, one that nobody took up."""
    talk = await house.conversation(BOB)
    await house.ask(talk)
    lease = await house.claim(talk)
    await house.answer(lease)
    await house.ask(talk)
    turn = await house.begin(lease)
    gone = await house.say(lease, turn, "no, ")
    await house.turns.retract(lease, turn, gone, "retry")
    await house.say(lease, turn, "half of an ans")
    await house.ask(talk)
    await house.ask(await house.conversation())
    cancelled = await house.conversation()
    await house.ask(cancelled)
    await house.turns.cancel(cancelled, ANN, None)
    await house.conversations.remove_member(talk, ANN, BOB)
    await house.turns.ready(WORKER, block_ms=1, count=1)
    await house.deletion.delete(await house.conversation(BOB), ANN)


async def _read_through(bus: Bus) -> None:
    talk = fresh()
    await bus.conversations.create(talk, ANN, members=[BOB], answers={"assistant": "never"})
    message = fresh()
    await bus.messages.accept(talk, ANN, message, "news")
    await bus.edits.edit(talk, ANN, message, "no news")
    await bus.edits.react(talk, BOB, message, "+1", on=True)
    await bus.receipts.read(talk, BOB, 1)


async def _served(bus: Bus) -> None:
    """A back end that acts as itself: says, changes, deletes, lets in and puts out."""
    talk, service = ConversationId(fresh()), service_actor("billing")
    await bus.conversations.create(talk, ANN, members=[BOB])
    messages = [MessageId(fresh()), MessageId(fresh())]
    for message in messages:
        await bus.messages.accept(talk, service, message, "news")
    await bus.edits.edit(talk, service, messages[0], "no news")
    await bus.edits.delete(talk, service, messages[1])
    await bus.members.invite(talk, service, fresh_user("cleo"))
    await bus.conversations.remove_member(talk, service, BOB)
    await bus.conversations.remove_member(talk, service, "nobody")
    await bus.turns.cancel(talk, service, None)


async def _attended(house: House) -> None:
    talk, node = await house.conversation(), NodeId(fresh())
    connections = [ConnectionId(fresh()) for _ in range(3)]
    await house.roster.beat(node, {"connections": 3})
    for connection in connections:
        await house.roster.enter(talk, connection, ANN, None, node)
    await house.roster.leave(talk, connections[0], ANN, node, grace_ms=0)
    other = await house.conversation()
    await house.roster.enter(other, connections[0], ANN, None, node, "00-0af7-b7ad-01")
    await house.roster.leave(other, connections[0], ANN, node, grace_ms=LONG_MS)


async def _crowded(redis: EmbeddedRedis) -> None:
    """Two are many here."""
    async with open_bus(redis, presence_large=1, presence_coalesce_s=3600) as bus:
        talk, node = ConversationId(fresh()), NodeId(fresh())
        await bus.conversations.create(talk, ANN, members=[BOB])
        await bus.roster.beat(node, {"connections": 2})
        for user in (ANN, BOB):
            await bus.roster.enter(talk, ConnectionId(fresh()), user, None, node)


async def _watched_over(bus: Bus) -> None:
    """What the presence service keeps for itself."""
    await bus.shards.look("replica", 1, LONG_MS)
    await bus.shards.change("replica", (0,), (), LONG_MS)
    await bus.census.write({"nodes": {}, "sums": {"nodes": 0}})


async def _failed(house: House) -> None:
    """Two dead letters, one of them replayed."""
    talk = await house.conversation()
    lease = None
    for _ in range(2):
        await house.ask(talk)
        lease = lease or await house.claim(talk)
        await house.turns.finish(lease, await house.begin(lease), "failed", "no reason", "broken")
    [letter, _] = await house.dead_letters.list(talk)
    await house.dead_letters.replay(letter)


async def _asked(house: House, bus: Bus) -> None:
    """Two questions, one of them answered."""
    talk = await house.conversation()
    await house.ask(talk)
    lease = await house.claim(talk)
    asks = [Ask("1" * 32, b"1"), Ask("2" * 32, b"2")]
    await house.turns.finish(lease, await house.begin(lease), "interrupted", asks=asks)
    await bus.answers.answer(talk, ANN, fresh(), asks[0].interrupt, b"true")


async def _invited(house: House, bus: Bus) -> None:
    """Somebody who has not answered, and somebody who likes it quiet."""
    talk = await house.conversation()
    await bus.members.invite(talk, ANN, BOB)
    await bus.marks.mute(talk, ANN, None)


async def _carried(bus: Bus) -> bool:
    return not sum([await bus.floor.commands.xlen(each.outbox) for each in bus.floor.keys.shared()])


async def faults(bus: Bus) -> list[Fault]:
    return (await bus.inventory.take()).faults


async def test_after_all_that_a_house_does_nothing_is_wrong_with_any_key(
    redis: EmbeddedRedis, bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    await lived(redis, bus)
    await _crowded(redis)
    await _watched_over(bus)
    await bus.drain_budget.take("fleet", 10.0, wanted=1, must=1)  # the last: its key ends soon
    tally = await bus.inventory.take()
    assert tally.faults == []
    not_seen = {row.pattern for row in ROWS if row.type not in KEYLESS and row not in tally.counts}
    assert not_seen == set(), "the workload leaves these out"
    assert await looked_through(RedisSettings(redis_sentinels=tuple(redis.sentinels.split(",")))) == 0
    assert "{p}:c:<conversation>:journal" in capsys.readouterr().out


@pytest.fixture
async def talk(bus: Bus) -> AsyncIterator[keys.ConversationKeys]:
    """A conversation that is wiped out afterwards."""
    conversation = fresh()
    await bus.conversations.create(conversation, fresh_user("ann"))
    at = bus.floor.keys.conversation(conversation)
    yield at
    redis: Any = bus.floor.commands
    await redis.delete(*[key async for key in redis.scan_iter(f"{at.base}*")], "stray", CROWD)
    await redis.delete(at.shared.running, at.shared.outbox)
    await redis.zrem(at.shared.aging, conversation)


CROWD = keys.seats("nobody")


async def test_a_key_of_nobody_is_found(bus: Bus, talk: keys.ConversationKeys) -> None:
    await bus.floor.commands.set("stray", "1", ex=100)
    assert await faults(bus) == [Fault("stray", Wrong.UNKNOWN, "string")]


async def test_a_key_that_should_end_and_does_not_is_found(bus: Bus, talk: keys.ConversationKeys) -> None:
    await bus.floor.commands.persist(talk.journal)
    await bus.floor.commands.set(talk.draft("m1"), "half")
    assert {(fault.key, fault.wrong) for fault in await faults(bus)} == {
        (talk.journal, Wrong.STAYS),
        (talk.draft("m1"), Wrong.STAYS),
    }


async def test_what_a_conversation_leaves_behind_is_found(bus: Bus, talk: keys.ConversationKeys) -> None:
    redis: Any = bus.floor.commands
    await redis.zadd(talk.shared.running, {talk.base.rpartition(":")[2]: 1})
    await redis.delete(talk.head)
    orphans = {fault.key for fault in await faults(bus) if fault.wrong is Wrong.ORPHAN}
    assert orphans == {talk.members, talk.names, talk.journal, talk.shared.running, talk.shared.aging}


async def test_seats_of_a_node_nobody_knows_are_found(bus: Bus, talk: keys.ConversationKeys) -> None:
    redis: Any = bus.floor.commands
    await redis.hset(CROWD, f"{fresh()} {fresh()}", "ann 1")
    assert await faults(bus) == [Fault(CROWD, Wrong.ORPHAN, "its node is gone")]


async def test_a_key_of_another_type_and_one_in_the_wrong_partition_are_found(
    bus: Bus, talk: keys.ConversationKeys
) -> None:
    redis: Any = bus.floor.commands
    await redis.set(talk.lease, "mine")
    base = f"{{p{(talk.partition + 1) % 64}}}:{talk.base.partition(':')[2]}"
    await redis.hset(f"{base}:members", "ann", "owner")
    found = {(fault.key, fault.wrong) for fault in await faults(bus)}
    await redis.delete(f"{base}:members")
    assert found == {(talk.lease, Wrong.TYPE), (f"{base}:members", Wrong.MISPLACED)}


async def test_a_list_above_its_bound_is_found(redis: EmbeddedRedis, talk: keys.ConversationKeys) -> None:
    async with open_bus(redis, fifo_length=2) as narrow:
        await narrow.floor.commands.rpush(talk.fifo, "t1", "t2", "t3")
        assert await faults(narrow) == [Fault(talk.fifo, Wrong.LONG, "3, at most 2")]


async def test_the_scan_looks_at_more_keys_than_one_step_holds(
    bus: Bus, talk: keys.ConversationKeys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    redis: Any = bus.floor.commands
    strays = [f"stray-{number}" for number in range(2000)]
    await redis.mset(dict.fromkeys(strays, ""))
    tally: Tally = await bus.inventory.take()
    await redis.delete(*strays)
    assert {fault.key for fault in tally.faults} == set(strays)
    assert len(tally.faults) == len(strays)
