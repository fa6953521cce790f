"""Presence on a real Redis: joins and leaves told once, dead nodes cleared away, frozen ones let back in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Self

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.presence.core.roster import MOST_STALLS
from services.presence.shards import OwnShards
from services.shared.bus import keys
from services.shared.bus.journal import Journal
from services.shared.model.errors import Broken, BusUnavailable
from services.shared.model.ids import Channel, ConnectionId, NodeId, UserId
from services.shared.model.presence import Seat
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics
from tests.support.bus_house import ANN, House, fresh, open_house
from tests.support.sweeping import shards_of, sweep_of
from tests.support.waiting import eventually

BOB = UserId("bob")
AGES_MS = 3_600_000


class Ear:
    """Hears what a conversation's devices would hear of joins and leaves."""

    def __init__(self, house: House, conversation: str) -> None:
        self._feed = house.floor.blocking.pubsub()
        self._live = house.floor.keys.conversation(conversation).live
        self.heard: list[tuple[str, str]] = []

    async def __aenter__(self) -> Self:
        await self._feed.subscribe(self._live)
        await self._feed.get_message(timeout=5)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._feed.aclose()

    async def all(self) -> list[tuple[str, str]]:
        """(kind, user) of everything published before this call."""
        while said := await self._feed.get_message(ignore_subscribe_messages=True, timeout=0.1):
            _, kind, _, offset, body = said["data"].split(b" ", 4)
            assert offset == b"0"
            self.heard.append((kind.decode(), msgspec.json.decode(body)["user"]))
        return self.heard


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


def a_connection() -> ConnectionId:
    return ConnectionId(fresh())


def a_node() -> NodeId:
    return NodeId(f"node-{fresh()}")


async def mark_of(house: House, node: NodeId) -> int:
    return (await house.roster.beats())[node].mark


async def all_shards(house: House) -> OwnShards:
    """Those of a replica that holds all: what other tests' replicas held has run out."""
    shards = shards_of(house, Metrics())

    async def all_held() -> bool:
        return len(await shards.look()) == house.floor.settings.partitions

    await eventually(all_held)
    return shards


async def nothing() -> None:
    """Nothing comes between a command and its repeat."""


