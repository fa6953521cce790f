"""Each deed has its entry in the audit log, written in the same step; a repeat adds none, and no entry holds
what anybody said.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.presence.housekeeping import Housekeeping
from services.shared.bus.audit import PAGE
from services.shared.bus.house import Bus
from services.shared.model.audit import AuditEntry
from services.shared.model.errors import ContinuoError
from services.shared.model.ids import ConnectionId, ConversationId, MessageId, NodeId, UserId, uuid7
from services.shared.runtime import logging, origin
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from tests.support.bus_house import ANN, House, fresh, house_of
from tests.support.deleted import carried, step, traces
from tests.support.open_bus import fresh_user, open_bus

MARKED = "marked-text-of-a-person"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def house(bus: Bus) -> House:
    return house_of(bus)


async def told(bus: Bus, conversation: str = "", **wanted: str) -> list[AuditEntry]:
    """The entries of a conversation, or those with these facts."""
    entries = [each async for each in bus.audit.export().until(await past(bus))]
    of_it = [each for each in entries if not conversation or each.conversation == conversation]
    return [each for each in of_it if all(getattr(each, name) == value for name, value in wanted.items())]


async def past(bus: Bus) -> int:
    """A moment behind all that was written so far."""
    return await bus.audit.now_ms() + 1


def raw(bus: Bus) -> Any:
    """Redis, for looking beneath and planting."""
    return bus.floor.commands


def short(entries: list[AuditEntry]) -> list[tuple[str, str, str]]:
    return [(each.action, each.actor, each.target) for each in entries]


async def test_each_deed_has_its_entry_in_order_and_a_repeat_adds_none(bus: Bus, house: House) -> None:
    talk, bob, eve, said = ConversationId(fresh()), "bob", "eve", MessageId(fresh())
    seat, node = ConnectionId(fresh()), NodeId(fresh())
    deeds: list[Callable[[], Awaitable[Any]]] = [
        lambda: house.conversations.create(talk, ANN, title=MARKED, members=[bob]),
        lambda: house.conversations.add_member(talk, ANN, eve),
        lambda: house.roster.enter(
            talk, seat, ANN, b'"' + MARKED.encode() + b'"', node, f"00-{TRACE}-00f067aa0ba902b7-01"
        ),
        lambda: house.messages.accept(talk, ANN, said, MARKED),
        lambda: house.conversations.remove_member(talk, ANN, eve),
        lambda: house.conversations.remove_member(talk, bob, bob),
        lambda: house.roster.leave(talk, seat, ANN, node, grace_ms=1),
    ]
    for deed in deeds:
        await deed()
        await deed()
    [turn] = await house.turns.cancel(talk, ANN, None)
    assert await house.turns.cancel(talk, ANN, turn) == [turn]
    await house.deletion.delete(talk, ANN)
    await house.deletion.delete(talk, ANN)
    entries = await told(bus, talk)
    assert short(entries) == [
        ("created", ANN, ""),
        ("member.added", ANN, bob),
        ("member.added", ANN, eve),
        ("joined", ANN, ""),
        ("sent", ANN, said),
        ("member.removed", ANN, eve),
        ("member.removed", bob, bob),
        ("left", ANN, ""),
        ("cancelled", ANN, turn),
        ("deleted", ANN, ""),
    ]
    seated = [each for each in entries if each.action in ("joined", "left")]
    assert [(each.connection, each.trace) for each in seated] == [(seat, TRACE)] * 2
    assert "marked" not in repr(entries)


async def test_a_running_turn_is_cancelled_once_by_whoever_was_first(bus: Bus, house: House) -> None:
    talk = await house.conversation("bob")
    await house.ask(talk)
    turn = await house.begin(await house.claim(talk))
    await house.turns.cancel(talk, ANN, turn.id)
    await house.turns.cancel(talk, UserId("bob"), None)
    assert short(await told(bus, talk, action="cancelled")) == [("cancelled", ANN, turn.id)]


async def test_what_is_refused_has_no_entry_of_a_deed(bus: Bus, house: House) -> None:
    talk = await house.conversation("bob")
    before = await told(bus, talk)
    for refused in (
        house.messages.accept(talk, "stranger", MessageId(fresh()), MARKED),
        house.messages.accept(talk, ANN, MessageId(uuid7(1, bytes(10))), MARKED),
        house.conversations.remove_member(talk, "bob", ANN),
        house.conversations.add_member(talk, "stranger", "eve"),
        house.turns.cancel(talk, UserId("stranger"), None),
        house.deletion.delete(talk, "bob"),
        house.conversations.create(talk, "bob"),
    ):
        with pytest.raises(ContinuoError):
            await refused
    assert await told(bus, talk) == before


async def test_a_conversation_nobody_uses_is_deleted_by_nobody(bus: Bus, house: House) -> None:
    talk = await house.conversation()
    at = house.floor.keys.conversation(talk)
    await house.floor.commands.hset(at.head, "touched_ms", 1)
    assert await house.floor.scripts.batch([house.deletion._retiring(talk, 60, 0)]) == [1]
    assert short(await told(bus, talk, action="deleted")) == [("deleted", "", "")]


async def test_an_entry_says_for_which_connection_and_in_which_trace(
    bus: Bus, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = fresh()

    async def asked() -> ConversationId:
        origin.come_from(connection)
        return await house.conversation()

    monkeypatch.setattr(logging._Traces, "current", staticmethod(lambda: TRACE))
    [entry] = await told(bus, await asyncio.create_task(asked()))
    assert (entry.connection, entry.trace) == (connection, TRACE)
    monkeypatch.undo()
    [unasked] = await told(bus, await house.conversation())
    assert (unasked.connection, unasked.trace) == ("", "")


async def test_a_log_that_is_off_takes_nothing_and_denies_nothing(
    shared_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with open_bus(shared_redis, audit="off") as silent:
        house = house_of(silent)
        talk = await house.conversation("bob")
        await house.ask(talk)
        await house.turns.cancel(talk, ANN, None)
        await house.roster.enter(talk, ConnectionId(fresh()), ANN, None, NodeId(fresh()))
        await silent.audit.note({silent.audit.named(): AuditEntry("connected", fresh_user("ann"))})
        await house.deletion.delete(talk, ANN)
    assert await told(bus, talk) == []


async def test_entries_survive_the_deletion_of_their_conversation(bus: Bus, house: House) -> None:
    talk = await house.conversation("bob")
    await house.deletion.delete(talk, ANN, linger_ms=0)
    await carried(house, talk)
    while not await step(house, talk):
        await carried(house, talk)
    assert f"{house.floor.keys.conversation(talk).head}" not in await traces(house, talk)
    assert [each.action for each in await told(bus, talk)] == ["created", "member.added", "deleted"]


async def test_what_is_noted_twice_by_one_note_is_exported_once(bus: Bus) -> None:
    user = fresh_user("ann")
    notes = {bus.audit.named(): AuditEntry("connected", user, connection=fresh()) for _ in range(3)}
    await bus.audit.note(notes)
    await bus.audit.note(notes)
    found = await told(bus, actor=user)
    assert [each.connection for each in found] == [each.connection for each in notes.values()]


@pytest.fixture
async def alone(own_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    """A bus on a Redis of its own, with a log of 40 deeds and 4 denials in each of 16 partitions."""
    async with open_bus(own_redis, partitions=16, audit_length=16 * 40, audit_days=7) as bus:
        yield bus


async def test_an_export_is_in_order_of_time_over_all_partitions_and_can_go_on(alone: Bus) -> None:
    """Planted by hand: pages of several streams, and entries of one millisecond."""
    redis, wanted = raw(alone), list[str]()
    streams = [each.audit for each in alone.floor.keys.shared()[:3]]
    fields = dict.fromkeys(("action", "conversation", "target", "connection", "trace"), "x")
    for number in range(3 * PAGE + 7):
        stream = streams[number * 7 % 3]
        await redis.xadd(stream, {**fields, "actor": f"u{number}"}, id=f"{1000 + number // 2}-{number}")
        wanted.append(f"u{number}")
    export = alone.audit.export(1000)
    first = [each.actor async for each in export.until(1050)]
    assert first == wanted[:100]
    assert [each.actor async for each in export.until(1050)] == []
    rest = [each.actor async for each in export.until(10**12)]
    assert first + rest == wanted
    assert [each.actor async for each in alone.audit.export(1100).until(1101)] == wanted[200:202]


async def test_old_entries_go_by_age_and_too_many_by_length(alone: Bus) -> None:
    redis, [first, second, *_] = raw(alone), alone.floor.keys.shared()
    now, day = await alone.audit.now_ms(), 86_400_000
    for days in (30, 8, 6, 0):
        await redis.xadd(first.audit, {"action": "sent"}, id=f"{now - days * day}-0")
        await redis.xadd(first.denied, {"action": "denied"}, id=f"{now - days * day}-0")
    for number in range(1, 61):
        await redis.xadd(second.audit, {"action": "sent"}, id=f"{now}-{number}")
    assert await alone.audit.trim() == 2 + 2 + 20
    assert [await redis.xlen(key) for key in (first.audit, first.denied, second.audit)] == [2, 2, 40]
    assert (await redis.xrange(second.audit))[0][0] == f"{now}-21".encode()
    assert await alone.audit.trim() == 0


async def test_the_presence_service_trims_the_log(alone: Bus) -> None:
    key = alone.floor.keys.shared()[3].audit
    await raw(alone).xadd(key, {"action": "sent"}, id="1-1")
    broom = Housekeeping(alone.deletion, alone.audit, SystemClock(), Metrics(), conversation_ttl_s=0)
    await broom.once()
    assert await raw(alone).xlen(key) == 0


async def test_the_log_is_bounded_where_nobody_trims_it(alone: Bus) -> None:
    house, user = house_of(alone), fresh_user("ann")
    talk = await house.conversation()
    for _ in range(150):
        await house.conversations.add_member(talk, ANN, user)
        await house.conversations.remove_member(talk, ANN, user)
    for _ in range(8):
        await alone.audit.note({alone.audit.named(): AuditEntry("denied", user) for _ in range(100)})
    tally = await alone.inventory.take()
    assert tally.faults == []
    shared = alone.floor.keys.user(user).shared
    assert await alone.floor.commands.xlen(shared.denied) <= 4 + 100
    at = alone.floor.keys.conversation(talk).shared
    assert await alone.floor.commands.xlen(at.audit) <= 40 + 100
