"""A connection process as hostile, slow and ordinary clients see it, byte for byte."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets

from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.events import MessageCreated
from services.shared.model.ids import ConversationId, UserId
from tests.support.door import Device, Door, narrow_socket
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually


@pytest.fixture
async def door(redis: EmbeddedRedis, tmp_path: Path) -> AsyncIterator[Door]:
    async with Door(redis, tmp_path) as opened:
        yield opened


async def test_what_breaks_the_protocol_is_closed_with_its_code_and_without_noise(door: Door) -> None:
    hostile: list[tuple[str | bytes, int]] = [
        ("no json", 3501),
        ("{}", 3501),  # a pong nobody asked for
        (b"\x00\x01", 3501),
        ('{"id":1,"subscribe":{"channel":"#ann"}}', 3501),
        ('{"id":1,"unheard":{}}', 3501),
        ('{"id":1,"connect":{"token":"a.b.c"}}', 3500),
        ('{"id":1,"connect":{"token":"' + "x" * 70_000 + '"}}', 1009),
    ]
    good = await door.arrive("ann")
    for said, code in hostile:
        device = await door.open()
        await device.say(said)
        assert (await device.closed())[0] == code, said[:60]
    reply = await good.ask(rpc={"method": "conversation.list", "data": {}})
    assert reply["rpc"]["data"]["conversations"] == []
    assert not [line for line in door.log().splitlines() if '"info"' not in line]


async def test_only_the_websocket_path_opens(door: Door) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(door.address.replace("/connection/", "/elsewhere/"), proxy=None)
    assert refused.value.response.status_code == 404
    assert await door.status("/livez") == 200


async def test_a_page_of_a_foreign_origin_stays_outside(redis: EmbeddedRedis, tmp_path: Path) -> None:
    async with Door(redis, tmp_path, CONTINUO_ALLOWED_ORIGINS="https://good.example") as door:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await door.open(origin="https://evil.example")
        assert refused.value.response.status_code == 403
        await door.open(origin="https://good.example")
        await door.open()


async def test_a_request_that_never_comes_or_never_ends_is_cut(redis: EmbeddedRedis, tmp_path: Path) -> None:
    async with Door(redis, tmp_path, CONTINUO_STALE_S="1") as door:
        mute, silence = await asyncio.open_connection("127.0.0.1", door.port)
        endless, flood = await asyncio.open_connection("127.0.0.1", door.port)
        flood.write(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000)
        late = await door.open()
        for reader in (mute, endless):
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
        for writer in (silence, flood):
            writer.close()
        assert (await late.closed())[0] == 3502
        assert await door.status("/livez") == 200


async def test_a_message_in_fragments_and_a_ping_frame_between_them_are_understood(door: Door) -> None:
    device = await door.open()

    async def pieces() -> AsyncIterator[str]:
        yield '{"id":1,"connect":'
        await (await device.connection.ping())
        yield json.dumps({"token": door.token("ann")}) + "}"

    await device.connection.send(pieces())
    assert (await device.line())["connect"]["ping"] == 25


async def test_a_client_that_does_not_pong_is_closed(redis: EmbeddedRedis, tmp_path: Path) -> None:
    async with Door(redis, tmp_path, CONTINUO_PING_S="1", CONTINUO_PONG_S="0.5") as door:
        mute, alive = await door.arrive("mute"), await door.arrive("alive")
        closing = asyncio.create_task(mute.closed())
        while not closing.done():
            assert await alive.line() == {}
            await alive.say("{}")
        assert closing.result()[0] == 3012
        assert "error" not in await alive.ask(rpc={"method": "conversation.list", "data": {}})


async def test_a_slow_device_is_closed_and_delays_nobody(door: Door, redis: EmbeddedRedis) -> None:
    """It stops reading while megabytes come: others get them, and it gets them when it comes back."""
    good = await door.arrive("slow")
    stuck = await door.arrive("slow", sock=narrow_socket(door.port), max_queue=1)
    stuck.connection.transport.pause_reading()
    count = 300
    async with open_bus(redis) as bus, asyncio.timeout(30):
        pouring = asyncio.create_task(_pour(bus, "slow", count, "x" * 40_000))
        got = await good.events("#slow", count)
        await pouring
    assert [each["data"]["message"] for each in got] == [str(number) for number in range(count)]
    await eventually(lambda: door.metric("continuo_slow_closes_total 1.0"))
    again = await door.open(max_size=None)
    asked = {"#slow": {"recover": True, **_place(stuck.user_position)}}
    subs = (await again.ask(connect={"token": door.token("slow"), "subs": asked}))["connect"]["subs"]
    assert subs["#slow"]["recovered"]
    assert len(subs["#slow"]["publications"]) == count


async def test_a_journal_that_cannot_be_read_costs_nobody_else_a_connection(
    door: Door, redis: EmbeddedRedis
) -> None:
    conversation, other = new_id(), await door.arrive("bob")
    async with open_bus(redis) as bus:
        keys = bus.floor.keys.conversation(ConversationId(conversation))
        await bus.conversations.create(ConversationId(conversation), UserId("ann"))
        device = await door.arrive("ann")
        await device.ask(subscribe={"channel": f"conversation:{conversation}"})
        await bus.floor.commands.set(keys.journal, "no stream")
        await bus.floor.commands.publish(keys.live, b'1 e unheard 50 {"type":"x"}')
        await eventually(lambda: "journal unreadable" in door.log())
        await bus.floor.commands.delete(keys.journal)
    assert "rpc" in await other.ask(rpc={"method": "conversation.list", "data": {}})


async def test_the_end_is_told_with_3001_after_commands_in_flight_and_the_process_exits_well(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with Door(redis, tmp_path) as door:
        devices = [await door.arrive(f"user-{number}") for number in range(30)]
        conversation = new_id()
        async with open_bus(redis) as bus:
            await bus.conversations.create(ConversationId(conversation), UserId("user-0"))
        sent = {"conversation": conversation, "id": new_id(), "text": "the last word"}
        number = await devices[0].begin(rpc={"method": "conversation.send", "data": sent})
        door.child.signal(signal.SIGTERM)
        line = await devices[0].line()
        while line.get("id") != number:
            line = await devices[0].line()
        assert "error" not in line
        for device in devices:
            assert await device.closed() == (3001, "shutdown")
        assert await door.child.ended(15)
        assert door.child.exit_code == 0


async def test_a_process_that_ends_stays_ready_and_lets_nobody_in(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with Door(redis, tmp_path) as door:
        stuck = await door.arrive("ann", close_timeout=0.1)
        stuck.connection.transport.pause_reading()  # its close handshake holds the end up
        door.child.signal(signal.SIGTERM)
        await eventually(lambda: door.metric('continuo_drain_state{state="gone"} 1.0'))
        assert await door.status("/readyz") == 200
        with pytest.raises(websockets.InvalidStatus) as refused:
            await door.open()
        assert refused.value.response.status_code == 503
        stuck.connection.transport.abort()


async def test_no_more_connections_come_in_than_a_process_may_have(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with Door(redis, tmp_path, CONTINUO_MAX_CONNECTIONS="3") as door:
        devices = [await door.arrive(f"user-{number}") for number in range(3)]
        for _ in range(2):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await door.open()
            assert refused.value.response.status_code == 503
        assert await door.status("/readyz") == 503
        assert await door.metric('continuo_handshakes_refused_total{why="full"} 2.0')
        await devices[0].connection.close()
        await eventually(lambda: _says(door, "/readyz", 200))
        await door.arrive("late")


async def test_a_burst_of_devices_joining_a_busy_channel_sees_everything_once(
    door: Door, redis: EmbeddedRedis
) -> None:
    """Devices join while events pour in: what each got from its reply on has no hole and no repeat."""
    async with open_bus(redis) as bus:
        busy = asyncio.create_task(_pour(bus, "busy", 200))
        devices = [await door.arrive("busy") for _ in range(30)]
        last = await busy
    for device in devices:
        while _stands_at(device) < last:  # who came behind the last event has it all from the reply
            await asyncio.wait_for(device.line(), 10)
        offsets = [push["pub"]["offset"] for push in device.pushes]
        assert offsets == list(range(device.user_position["offset"] + 1, last + 1))


def _stands_at(device: Device) -> int:
    last = device.pushes[-1]["pub"] if device.pushes else device.user_position
    return int(last["offset"])


async def _pour(bus: Bus, user: str, count: int, text: str = "") -> int:
    for number in range(count):
        event = MessageCreated(conversation="c", message=str(number), user="u", text=text)
        appended = await bus.journal.append_user(UserId(user), event, once=str(number))
    return int(appended.position.offset)


async def _says(door: Door, page: str, status: int) -> bool:
    return await door.status(page) == status


def _place(told: dict[str, object]) -> dict[str, object]:
    return {"epoch": told["epoch"], "offset": told["offset"]}
