"""Presence: what the service does in a second of one core, and what 10,000 members cost each reader.

In this process, against a real Redis: the service's own code, and the processor time of it alone. What a
reader gets is what is published, framed as for a device, while users come and go by the second.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from services.connection.hub import Entry, frame_entry
from services.local.embedded import EmbeddedRedis
from services.presence.beats import Beats
from services.presence.core.roster import Limits
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.model.ids import (
    ENTROPY_BYTES,
    Channel,
    ConnectionId,
    ConversationId,
    NodeId,
    UserId,
    uuid7,
)
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from services.shared.wire.envelopes import decode_live
from tests.bench.presence_figures import Presence, Readers

NODES, LOOKS = 300, 40
TRANSITIONS = 4_000
MEMBERS, CHURN, SECONDS = 10_000, 100, 8
"""Users of the conversation; how many of them come or go in one second: 1 %; for how long."""
TOGETHER = 100
EACH_ONE = 1_000_000
"""Of users present above which numbers are told: never."""
NODE = NodeId("bench")


@dataclass(frozen=True)
class Talk:
    """A conversation, and who may sit in it."""

    id: ConversationId
    users: tuple[UserId, ...]


async def measure(folder: Path) -> Presence:
    """Measure all of it, on servers of its own."""
    async with EmbeddedRedis(folder / "redis") as redis:
        bus = await _open(redis)
        try:
            beats = await _beats(bus)
            leaves, seats = await _leaves(bus), await _seats(bus)
            snapshot = await _snapshot(bus)
        finally:
            await bus.close()
        counted = await _churned(redis, RedisSettings().presence_large)
        told = await _churned(redis, EACH_ONE)
    return Presence(beats, leaves, seats, Readers(counted, told, *snapshot))


async def _open(redis: EmbeddedRedis, **more: Any) -> Bus:
    settings = RedisSettings(redis_sentinels=tuple(redis.sentinels.split(",")), **more)
    return await Bus.open(settings, process=f"bench-{_id()}", clock=SystemClock(), metrics=Metrics())


async def _beats(bus: Bus) -> float:
    """Beats read and judged for a second of processor time."""
    nodes = [NodeId(f"node-{number}") for number in range(NODES)]
    facts = {"connections": 1000, "draining": 0, "users": 900, "channels": 2000, "connects": 10}
    limits = Limits(dead_after_ms=3_600_000, step_ms=2_000)
    beats, spent = Beats(bus.roster, limits, SystemClock(), Metrics()), 0.0
    for _ in range(LOOKS):
        await _in_parts([lambda node=node: bus.roster.beat(node, facts) for node in nodes])
        began = time.process_time()
        await beats.look()
        spent += time.process_time() - began
    for node in nodes:
        await bus.roster.reap(node, (await bus.roster.beats())[node].mark, grace_ms=0)
    return NODES * LOOKS / spent


async def _leaves(bus: Bus) -> float:
    """Leaves announced for a second of processor time."""
    talk = await _talk(bus, TRANSITIONS)
    seats = await _seated(bus, talk)
    await _in_parts(
        [
            lambda user=user, seat=seat: bus.roster.leave(talk.id, seat, user, NODE, grace_ms=0)
            for user, seat in seats.items()
        ]
    )
    began, done = time.process_time(), 0
    while done < TRANSITIONS:
        done += await bus.roster.depart_due()
    return done / (time.process_time() - began)


async def _seats(bus: Bus) -> float:
    """Seats of a dead node freed for a second of processor time."""
    talk = await _talk(bus, TRANSITIONS)
    await _seated(bus, talk)
    mark = (await bus.roster.beats())[NODE].mark
    began = time.process_time()
    freed = await bus.roster.reap(NODE, mark, grace_ms=3_600_000)
    return freed / (time.process_time() - began)


async def _snapshot(bus: Bus) -> tuple[int, int]:
    """Bytes of a page of 100 users, and of `presence_stats`."""
    talk = await _talk(bus, 1_000)
    await _seated(bus, talk)
    page = await bus.attendees.page(talk.id, talk.users[0], limit=100)
    connections, users = await bus.roster.count(talk.id)
    stats = msgspec.json.encode({"num_clients": connections, "num_users": users})
    return len(msgspec.json.encode([page.users, page.totals])), len(stats)


async def _churned(redis: EmbeddedRedis, large: int) -> float:
    """Bytes a second that each reader of a conversation of 10,000 gets, while 1 % a second come or go."""
    bus = await _open(redis, presence_large=large)
    try:
        talk = await _talk(bus, MEMBERS)
        seats = await _seated(bus, talk)
        at = bus.floor.keys.conversation(talk.id)
        await asyncio.sleep(3)
        await bus.roster.tell_crowds()
        feed = bus.floor.blocking.pubsub()
        await feed.subscribe(at.live)
        await feed.get_message(timeout=5)
        heard = asyncio.create_task(_bytes(feed, Channel.of_conversation(talk.id)))
        began = time.monotonic()
        for second in range(SECONDS):
            await _come_and_go(bus, talk, seats, second)
            await asyncio.sleep(max(0.0, began + second + 1 - time.monotonic()))
        elapsed_s = time.monotonic() - began
        await feed.unsubscribe()
        got = await heard
        await feed.aclose()
        return got / elapsed_s
    finally:
        await bus.close()


async def _come_and_go(bus: Bus, talk: Talk, seats: dict[UserId, ConnectionId], second: int) -> None:
    half = CHURN // 2
    back = talk.users[(second - 1) * half : second * half] if second else ()
    gone = talk.users[second * half : (second + 1) * half]
    await _in_parts(
        [lambda user=user: bus.roster.enter(talk.id, seats[user], user, None, NODE) for user in back]
    )
    await _in_parts(
        [lambda user=user: bus.roster.leave(talk.id, seats[user], user, NODE, grace_ms=0) for user in gone]
    )
    await bus.roster.depart_due()
    await bus.roster.tell_crowds()


async def _bytes(feed: Any, channel: Channel) -> int:
    """All that a device would get, until the feed is left."""
    size = 0
    async for said in feed.listen():
        if said["type"] == "unsubscribe":
            return size
        if said["type"] == "message":
            push = decode_live(said["data"])
            size += len(frame_entry(channel, Entry(0, push.kind, push.body)))
    return size


async def _talk(bus: Bus, members: int) -> Talk:
    talk = ConversationId(_id())
    users = tuple(UserId(f"user-{number:05}") for number in range(members))
    await bus.conversations.create(talk, users[0])
    key = bus.floor.keys.conversation(talk).members
    await bus.floor.commands.hset(key, mapping=dict.fromkeys(users[1:], "member"))
    return Talk(talk, users)


async def _seated(bus: Bus, talk: Talk) -> dict[UserId, ConnectionId]:
    seats = {user: ConnectionId(_id()) for user in talk.users}
    await _in_parts(
        [
            lambda user=user, seat=seat: bus.roster.enter(talk.id, seat, user, None, NODE)
            for user, seat in seats.items()
        ]
    )
    return seats


async def _in_parts(deeds: Sequence[Callable[[], Awaitable[Any]]]) -> None:
    for first in range(0, len(deeds), TOGETHER):
        await asyncio.gather(*(deed() for deed in deeds[first : first + TOGETHER]))


def _id() -> str:
    return uuid7(time.time_ns() // 1_000_000, os.urandom(ENTROPY_BYTES))
