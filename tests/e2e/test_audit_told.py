"""What a connection process tells the audit log of its devices: connects, joins, deeds, denials."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.connection.core.denials import MOST
from services.local import audit as command
from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from tests.support.bus_house import fresh
from tests.support.door import Door
from tests.support.open_bus import fresh_user
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.waiting import eventually

MARKED = "marked-text"


@pytest.fixture
async def door(redis: EmbeddedRedis, tmp_path: Path) -> AsyncIterator[Door]:
    async with Door(redis, tmp_path / "door") as door:
        yield door


async def told(bus: Bus, user: str) -> list[dict[str, Any]]:
    entries = bus.audit.export().until(await bus.audit.now_ms() + 1)
    return [command.line(each) async for each in entries if each.actor == user]


async def told_of(bus: Bus, user: str, actions: list[str]) -> list[dict[str, Any]]:
    """The entries of a user, once these are there."""
    found: list[dict[str, Any]] = []

    async def there() -> bool:
        found[:] = await told(bus, user)
        return sorted(each["action"] for each in found) == sorted(actions)

    try:
        await eventually(there)
    except BaseException as late:
        raise AssertionError(f"{found}") from late
    return found


async def call(device: Any, method: str, **data: Any) -> dict[str, Any]:
    reply: dict[str, Any] = await device.ask(rpc={"method": method, "data": data})
    return reply


async def test_what_a_device_does_is_told_with_its_connection(door: Door, bus: Bus) -> None:
    ann, bob = fresh_user("ann"), fresh_user("bob")
    device = await door.open()
    reply = await device.ask(connect={"token": door.token(ann)})
    connection = reply["connect"]["client"]
    talk = fresh()
    await call(device, "conversation.create", id=talk, members=[bob], title=MARKED)
    await device.ask(subscribe={"channel": f"conversation:{talk}"})
    said = {"conversation": talk, "id": new_id(), "text": MARKED}
    for _ in range(2):
        [turn] = (await call(device, "conversation.send", **said))["rpc"]["data"]["turns"]
    await device.ask(publish={"channel": f"conversation:{talk}", "data": {"id": new_id(), "text": MARKED}})
    await call(device, "conversation.cancel", conversation=talk, turn=turn)
    await call(device, "conversation.members.remove", conversation=talk, user=bob)
    await device.ask(unsubscribe={"channel": f"conversation:{talk}"})
    actions = ["connected", "created", "member.added", "joined", "sent", "sent", "cancelled"]
    found = await told_of(bus, ann, [*actions, "member.removed", "left"])
    assert {each["connection"] for each in found} == {connection}
    assert {each["conversation"] for each in found} == {None, talk}
    targets = [each["target"] for each in found if each["action"] == "cancelled"]
    assert targets == [turn]
    assert "marked" not in json.dumps(found)


async def test_who_is_denied_is_told_with_what_and_why_and_nothing_it_said(door: Door, bus: Bus) -> None:
    ann, eve = fresh_user("ann"), fresh_user("eve")
    talk = fresh()
    await bus.conversations.create(talk, ann)
    device = await door.arrive(eve)
    for _ in range(3):
        await call(device, "conversation.send", conversation=talk, id=new_id(), text=MARKED)
    await call(device, "conversation.members.add", conversation=talk, user="marked-user")
    await call(device, "marked.method", conversation=talk)
    await device.ask(subscribe={"channel": f"conversation:{talk}"})
    await device.ask(subscribe={"channel": f"#{ann}"})
    await device.ask(publish={"channel": f"conversation:{talk}", "data": {"marked": MARKED}})
    await device.begin(refresh={"token": "marked-token"})
    assert (await device.closed())[0] == 3500
    found = await told_of(bus, eve, ["connected", *["denied"] * 6])
    denied = [(each["target"], each["conversation"], each["code"]) for each in found[1:]]
    assert denied == [
        ("conversation.send", talk, 103),
        ("conversation.members.add", talk, 103),
        ("subscribe", talk, 103),
        ("subscribe", None, 103),
        ("publish", talk, 103),
        ("token", None, 3500),
    ]
    assert "marked" not in json.dumps(found)
    await door.__aexit__(None, None, None)
    counted = [each["times"] for each in await told(bus, eve) if each["target"] == "conversation.send"]
    assert counted == [1, 2]
    everything = [command.line(each) async for each in bus.audit.export().until(await bus.audit.now_ms() + 1)]
    assert "marked" not in json.dumps(everything)


async def test_a_refused_connect_is_told_without_a_name(door: Door, bus: Bus) -> None:
    for token in ("marked-token", door.token("")):
        device = await door.open()
        await device.begin(connect={"token": token})
        await device.closed()
    found = await told_of(bus, "", ["denied", "denied"])
    assert sorted((each["target"], each["code"]) for each in found) == [("connect", 3500), ("connect", 3507)]
    assert all(each["connection"] and not each["actor"] for each in found)


async def test_entries_name_the_trace_of_what_was_asked(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    ann, talk = fresh_user("ann"), fresh()
    with OtlpReceiver() as receiver:
        async with Door(redis, tmp_path / "traced", **receiver.environ("http/protobuf", ratio=1.0)) as door:
            await bus.conversations.create(talk, ann)
            device = await door.arrive(ann)
            await device.ask(subscribe={"channel": f"conversation:{talk}"})
            await call(device, "conversation.send", conversation=talk, id=new_id(), text=MARKED)
            await call(device, "conversation.send", conversation=fresh(), id=new_id(), text=MARKED)
            await call(device, "conversation.members.add", conversation=talk, user=fresh_user("bob"))
            actions = ["created", "connected", "joined", "sent", "denied", "member.added"]
            found = await told_of(bus, ann, actions)
            traces = {each["action"]: each["trace"] for each in found}
            spans = await receiver.until(
                lambda told: (
                    (
                        {one.name: one.trace for one in told.named("session.connect")},
                        [one.trace for one in told.named("message.send")],
                    )
                    if len(told.named("message.send")) == 2 and told.named("session.connect")
                    else None
                )
            )
    assert traces["connected"] == traces["joined"] == traces["member.added"] == spans[0]["session.connect"]
    assert sorted((traces["sent"], traces["denied"])) == sorted(spans[1])
    assert traces["created"] is None


async def test_a_log_that_is_off_hears_nothing(redis: EmbeddedRedis, bus: Bus, tmp_path: Path) -> None:
    eve, ann = fresh_user("eve"), fresh_user("ann")
    async with (
        Door(redis, tmp_path / "off", CONTINUO_AUDIT="off") as silent,
        Door(redis, tmp_path / "on", CONTINUO_NODE="on") as door,
    ):
        device = await silent.arrive(eve)
        await call(device, "conversation.send", conversation=fresh(), id=new_id(), text=MARKED)
        await call(device, "conversation.create")
        await door.arrive(ann)
        await told_of(bus, ann, ["connected"])
    assert await told(bus, eve) == []


async def test_a_flood_of_denials_makes_few_entries_that_count_each(door: Door, bus: Bus) -> None:
    eve, flood = fresh_user("eve"), 3 * MOST
    device = await door.arrive(eve)
    for _ in range(flood):
        await call(device, "conversation.send", conversation=fresh(), id=new_id(), text=MARKED)
    await door.__aexit__(None, None, None)
    entries = [each async for each in bus.audit.export().until(await bus.audit.now_ms() + 1)]
    named = [each for each in entries if each.action == "denied" and each.actor == eve]
    unnamed = [each for each in entries if each.action == "denied" and each.target == "conversation.send"]
    rest = [each for each in unnamed if not each.actor]
    assert (len(named), sum(each.times for each in rest)) == (MOST, flood - MOST)
    assert len(rest) == 2
