"""Redis loses everything beneath running services: they say so, set up what they need, and go on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from centrifuge import ReplyError

from services.shared.bus.house import Bus
from services.shared.bus.keys import BIRTH, MEMORY, NODES
from services.shared.model.ids import ConversationId, UserId
from tests.support.door import Device, page_of
from tests.support.official_client import Official
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.whole_house import CONNECTIONS, WholeHouse

SERVICES = (*CONNECTIONS, "conversation", "presence")


@pytest.fixture
def own_house(tmp_path: Path, saver: str) -> Iterator[WholeHouse]:
    whole = WholeHouse(tmp_path, CONTINUO_TOKEN_MS="150", CONTINUO_CHECKPOINTER=saver)
    try:
        whole.start()
        yield whole
    finally:
        whole.stop()


@pytest.mark.parametrize(
    ("how", "saver"), [("flushed", "continuo"), ("replaced", "continuo"), ("flushed", "redis")]
)
async def test_services_go_on_with_a_redis_that_lost_everything_and_devices_are_told(
    own_house: WholeHouse, how: str, saver: str
) -> None:
    house, pids = own_house, own_house.pids
    ann = await Official(house.address(0), lambda: house.token("ann")).connect()
    bob = await Official(house.address(1), lambda: house.token("bob")).connect()
    conversation = await ann.create("bob")
    (_, anns), (_, bobs) = await ann.follow(conversation), await bob.follow(conversation)
    await ann.send(conversation, "Tell me something, please.")
    for each in (anns, bobs):
        await eventually(lambda each=each: each.events("message.delta"), 20)
    position = bobs.subscribed[0].stream_position

    if how == "flushed":
        async with open_bus(house.redis) as bus:
            await bus.floor.commands.flushall()
    else:
        await house.replace_redis()

    # Devices are told: what they followed is gone, their own channels go on from another past.
    for device, followed in ((ann, anns), (bob, bobs)):
        await eventually(lambda followed=followed: followed.unsubscribed == [103], 40)
        await eventually(lambda device=device: _told_of_a_loss(device), 20)
    with pytest.raises(ReplyError) as refused:
        await ann.send(conversation, "Are you still there?")
    assert refused.value.code == 103

    # Every service says so; the turn that ran for nobody ended, and so did its lease.
    for name in SERVICES:
        await eventually(lambda name=name: _says_so(house, name), 20)
    for idle in ("continuo_turns_running 0.0", "continuo_leases_held 0.0", "continuo_leases_lost_total 1.0"):
        await eventually(lambda idle=idle: _metric(house, "conversation", idle), 20)

    # All goes on in the same processes; an old position is void also where the conversation is made anew.
    async with open_bus(house.redis) as bus:
        await eventually(lambda: _nothing_ownerless(bus), 20)
        await bus.conversations.create(ConversationId(conversation), UserId("ann"), members=[UserId("bob")])
        assert not await _recovers(house, "bob", conversation, position)
        await _talk(ann, bob)
        indices = {MEMORY, "checkpoint", "checkpoint_write"} if saver == "redis" else {MEMORY}
        assert await eventually(lambda: _set_up(bus, indices), 20)
    assert house.pids == pids
    assert _complaints(house) == ["redis lost everything"] * len(SERVICES)
    for device in (ann, bob):
        assert device.noted.disconnected == []
        await device.leave()


def _told_of_a_loss(device: Official) -> bool:
    last = device.noted.server_side[-1]
    return len(device.noted.server_side) > 1 and last.was_recovering and not last.recovered


async def _says_so(house: WholeHouse, name: str) -> bool:
    said = json.loads(await page_of(house.port(name), "/health"))["checks"]["store"]
    told = (said["ok"], said["emptied"]) == (False, 1)
    return told and await _metric(house, name, "continuo_redis_emptied_total 1.0")


async def _metric(house: WholeHouse, name: str, line: str) -> bool:
    return line in (await page_of(house.port(name), "/metrics")).splitlines()


async def _recovers(house: WholeHouse, user: str, conversation: str, position: Any) -> bool:
    """Subscribe as a device that was away all the time, with the position it stood at."""
    async with websockets.connect(house.address(0), proxy=None) as connection:
        device = Device(connection)
        await device.ask(connect={"token": house.token(user)})
        stood = {"recover": True, "epoch": position.epoch, "offset": position.offset}
        reply = await device.ask(subscribe={"channel": f"conversation:{conversation}", **stood})
        assert reply["subscribe"]["was_recovering"]
        return bool(reply["subscribe"].get("recovered"))


async def _talk(ann: Official, bob: Official) -> None:
    """A new conversation, heard by both, answered to the end, with both in it."""
    conversation = await ann.create("bob")
    (_, anns), (followed, bobs) = await ann.follow(conversation), await bob.follow(conversation)
    await ann.send(conversation, "Hello again.")
    for each in (anns, bobs):
        await eventually(lambda each=each: each.events("turn.finished"), 30)
        assert each.said() == ["Hello again."]
        assert [event["outcome"] for event in each.events("turn.finished")] == ["completed"]
    assert (await followed.presence_stats()).num_users == 2


async def _nothing_ownerless(bus: Bus) -> bool:
    """Nobody wrote, or left, what belongs to the conversation that is gone."""
    faults = (await bus.inventory.take()).faults
    assert faults == []
    return True


async def _set_up(bus: Bus, indices: set[str]) -> bool:
    """What services keep for themselves is there again."""
    redis: Any = bus.floor.commands
    found = {each.decode() for each in await redis.execute_command("FT._LIST")}
    nodes = await redis.zcard(NODES)
    workers = await redis.xinfo_groups(bus.floor.keys.shared()[0].ready)
    relays = await redis.xinfo_groups(bus.floor.keys.shared()[0].outbox)
    groups = [str(group["name"].decode()) for group in (*workers, *relays)]
    kept = (found, nodes, groups, await redis.exists(BIRTH))
    assert kept == (indices, len(CONNECTIONS), ["workers", "relay"], 1)
    return True


def _complaints(house: WholeHouse) -> list[str]:
    """What the services logged as errors."""
    lines = [json.loads(line) for name in SERVICES for line in house.logs_of(name).splitlines()]
    return [line["event"] for line in lines if line["level"] in {"error", "critical"}]