def lose_first_replies(
    house: House, patch: pytest.MonkeyPatch, meanwhile: Callable[[], Awaitable[None]] = nothing
) -> None:
    """Run each beat twice with the same arguments, as the client does when a reply is lost."""
    run = house.floor.scripts.run

    async def twice(name: str, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        if name == "beat":
            await run(name, keys, args)
            await meanwhile()
        return await run(name, keys, args)

    patch.setattr(house.floor.scripts, "run", twice)


async def test_a_join_is_announced_with_the_first_connection_only(house: House) -> None:
    conversation, node = await house.conversation(), a_node()
    first, second = a_connection(), a_connection()
    async with Ear(house, conversation) as ear:
        for connection in (first, first, second):
            await house.roster.enter(conversation, connection, ANN, b'{"name":"Ann"}', node)
        assert await ear.all() == [("j", ANN)]
    seat = Seat(ANN, b'{"name":"Ann"}', node)
    assert await house.roster.of(conversation) == {first: seat, second: seat}
    assert await house.roster.count(conversation) == (2, 1)


async def test_a_leave_is_announced_after_the_grace_once_though_many_sweep(house: House) -> None:
    conversation, connection, node = await house.conversation(), a_connection(), a_node()
    await house.roster.enter(conversation, connection, ANN, None, node)
    async with Ear(house, conversation) as ear, open_second(house) as other:
        for _ in range(2):
            await house.roster.leave(conversation, connection, ANN, node, grace_ms=0)
        await asyncio.gather(*(each.roster.depart_due() for each in (house, other) for _ in range(3)))
        assert await ear.all() == [("l", ANN)]
    assert await house.roster.count(conversation) == (0, 0)


def open_second(house: House) -> AbstractAsyncContextManager[House]:
    """A second process on the same Redis."""
    return open_house(",".join(house.floor.settings.redis_sentinels))


async def test_a_user_within_the_grace_is_neither_gone_nor_announced(house: House) -> None:
    conversation, connection, node = await house.conversation(), a_connection(), a_node()
    await house.roster.enter(conversation, connection, ANN, None, node)
    async with Ear(house, conversation) as ear:
        await house.roster.leave(conversation, connection, ANN, node, grace_ms=AGES_MS)
        await house.roster.depart_due()
        await house.roster.enter(conversation, a_connection(), ANN, None, a_node())
        await house.roster.depart_due()
        assert await ear.all() == []


async def test_a_user_who_came_back_before_the_sweep_is_not_announced(house: House) -> None:
    conversation, connection, node = await house.conversation(), a_connection(), a_node()
    await house.roster.enter(conversation, connection, ANN, None, node)
    async with Ear(house, conversation) as ear:
        await house.roster.leave(conversation, connection, ANN, node, grace_ms=0)
        await house.roster.enter(conversation, a_connection(), ANN, None, a_node())
        await house.roster.depart_due()
        assert await ear.all() == []


async def test_who_has_another_device_does_not_leave(house: House) -> None:
    conversation, node = await house.conversation(), a_node()
    phone, laptop = a_connection(), a_connection()
    for connection in (phone, laptop):
        await house.roster.enter(conversation, connection, ANN, None, node)
    async with Ear(house, conversation) as ear:
        await house.roster.leave(conversation, phone, ANN, node, grace_ms=0)
        await house.roster.depart_due()
        assert await ear.all() == []
    assert await house.roster.count(conversation) == (1, 1)


async def test_a_leave_whose_reply_was_lost_frees_the_nodes_seat_when_repeated(house: House) -> None:
    conversation, connection, node = await house.conversation(), a_connection(), a_node()
    await house.roster.enter(conversation, connection, ANN, None, node)
    assert await house.roster.held(node) == {(conversation, connection): ANN}
    lost = house.roster._freeing(conversation, connection, ANN, AGES_MS, stamp="")
    await house.floor.scripts.batch([lost])
    await house.roster.leave(conversation, connection, ANN, node, grace_ms=AGES_MS)
    assert await house.roster.held(node) == {}
    assert await house.roster.count(conversation) == (0, 0)


async def test_a_dead_nodes_seats_are_freed_and_others_stay(house: House) -> None:
    conversation, dead, living = await house.conversation("bob"), a_node(), a_node()
    staying = a_connection()
    await house.roster.beat(dead, {"connections": 1})
    await house.roster.enter(conversation, a_connection(), ANN, None, dead)
    await house.roster.enter(conversation, staying, BOB, None, living)
    async with Ear(house, conversation) as ear:
        freed = await house.roster.reap(dead, await mark_of(house, dead), grace_ms=0)
        await house.roster.depart_due()
        assert await ear.all() == [("l", ANN)]
    assert freed == 1
    assert list(await house.roster.of(conversation)) == [staying]
    assert dead not in await house.roster.beats()
    assert not await house.floor.commands.exists(keys.seats(dead), keys.node(dead))


async def test_a_connection_in_two_conversations_is_freed_in_both(house: House) -> None:
    one, two, node, connection = (
        await house.conversation(),
        await house.conversation(),
        a_node(),
        a_connection(),
    )
    for conversation in (one, two):
        await house.roster.enter(conversation, connection, ANN, None, node)
    assert await house.roster.reap(node, await mark_of(house, node), grace_ms=0) == 2
    assert await house.roster.count(one) == await house.roster.count(two) == (0, 0)


async def test_a_node_that_took_a_seat_and_never_beat_is_found_too(house: House) -> None:
    node = a_node()
    await house.roster.enter(await house.conversation(), a_connection(), ANN, None, node)
    assert node in await house.roster.beats()


async def test_a_node_that_beat_since_it_was_judged_is_left_alone(house: House) -> None:
    conversation, node = await house.conversation(), a_node()
    await house.roster.enter(conversation, a_connection(), ANN, None, node)
    stale = await mark_of(house, node) - 1
    assert await house.roster.reap(node, stale, grace_ms=0) == 0
    assert await house.roster.count(conversation) == (1, 1)


async def test_a_node_learns_from_its_beat_that_its_seats_are_gone(house: House) -> None:
    node = a_node()
    assert not await house.roster.beat(node, {})
    assert await house.roster.beat(node, {})
    await house.roster.reap(node, await mark_of(house, node), grace_ms=0)
    assert not await house.roster.beat(node, {})


async def test_a_node_struck_off_learns_it_though_its_first_reply_was_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run of the beat lists the node again; the repeat finds it listed."""
    node = a_node()
    await house.roster.beat(node, {"connections": 1})
    await house.roster.reap(node, await mark_of(house, node), grace_ms=0)
    with monkeypatch.context() as patch:
        lose_first_replies(house, patch)
        assert not await house.roster.beat(node, {"connections": 1})
    assert await house.roster.beat(node, {"connections": 1})


async def test_a_node_reaped_between_a_beat_and_its_repeat_learns_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = a_node()
    await house.roster.beat(node, {"connections": 1})

    async def reap() -> None:
        await house.roster.reap(node, await mark_of(house, node), grace_ms=0)

    with monkeypatch.context() as patch:
        lose_first_replies(house, patch, meanwhile=reap)
        assert not await house.roster.beat(node, {"connections": 1})


@pytest.mark.parametrize("census", [{}, {"connections": 1}], ids=["nothing held", "something held"])
async def test_a_beat_of_a_listed_node_is_answered_alike_when_its_first_reply_was_lost(
    house: House, monkeypatch: pytest.MonkeyPatch, census: dict[str, int]
) -> None:
    node = a_node()
    await house.roster.beat(node, census)
    first = await mark_of(house, node)
    await eventually(lambda: house.floor.clock.now_ms() > first + 2)
    lose_first_replies(house, monkeypatch)
    assert await house.roster.beat(node, census)
    assert (await house.roster.beats())[node].census == census


async def test_a_node_struck_off_learns_it_though_it_took_a_seat_since(house: House) -> None:
    """The seat lists it again, before its beat does."""
    node = a_node()
    await house.roster.beat(node, {})
    await house.roster.reap(node, await mark_of(house, node), grace_ms=0)
    await house.roster.enter(await house.conversation(), a_connection(), ANN, None, node)
    assert not await house.roster.beat(node, {})


async def test_a_node_that_never_heard_of_its_beat_learns_from_the_next_that_it_was_struck_off(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = a_node()
    await house.roster.beat(node, {})
    await house.roster.reap(node, await mark_of(house, node), grace_ms=0)

    async def never_heard_of() -> None:
        raise BusUnavailable

    with monkeypatch.context() as patch:
        lose_first_replies(house, patch, meanwhile=never_heard_of)
        with pytest.raises(BusUnavailable):
            await house.roster.beat(node, {})
    assert not await house.roster.beat(node, {})


async def test_a_seat_taken_anew_by_a_node_that_woke_up_is_not_freed_by_a_late_reaper(house: House) -> None:
    """The reaper read a frozen node's seats; the node wakes and takes its seat again; the reaper goes on."""
    conversation, node, connection = await house.conversation(), a_node(), a_connection()
    roster = house.roster
    await roster.enter(conversation, connection, ANN, None, node)
    held: Mapping[bytes, bytes] = await house.floor.commands.hgetall(keys.seats(node))
    await house.floor.scripts.run("condemn", [keys.NODES], [node, await mark_of(house, node)])
    assert not await roster.beat(node, {})
    taken_ms = house.floor.clock.now_ms()
    await eventually(lambda: house.floor.clock.now_ms() > taken_ms)
    await roster.enter(conversation, connection, ANN, None, node)
    assert await roster._reap(node, list(held.items()), 0) == 0
    assert await roster.count(conversation) == (1, 1)
    assert node in await roster.beats()
    assert await house.floor.commands.hlen(keys.seats(node)) == 1


async def test_two_presence_services_clear_a_dead_node_once(house: House) -> None:
    conversation, node = await house.conversation(), a_node()
    await house.roster.beat(node, {"connections": 2})
    for _ in range(2):
        await house.roster.enter(conversation, a_connection(), ANN, None, node)
    clock = FakeClock()
    async with open_second(house) as other, Ear(house, conversation) as ear:
        sweeps = [sweep_of(each, clock) for each in (house, other)]
        for _ in range(5):
            await asyncio.gather(*(sweep.once() for sweep in sweeps))
            clock.advance(1)
        assert await ear.all() == []
        for _ in range(3):
            await asyncio.gather(*(sweep.once() for sweep in sweeps))
            clock.advance(1)
        assert await ear.all() == [("l", ANN)]
    assert await house.roster.count(conversation) == (0, 0)


async def test_traced_sessions_that_left_are_told_to_who_goes_on_there(house: House) -> None:
    conversation = await house.conversation("bob")
    channel = Channel.of_conversation(conversation)

    async def sessions(user: UserId, *, asked: bool = True) -> tuple[str, ...]:
        journal = Journal(house.floor)
        return (await journal.read(channel, 0, user=user, deltas=False, sessions=asked)).sessions

    traces = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 7)]
    for trace in traces:
        connection, node = a_connection(), a_node()
        await house.roster.enter(conversation, connection, ANN, None, node, trace)
        assert trace not in await sessions(ANN)
        for _ in range(2):  # a repeat changes nothing
            await house.roster.leave(conversation, connection, ANN, node, grace_ms=0)
        assert (await sessions(ANN))[0] == trace
    assert await sessions(ANN) == tuple(reversed(traces))[:4]
    assert (await sessions(BOB), await sessions(ANN, asked=False)) == ((), ())
    key = house.floor.keys.conversation(conversation).sessions(ANN)
    assert 0 < await house.floor.commands.ttl(key) <= 60


