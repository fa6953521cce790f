"""The bus, cancelled at its n-th await for each n: no socket stays taken or holds a foreign reply, and the
same call again gives the one result.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.conversations import MEMBER
from services.shared.bus.house import Bus
from services.shared.model.events import MemberJoined
from services.shared.model.ids import Channel, ConnectionId, NodeId, UserId
from services.shared.wire.envelopes import ControlEntry
from tests.support.bus_house import ANN, fresh, house_of
from tests.support.cut_conversations import (
    accept,
    accept_invitation,
    accept_making_way,
    add_member,
    answer,
    archive,
    cancel,
    change_role,
    configure,
    create,
    decline,
    delete_message,
    edit,
    excerpt,
    history,
    invitations,
    invite,
    listing,
    mark_read,
    members_page,
    mute,
    nothing,
    react,
    read,
    remove_member,
    rename,
    replay,
    rewind,
    versions,
)
from tests.support.kept_threads import owned, packed, write
from tests.support.loops import ON_ASYNCIO, ON_UVLOOP
from tests.support.nth_await import HARDEST, Moment, Subject, cut_everywhere
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.whole_pools import assert_pools_whole

pytestmark = [ON_UVLOOP, pytest.mark.slow]
NODE = NodeId("node-of-the-cut")
Port = Callable[[Bus], Awaitable[Subject]]


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis, redis_command_connections=4) as bus:
        await bus.confirmer.tick()
        yield bus


async def tops(bus: Bus) -> Subject:
    channels = [Channel.of_conversation(await house_of(bus).conversation()) for _ in range(3)]

    async def holds() -> None:
        assert set(await bus.journal.tops(channels)) == set(channels)

    return Subject(bus.journal.tops(channels), holds)


async def drain_budget(bus: Bus) -> Subject:
    fleet = f"fleet-{fresh()}"

    async def holds() -> None:
        assert await bus.drain_budget.take(fleet, 10, wanted=3, must=2) == 2

    return Subject(bus.drain_budget.take(fleet, 10, wanted=3, must=2), holds)


async def append_user(bus: Bus) -> Subject:
    user, once = f"user-{fresh()}", fresh()
    event = MemberJoined(fresh(), user, ANN, MEMBER)

    def work() -> Any:
        return bus.journal.append_user(user, event, once=once)

    async def holds() -> None:
        assert (await work()).position.offset == 1

    return Subject(work(), holds)


async def tick(bus: Bus) -> Subject:
    async def holds() -> None:
        assert len(await bus.confirmer.tick()) == 40

    return Subject(bus.confirmer.tick(), holds)


async def tick_on_a_new_socket(bus: Bus) -> Subject:
    """Among what is cut are asking the Sentinels and connecting."""
    await bus._masters.drop()
    return await tick(bus)


async def tick_among_many(bus: Bus) -> Subject:
    """More callers than sockets: among what is cut is the wait for a free one."""

    async def on_and_on() -> None:
        while True:
            await bus.floor.commands.time()  # on a socket each: scripts share theirs

    others = [bus._tasks.start("tick", on_and_on()) for _ in range(6)]
    await eventually(lambda: bus.floor.commands.connection_pool._room._waiters)

    async def holds() -> None:
        assert len(await bus.confirmer.tick()) == 40
        for each in others:
            each.cancel()
        await asyncio.wait(others)

    return Subject(bus.confirmer.tick(), holds)


async def publish(bus: Bus) -> Subject:
    return Subject(bus.control.publish(ControlEntry("turn.cancel", fresh())), nothing)


async def enter(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation, seat = await house.conversation(), ConnectionId(fresh())

    def work() -> Any:
        return bus.roster.enter(conversation, seat, ANN, None, NODE)

    async def holds() -> None:
        await work()
        assert await bus.roster.count(conversation) == (1, 1)
        await bus.roster.leave(conversation, seat, ANN, NODE, grace_ms=0)
        assert await bus.roster.count(conversation) == (0, 0)
        assert (conversation, seat) not in await bus.roster.held(NODE)

    return Subject(work(), holds)


async def leave(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation, seat = await house.conversation(), ConnectionId(fresh())
    await bus.roster.enter(conversation, seat, ANN, None, NODE)

    def work() -> Any:
        return bus.roster.leave(conversation, seat, ANN, NODE, grace_ms=0)

    async def holds() -> None:
        await work()
        assert await bus.roster.count(conversation) == (0, 0)
        assert (conversation, seat) not in await bus.roster.held(NODE)

    return Subject(work(), holds)


async def beat(bus: Bus) -> Subject:
    node = NodeId(f"node-{fresh()}")

    async def holds() -> None:
        await bus.roster.beat(node, {"connections": 1})
        assert await bus.roster.beat(node, {"connections": 1})

    return Subject(bus.roster.beat(node, {"connections": 1}), holds)


async def reap(bus: Bus) -> Subject:
    """A dead node with seats in two conversations."""
    house, node = house_of(bus), NodeId(f"node-{fresh()}")
    rooms = [await house.conversation() for _ in range(2)]
    await bus.roster.beat(node, {})
    for conversation in rooms:
        await bus.roster.enter(conversation, ConnectionId(fresh()), ANN, None, node)
    mark = (await bus.roster.beats())[node].mark

    def work() -> Any:
        return bus.roster.reap(node, mark, grace_ms=0)

    async def holds() -> None:
        await work()
        assert [await bus.roster.count(each) for each in rooms] == [(0, 0)] * 2
        assert node not in await bus.roster.beats()
        assert await bus.roster.held(node) == {}

    return Subject(work(), holds)


async def put(bus: Bus) -> Subject:
    thread = await owned(bus)
    await thread.put("1", "", {"a": "1"}, {"a": packed("one")})
    new = thread.new("2", "1", {"a": "2"}, {"a": packed("two")})

    def work() -> Any:
        return bus.checkpoints.put(thread.lease, new, ttl_s=60, acknowledged=True)

    async def holds() -> None:
        assert await work() == await work()
        assert await thread.ids() == ["2", "1"]

    return Subject(work(), holds)


async def put_writes(bus: Bus) -> Subject:
    thread = await owned(bus)
    await thread.put("1")

    def work() -> Any:
        writes = [write("first"), write("latest", index=-1)]
        return bus.checkpoints.put_writes(thread.lease, thread.place("1"), writes, ttl_s=60)

    async def holds() -> None:
        await work()
        assert len((await thread.read("1")).writes) == 2

    return Subject(work(), holds)


async def carry_one(bus: Bus) -> Subject:
    """The relay, from its start until a new member was told."""
    bob = UserId(f"user-{fresh()}")
    conversation = await house_of(bus).conversation(bob)

    async def told() -> bool:
        return [each.id for each in await bus.conversations.list_of(bob)] == [conversation]

    async def holds() -> None:
        other = bus._tasks.start("relay", bus.outbox.relay(fresh()))
        await eventually(told)
        other.cancel()
        at = bus.floor.keys.user(bob)
        assert await bus.floor.commands.xlen(at.journal) == 1

    return Subject(bus.outbox.relay(fresh()), holds, told)


async def follow_control(bus: Bus) -> Subject:
    """A follower, until it heard one entry."""
    entry = ControlEntry("turn.cancel", fresh())

    async def until_heard() -> None:
        async for each in bus.control.follow():
            if each == entry:
                return

    async def speak() -> None:
        while True:
            await bus.control.publish(entry)

    speaking = bus._tasks.start("speak", speak())

    async def holds() -> None:
        speaking.cancel()

    return Subject(until_heard(), holds)


async def hear(bus: Bus) -> Subject:
    """The live feed, until it heard one event; a second feed then hears the next."""
    user = f"user-{fresh()}"
    channel, heard = Channel.of_user(user), list[int]()

    async def say() -> None:
        event = MemberJoined(fresh(), user, ANN, MEMBER)
        await bus.journal.append_user(user, event, once=fresh())

    async def hears() -> bool:
        await say()
        return bool(heard)

    def feed() -> Any:
        return bus.live.run(lambda _, push: heard.append(push.position.offset), lambda: None)

    following = bus._tasks.start("follow", bus.live.follow(channel))

    async def holds() -> None:
        heard.clear()
        another = bus._tasks.start("feed", feed())
        await eventually(hears)
        assert following.done()
        await bus.live.unfollow(channel)
        another.cancel()

    return Subject(feed(), holds, hears)


async def follow(bus: Bus) -> Subject:
    """One of two who follow a channel gives up; the other hears."""
    user = f"user-{fresh()}"
    channel, heard = Channel.of_user(user), list[int]()
    feed = bus._tasks.start(
        "feed", bus.live.run(lambda _, push: heard.append(push.position.offset), lambda: None)
    )

    async def holds() -> None:
        await bus.live.follow(channel)
        await bus.journal.append_user(user, MemberJoined(fresh(), user, ANN, MEMBER), once=fresh())
        await eventually(lambda: heard == [1])
        await bus.live.unfollow(channel)
        assert not bus.live._followed
        assert not bus.live._confirmed
        feed.cancel()

    return Subject(bus.live.follow(channel), holds)


PORTS: list[Port] = [
    *(accept, create, add_member, remove_member, cancel, listing, history, read, excerpt, tops, append_user),
    drain_budget,
    *(tick, tick_on_a_new_socket, tick_among_many, publish, enter, leave, beat, reap, put, put_writes),
    *(carry_one, follow_control, hear, follow, replay, answer, configure, accept_making_way, rewind),
    *(invite, accept_invitation, decline, change_role, rename, mute, members_page, invitations),
    *(edit, delete_message, react, mark_read, archive, versions),
]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read and not finished is anybody's soon."""
    monkeypatch.setattr("services.shared.bus.outbox.STALE_MS", 50)
    monkeypatch.setattr("services.shared.bus.outbox.BLOCK_MS", 50)
    monkeypatch.setattr("services.shared.bus.ready.STALE_MS", 50)


