"""A conversation that is deleted ends at once for everybody, and leaves nothing, whoever dies meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from services.conversation.graph.build import build_assistant
from services.conversation.graph.models import open_model
from services.local.embedded import EmbeddedRedis
from services.shared.bus import deletion
from services.shared.bus.house import Bus
from services.shared.model.errors import LeaseLost, NotMember, Refused, UnknownConversation
from services.shared.model.ids import Channel, ConnectionId, NodeId
from services.shared.runtime.clock import SystemClock
from tests.support.bus_house import ANN, LONG_MS, House, fresh, open_house
from tests.support.deleted import INVITED, carried, remembered, rich, step, traces
from tests.support.open_bus import fresh_user, open_bus
from tests.support.redis_group import redis_group
from tests.support.waiting import eventually
from tests.support.workers import BOB, Talk, worker_in_process


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis in which nobody else looks at every key, or deletes."""
    yield from redis_group(tmp_path_factory.mktemp("redis"))


@pytest.fixture
async def bus(redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(redis) as bus:
        yield bus


@pytest.fixture
async def house(redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(redis.sentinels) as house:
        yield house


async def told(house: House, user: str) -> list[str]:
    entries: Any = await house.floor.commands.xrange(house.floor.keys.user(user).journal)
    return [msgspec.json.decode(fields[b"b"])["type"] for _, fields in entries]


async def test_nothing_is_left_of_a_deleted_conversation(house: House, bus: Bus) -> None:
    users = [fresh_user("carl"), fresh_user("dora")]
    talk = await rich(house, *users)
    await carried(house, talk)
    assert len(await house.conversations.list_of(users[0])) == 1
    await house.deletion.delete(talk, ANN, linger_ms=0)
    assert await house.deletion.waiting() == 1
    assert await house.deletion.work_off() == 1
    await carried(house, talk)
    assert await traces(house, talk) == await remembered(house, talk, ANN, BOB, INVITED, *users)
    assert [await house.conversations.list_of(user) for user in users] == [[], []]
    assert (await told(house, users[0])) == ["member.joined", "conversation.deleted"]
    assert await house.deletion.waiting() == 0
    assert (await bus.inventory.take()).faults == []


async def test_from_the_first_moment_there_is_no_such_conversation(house: House, bus: Bus) -> None:
    talk = await rich(house)
    [letter] = await house.dead_letters.list(conversation=talk, replayed=True)
    await house.deletion.delete(talk, ANN, linger_ms=LONG_MS)
    for refused in (
        house.ask(talk),
        house.messages.history(talk, ANN),
        house.turns.cancel(talk, ANN, None),
        house.conversations.add_member(talk, ANN, "eve"),
        house.conversations.remove_member(talk, ANN, BOB),
        house.deletion.delete(talk, BOB),
    ):
        with pytest.raises(NotMember):
            await refused
    with pytest.raises(UnknownConversation):
        await house.dead_letters.replay(letter)
    assert await house.conversations.role(talk, ANN) is None
    assert (await bus.journal.read(Channel.of_conversation(talk), 0, user=ANN, deltas=False)).role is None
    await house.roster.enter(talk, ConnectionId(fresh()), ANN, None, NodeId(fresh()))
    assert (await house.roster.count(talk))[0] == 1, "only the one that sat there before"
    assert await house.try_claim(talk) is None
    with pytest.raises(Refused):
        await house.conversations.create(talk, ANN)


async def test_its_last_event_can_be_read_for_a_while(house: House) -> None:
    talk = await rich(house)
    deleted = await house.deletion.delete(talk, ANN, linger_ms=LONG_MS)
    assert await house.deletion.work_off() == 0
    *_, (entry, fields) = await house.floor.commands.xrange(house.floor.keys.conversation(talk).journal)
    last = msgspec.json.decode(fields[b"b"])
    assert (last["type"], last["by"]) == ("conversation.deleted", ANN)
    assert entry == b"%d-0" % deleted.position.offset


async def test_turns_that_waited_are_waited_for_no_more(house: House) -> None:
    talk = await house.conversation()
    queued = house.floor.keys.conversation(talk).shared.queued
    before = int(await house.floor.commands.get(queued) or 0)
    for _ in range(3):
        await house.ask(talk)
    assert int(await house.floor.commands.get(queued)) == before + 3
    await house.deletion.delete(talk, ANN, linger_ms=0)
    await house.deletion.work_off()
    assert int(await house.floor.commands.get(queued)) == before


async def test_only_an_owner_may(house: House) -> None:
    talk = await house.conversation(BOB)
    with pytest.raises(Refused):
        await house.deletion.delete(talk, BOB)
    with pytest.raises(NotMember):
        await house.deletion.delete(talk, fresh_user("eve"))
    with pytest.raises(NotMember):
        await house.deletion.delete(fresh(), ANN)
    assert await house.conversations.role(talk, BOB) == "member"


async def test_a_repeat_is_harmless_also_when_nothing_is_left(house: House) -> None:
    talk = await rich(house)
    first = await house.deletion.delete(talk, ANN, linger_ms=0)
    assert await house.deletion.delete(talk, ANN) == first
    await house.deletion.work_off()
    assert await house.deletion.delete(talk, ANN) == first
    assert await house.deletion.work_off() == 0
    with pytest.raises(Refused):
        await house.conversations.create(talk, ANN)
    assert await house.floor.commands.exists(house.floor.keys.conversation(talk).head) == 0


async def test_an_older_change_that_is_carried_late_brings_it_back_to_nobody(house: House) -> None:
    user = fresh_user("carl")
    talk = await house.conversation(user)
    while not (
        late := await house.outbox._fresh("slow")
    ):  # the first to read makes the group, and has nothing
        pass
    await house.deletion.delete(talk, ANN, linger_ms=0)
    await house.deletion.work_off()
    await house.outbox.carry(await house.outbox._fresh("quick"))
    assert await told(house, user) == ["conversation.deleted"]
    await house.outbox.carry(late)
    assert await house.conversations.list_of(user) == []
    assert await told(house, user) == ["conversation.deleted"]


STEPS_OF_RICH = 9
"""How many it takes, two things at a time, to clear away what `rich` makes."""


@pytest.mark.parametrize("steps", range(STEPS_OF_RICH + 1))
async def test_whoever_dies_in_the_middle_another_goes_on(
    house: House, redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(deletion, "STEP", 2)
    monkeypatch.setattr(deletion, "CLAIM_MS", 0)
    users = [fresh_user("carl"), fresh_user("dora")]
    talk = await rich(house, *users)
    await house.deletion.delete(talk, ANN, linger_ms=0)
    for _ in range(steps):
        await step(house, talk)
    async with open_house(redis.sentinels) as other:
        done = await other.deletion.work_off()
        assert await other.deletion.work_off() == 0
    assert done == (steps < STEPS_OF_RICH)
    await carried(house, talk)
    assert await traces(house, talk) == await remembered(house, talk, ANN, BOB, INVITED, *users)
    assert [await told(house, user) for user in users] == [["member.joined", "conversation.deleted"]] * 2


async def test_several_at_once_tell_everybody_once(
    house: House, redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "STEP", 3)
    monkeypatch.setattr(deletion, "CLAIM_MS", 0)
    users = [fresh_user("user") for _ in range(10)]
    talk = await rich(house, *users)
    await house.deletion.delete(talk, ANN, linger_ms=0)
    async with open_house(redis.sentinels) as one, open_house(redis.sentinels) as two:
        await asyncio.gather(*(each.deletion.work_off() for each in (one, two, house)))
    await carried(house, talk)
    assert await traces(house, talk) == await remembered(house, talk, ANN, BOB, INVITED, *users)
    for user in users:
        assert await told(house, user) == ["member.joined", "conversation.deleted"]


async def test_a_claimed_deletion_is_nobody_elses_for_a_while(house: House, redis: EmbeddedRedis) -> None:
    talk = await rich(house, answers=1)
    await house.deletion.delete(talk, ANN, linger_ms=0)
    await step(house, talk)
    async with open_house(redis.sentinels) as other:
        assert await other.deletion.work_off() == 0
    while not await step(house, talk):
        pass


async def test_one_that_cannot_be_cleared_away_holds_no_other_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "CLAIM_MS", 0)
    before = await house.deletion.waiting()
    spoiled, *others = [await house.conversation() for _ in range(4)]
    at = house.floor.keys.conversation(spoiled)
    await house.floor.commands.set(at.order, "no order")
    for talk in (spoiled, *others):
        await house.deletion.delete(talk, ANN, linger_ms=0)
    assert await house.deletion.work_off() == len(others)
    assert await house.deletion.waiting() == before + 1
    await house.floor.commands.delete(at.order)
    assert await house.deletion.work_off() == 1


async def test_a_large_conversation_goes_in_small_steps(house: House) -> None:
    talk = await house.conversation()
    at = house.floor.keys.conversation(talk)
    many = 10 * deletion.STEP
    async with house.floor.commands.pipeline(transaction=False) as pipe:
        for number in range(many):
            pipe.zadd(at.order, {f"m{number}": number})
            pipe.hset(at.message(f"m{number}"), mapping={"text": "x", "turns": f"t{number}"})
            pipe.hset(at.turn(f"t{number}"), "state", "finished")
        await pipe.execute()
    await house.deletion.delete(talk, ANN, linger_ms=0)
    steps = 1
    while not await step(house, talk):
        steps += 1
    assert steps >= many / deletion.STEP
    await carried(house, talk)
    assert await traces(house, talk) == await remembered(house, talk, ANN)


async def test_seats_that_nodes_hold_go_with_their_devices_or_their_node(house: House) -> None:
    talk, here, dead = await house.conversation(), NodeId(fresh()), NodeId(fresh())
    connections = [ConnectionId(fresh()) for _ in range(2)]
    for connection, node in zip(connections, (here, dead), strict=True):
        await house.roster.enter(talk, connection, ANN, None, node)
    await house.deletion.delete(talk, ANN, linger_ms=0)
    await house.deletion.work_off()
    await house.roster.leave(talk, connections[0], ANN, here, grace_ms=0)
    await house.roster.reap(dead, (await house.roster.beats())[dead].mark, grace_ms=0)
    assert [await house.roster.held(node) for node in (here, dead)] == [{}, {}]
    await carried(house, talk)
    assert await traces(house, talk) == await remembered(house, talk, ANN)


async def test_its_worker_may_write_nothing_more(house: House, bus: Bus) -> None:
    talk = await house.conversation()
    await house.ask(talk)
    lease = await house.claim(talk)
    turn = await house.begin(lease)
    message = await house.say(lease, turn, "half ")
    await house.deletion.delete(talk, ANN, linger_ms=LONG_MS)
    with pytest.raises(LeaseLost):
        await house.turns.delta(lease, turn, message, 5, "of it")
    with pytest.raises(LeaseLost):
        await house.turns.finish(lease, turn, "completed")
    with pytest.raises(LeaseLost):
        await bus.checkpoints.delete(lease, f"{talk}.assistant")
    with pytest.raises(LeaseLost):
        await bus.foreign.keep(lease, [("SET", "never", "1")], acknowledged=False)
    assert (await house.leases.renew([lease])).lost == {lease.attempt}


@pytest.mark.parametrize("checkpointer", ["continuo", "redis"])
async def test_a_running_answer_stops_and_its_thread_is_gone(
    redis: EmbeddedRedis, bus: Bus, house: House, checkpointer: str
) -> None:
    graph = build_assistant(open_model("", token_s=0.02))
    async with worker_in_process(redis, graph, checkpointer=checkpointer) as worker:
        talk = await Talk.new(bus, checkpointer=checkpointer)
        await talk.answer("hello")
        turn = await talk.say("count to 500")
        await talk.streaming(turn)
        assert len(await talk.thread()) > 1
        await house.deletion.delete(talk.id, ANN, linger_ms=0)
        await house.deletion.work_off()
        await eventually(lambda: worker.finding().facts["conversations"] == 0, within_s=10)
    assert await talk.thread() == []
    await carried(house, talk.id)
    assert await traces(house, talk.id) == await remembered(house, talk.id, ANN)


async def test_members_are_told_when_the_outbox_has_room_again(house: House) -> None:
    users = [fresh_user("eve") for _ in range(3)]
    talk = await rich(house, *users)
    await carried(house, talk)
    at = house.floor.keys.conversation(talk)
    async with house.floor.commands.pipeline(transaction=False) as pipe:
        for _ in range(10_000):
            pipe.xadd(at.shared.outbox, {"kind": "filler"})
        fillers = await pipe.execute()
    await house.deletion.delete(talk, ANN, linger_ms=0)
    assert await house.deletion.work_off() == 0
    waiting = await house.floor.commands.hlen(at.leaving)  # type: ignore[misc]
    assert waiting == 2 + len(users)
    for first in range(0, len(fillers), 1000):
        await house.floor.commands.xdel(at.shared.outbox, *fillers[first : first + 1000])
    while not await step(house, talk):
        pass
    await carried(house, talk)
    assert [await told(house, user) for user in users] == [["member.joined", "conversation.deleted"]] * 3


async def test_what_was_dropped_from_an_earlier_master_is_looked_for_again(house: House) -> None:
    talk = await house.conversation()
    at = house.floor.keys.conversation(talk)
    await house.floor.commands.hset(at.head, "foreign", "1")  # type: ignore[misc]
    await house.deletion.delete(talk, ANN, linger_ms=0)
    while await house.deletion._stepped(talk) != b"foreign":
        pass
    assert await house.deletion._stepped(talk, scanned=b"of another master") == b"foreign"
    assert await house.deletion._stepped(talk, scanned=await house.deletion._drop_foreign(talk)) == b"gone"


async def test_a_long_look_for_the_stock_savers_keys_keeps_its_claim(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = await house.conversation()
    at = house.floor.keys.conversation(talk)
    await house.floor.commands.hset(at.head, "foreign", "1")  # type: ignore[misc]
    await house.deletion.delete(talk, ANN, linger_ms=0)
    while await house.deletion._stepped(talk) != b"foreign":
        pass
    await house.floor.commands.zadd(at.shared.deleting, {talk: 0})
    monkeypatch.setattr(house.deletion, "_clock", Hours())
    await house.deletion._drop_foreign(talk)
    assert await house.floor.commands.zscore(at.shared.deleting, talk) > SystemClock().now_ms()


class Hours(SystemClock):
    """A clock that is an hour further at each look."""

    looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.looks * 3600.0
