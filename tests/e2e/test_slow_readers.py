"""A device that stops reading amid a long answer: it is owed the text, not every piece of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.events import MessageCreated
from services.shared.model.ids import UserId
from tests.support.bus_house import ANN, House, house_of
from tests.support.door import Device, Door, narrow_socket
from tests.support.waiting import eventually

OUTBOX_BYTES = 65_536
PIECES = 600
"""Each some 250 bytes with what is around it: more than twice the bound, if they were kept one by one."""


@pytest.fixture
async def door(redis: EmbeddedRedis, tmp_path: Path) -> AsyncIterator[Door]:
    async with Door(redis, tmp_path, CONTINUO_OUTBOX_BYTES=str(OUTBOX_BYTES)) as opened:
        yield opened


async def test_a_device_that_stops_reading_gets_the_text_in_larger_pieces_and_is_not_closed(
    door: Door, bus: Bus
) -> None:
    house = house_of(bus)
    conversation = await house.conversation()
    channel = f"conversation:{conversation}"
    quick = await door.arrive(ANN)
    stuck = await door.arrive(ANN, sock=narrow_socket(door.port), max_queue=1, max_size=None)
    for device in (quick, stuck):
        await device.ask(subscribe={"channel": channel})
    reading = asyncio.create_task(_all_of(quick))
    stuck.connection.transport.pause_reading()
    await _until_full(door, bus)
    said = await _spoken(house, conversation)
    await eventually(lambda: _text(quick, channel) == said, within_s=60)
    assert await door.metric("continuo_outboxes 1.0"), "it reads all the same: nothing was shown"
    stuck.connection.transport.resume_reading()
    async with asyncio.timeout(60):
        while _text(stuck, channel) != said:
            await stuck.line()
    assert len(_deltas(stuck, channel)) < len(_deltas(quick, channel)) / 10
    offsets = [each["offset"] for each in _deltas(stuck, channel)]
    assert offsets == sorted(set(offsets))
    assert await door.metric("continuo_slow_closes_total 0.0")
    reading.cancel()


async def _until_full(door: Door, bus: Bus) -> None:
    """Fill what the kernel keeps for a device that does not read."""
    for number in range(1000):
        event = MessageCreated(conversation="c", message=str(number), user="u", text="x" * 20_000)
        await bus.journal.append_user(UserId(ANN), event, once=f"{number}")
        if await door.metric("continuo_outboxes 1.0"):
            return
    raise AssertionError("it never was full")


async def _spoken(house: House, conversation: Any) -> str:
    await house.ask(conversation)
    lease = await house.claim(conversation)
    pieces = [f"{number} " for number in range(PIECES)]
    await house.say(lease, await house.begin(lease), *pieces)
    return "".join(pieces)


async def _all_of(device: Device) -> None:
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            await device.line()


def _deltas(device: Device, channel: str) -> list[dict[str, Any]]:
    pubs = [each["pub"] for each in device.pushes if each["channel"] == channel and "pub" in each]
    return [each for each in pubs if each["data"]["type"] == "message.delta"]


def _text(device: Device, channel: str) -> str:
    text = ""
    for each in _deltas(device, channel):
        assert each["data"]["at"] == len(text)
        text += each["data"]["text"]
    return text
