"""A device stops reading while its conversation goes on: the connection process holds a bounded outbox, then
closes it (3008); everybody else hears everything at once, and it recovers when it comes back.
"""

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets

from services.local.device import new_id
from services.shared.model.ids import ConversationId, UserId
from tests.bench.flat_meter import MIB, Finding, at_most, exactly, grown, rss, used_memory
from tests.bench.rig import PATH, SERVER_CORE, Rig, token
from tests.support.door import Device, narrow_socket

TEXT_BYTES = 8_000
MESSAGES = 1_200
"""Said while the device does not read: more than sockets and its outbox hold, fewer than a journal keeps and
less than a recovery may bring, so that it comes back without a loss."""
WARM_UP_S = 5.0
READERS = 5
SPEAKER = UserId("speaker")
OUTBOX_MIB = 1.0
RSS_MIB = 12.0
"""The outbox, what the transport holds, and the allocator's slack."""
NO_PING_S = 3600
"""So that the device is closed for being slow, and not for a ping it does not answer."""
LATE_MS = 1000
"""What a message may take to a reader while another device does not read; a multiple of what it takes."""


async def a_device_does_not_read(rig: Rig, seconds: float) -> list[Finding]:
    """Measure it for so long."""
    async with rig.service("connection", SERVER_CORE, ping_s=NO_PING_S) as (process, port):
        conversation = ConversationId(new_id())
        await rig.bus.conversations.create(conversation, SPEAKER, agents=())
        async with _reader(port, conversation) as slow, _readers(port, conversation) as readers:
            speaker = _Speaker(conversation, await _arrive(port), MESSAGES / seconds)
            await speaker.say(WARM_UP_S)
            before, stored = rss(process), await used_memory(rig.bus)
            at = slow.top
            slow.stop()
            peak = before
            began, said = time.monotonic(), speaker.said
            while time.monotonic() - began < seconds:
                await speaker.say(1)
                peak = max(peak, rss(process))
            after = await used_memory(rig.bus)
            said = speaker.said - said
            closed = await _metric(port, "continuo_slow_closes_total")
            heard = {each.heard for each in readers}
            late = max(each.latest_ms for each in readers)
            again = await _recovered(port, conversation, at)
        await speaker.device.connection.close()
    return [
        grown("device not reading: connection, resident at most", before, peak, RSS_MIB),
        grown("device not reading: Redis", stored, after, _kept_mib(said)),
        exactly("device not reading: closed as slow", int(closed), 1),
        exactly("device not reading: heard by each other device", heard, {speaker.said}),
        at_most("device not reading: latest at another device", late, LATE_MS, " ms"),
        exactly("device not reading: recovered afterwards", again, (True, speaker.said)),
    ]


def _kept_mib(messages: int) -> float:
    """What is said is kept, and stands in the journal once more; nothing grows beside it."""
    return 1.25 * 2 * messages * TEXT_BYTES / MIB + 4


class _Speaker:
    """Says things at a steady pace, each acknowledged."""

    def __init__(self, conversation: str, device: Device, a_second: float) -> None:
        self.device = device
        self.said = 0
        self._a_second = a_second
        self._conversation = conversation

    async def say(self, seconds: float) -> None:
        """So many seconds' worth of messages."""
        began, first = time.monotonic(), self.said
        for number in range(int(seconds * self._a_second)):
            text = f"{time.monotonic_ns()} ".ljust(TEXT_BYTES, "x")
            data = {"conversation": self._conversation, "id": new_id(), "text": text}
            reply = await self.device.ask(rpc={"method": "conversation.send", "data": data})
            assert "rpc" in reply, reply
            self.said = first + number + 1
            await asyncio.sleep(max(0.0, began + (number + 1) / self._a_second - time.monotonic()))


class _Reader:
    """A device that follows and counts, until it stops reading."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.heard = 0
        self.top = 0
        self.latest_ms = 0.0
        self._task = asyncio.get_running_loop().create_task(self._read())

    def stop(self) -> None:
        """Read no more."""
        self._task.cancel()

    async def _read(self) -> None:
        while True:
            pub = (await self.device.line()).get("push", {}).get("pub")
            self.device.pushes.clear()
            if pub and pub["data"]["type"] == "message.created":
                spoken_ns = int(pub["data"]["text"].partition(" ")[0])
                self.latest_ms = max(self.latest_ms, (time.monotonic_ns() - spoken_ns) / 1e6)
                self.heard += 1
                self.top = pub["offset"]


async def _arrive(port: int, **more: Any) -> Device:
    device = Device(
        await websockets.connect(f"ws://127.0.0.1:{port}{PATH}", proxy=None, ping_interval=None, **more)
    )
    await device.ask(connect={"token": token(SPEAKER)})
    return device


@asynccontextmanager
async def _reader(port: int, conversation: str) -> AsyncIterator[_Reader]:
    device = await _arrive(port, sock=narrow_socket(port), max_queue=1)
    await device.ask(subscribe={"channel": f"conversation:{conversation}"})
    reader = _Reader(device)
    yield reader
    reader.stop()
    device.connection.transport.abort()


@asynccontextmanager
async def _readers(port: int, conversation: str) -> AsyncIterator[list[_Reader]]:
    devices = [await _arrive(port) for _ in range(READERS)]
    for each in devices:
        await each.ask(subscribe={"channel": f"conversation:{conversation}"})
    readers = [_Reader(each) for each in devices]
    yield readers
    for reader in readers:
        reader.stop()
        await reader.device.connection.close()


async def _recovered(port: int, conversation: str, since: int) -> tuple[bool, int]:
    """Come back from a position: whether it was served, and how many messages the device has then in all."""
    device = await _arrive(port, max_size=None)
    channel = f"conversation:{conversation}"
    epoch = (await device.ask(subscribe={"channel": channel}))["subscribe"]["epoch"]
    await device.ask(unsubscribe={"channel": channel})
    asked = {"channel": channel, "recover": True, "epoch": epoch, "offset": since}
    reply = (await device.ask(subscribe=asked))["subscribe"]
    before = since - 1  # the journal began with the owner's member.joined
    missed = [pub["offset"] for pub in reply.get("publications", [])]
    assert missed == sorted(set(missed))
    await device.connection.close()
    return bool(reply.get("recovered")), before + len(missed)


async def _metric(port: int, name: str) -> float:
    """The sum of a metric's lines."""

    def read() -> str:
        page: bytes = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()
        return page.decode()

    lines = (await asyncio.to_thread(read)).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))