async def test_a_session_without_a_trace_leaves_none(house: House) -> None:
    conversation, connection, node = await house.conversation(), a_connection(), a_node()
    await house.roster.enter(conversation, connection, ANN, None, node)
    await house.roster.leave(conversation, connection, ANN, node, grace_ms=0)
    assert not await house.floor.commands.exists(house.floor.keys.conversation(conversation).sessions(ANN))


async def test_a_replica_whose_rounds_always_take_long_announces_leaves_all_the_same(house: House) -> None:
    clock = FakeClock()
    sweep = sweep_of(house, clock, shards=await all_shards(house))
    conversation, connection, node = await house.conversation(), a_connection(), a_node()
    await house.roster.enter(conversation, connection, ANN, None, node)
    async with Ear(house, conversation) as ear:
        await house.roster.leave(conversation, connection, ANN, node, grace_ms=0)
        for _ in range(MOST_STALLS + 3):
            for each in await house.roster.beats():  # of other tests, too: they live
                await house.roster.beat(each, {})
            clock.advance(3.0)
            await sweep.once()
        assert await ear.all() == [("l", ANN)]


async def test_who_sat_on_a_dead_node_does_not_wait_for_what_leaves_wait_past_the_grace(house: House) -> None:
    conversation, node = await house.conversation(), a_node()
    await house.roster.enter(conversation, a_connection(), ANN, None, node)
    clock, shards = FakeClock(), await all_shards(house)
    sweep = sweep_of(house, clock, shards=shards, grace_ms=AGES_MS, late_ms=2_000)
    while not await house.floor.commands.zscore(
        key := house.floor.keys.conversation(conversation).shared.departing, f"{conversation} {ANN}"
    ):
        await sweep.once()
        clock.advance(1)
    due_ms = await house.floor.commands.zscore(key, f"{conversation} {ANN}")
    left_ms = int(await house.floor.commands.hget(house.floor.keys.conversation(conversation).seen, ANN) or 0)
    assert due_ms - left_ms == AGES_MS - 2_000


async def test_a_seat_that_cannot_be_read_holds_no_other_user_s_leave_up(house: House) -> None:
    clock = FakeClock()
    sweep = sweep_of(house, clock, shards=await all_shards(house))
    broken, whole, node, other = await house.conversation(), await house.conversation(), a_node(), a_node()
    damaged, connection = a_connection(), a_connection()
    await house.roster.enter(broken, damaged, ANN, None, node)
    await house.floor.commands.hset(house.floor.keys.conversation(broken).roster, damaged, "{")
    await house.roster.enter(whole, connection, ANN, None, other)
    await house.roster.leave(whole, connection, ANN, other, grace_ms=0)
    async with Ear(house, whole) as ear:
        for _ in range(10):
            with suppress(Broken):
                await sweep.once()
            clock.advance(1)
        assert await ear.all() == [("l", ANN)]
    assert node in await house.roster.beats()
    with pytest.raises(Broken):
        await sweep.once()
    await house.floor.commands.hdel(house.floor.keys.conversation(broken).roster, damaged)
    await sweep.once()