async def cut_port(bus: Bus, port: Port, moment: Moment) -> None:
    async def make() -> Subject:
        subject = await port(bus)

        async def holds() -> None:
            await subject.holds()
            await assert_pools_whole(bus)

        return Subject(subject.work, holds, subject.enough)

    assert await cut_everywhere(make, moment) >= (0 if port is follow else 1)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
async def test_a_cancelled_call_leaves_nothing_behind_and_can_be_made_again(
    bus: Bus, port: Port, moment: Moment
) -> None:
    await cut_port(bus, port, moment)


@ON_ASYNCIO
@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("moment", HARDEST)
@pytest.mark.parametrize(
    "port", [accept, tick_on_a_new_socket, carry_one, hear, follow], ids=lambda port: port.__name__
)
async def test_a_cancelled_call_leaves_nothing_behind_on_the_other_loop_either(
    bus: Bus, port: Port, moment: Moment
) -> None:
    await cut_port(bus, port, moment)


async def keeps_its_socket(bus: Bus) -> Subject:
    pool: Any = bus.floor.commands.connection_pool

    async def work() -> None:
        connection = await pool.get_connection()
        await connection.send_command("PING")
        await connection.read_response()
        await pool.release(connection)

    return Subject(work(), nothing)


async def leaves_its_reply_behind(bus: Bus) -> Subject:
    pool: Any = bus.floor.commands.connection_pool

    async def work() -> None:
        connection = await pool.get_connection()
        try:
            # A reply that takes a while: one that is there already is seen, and the socket not used.
            await connection.send_command("BLPOP", fresh(), 0.05)
            await connection.read_response(disconnect_on_error=False)
        finally:
            await pool.release(connection)

    return Subject(work(), nothing)


@pytest.mark.parametrize(
    "careless", [keeps_its_socket, leaves_its_reply_behind], ids=lambda port: port.__name__
)
async def test_a_call_that_cleans_up_badly_is_caught(bus: Bus, careless: Port) -> None:
    async def make() -> Subject:
        subject = await careless(bus)
        return Subject(subject.work, partial(assert_pools_whole, bus, within_s=1.0))

    with pytest.raises(AssertionError):
        await cut_everywhere(make, Moment.AT_ONCE)
