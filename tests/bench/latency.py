"""What a person waits for, through real services: from `conversation.send` to its replicated acknowledgement,
and to the first delta of the answer.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import websockets

from services.local.device import new_id
from tests.bench.rig import OTHER_CORE, PATH, SERVER_CORE, Rig, hello

MESSAGES = 60
ANSWERS_WITHIN_S = 20.0


@dataclass(frozen=True)
class Percentiles:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Percentiles":
        """Of at least two samples."""
        cuts = quantiles(seconds, n=100, method="inclusive")
        return cls(cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000)


@dataclass(frozen=True)
class Latency:
    """One device, one message after the other, each answered before the next."""

    acknowledged: Percentiles
    first_delta: Percentiles


async def measure(rig: Rig) -> Latency:
    """Talk with the default assistant through one connection process and one worker."""
    async with (
        rig.service("connection", SERVER_CORE, ping_s=600) as (_, port),
        rig.service("conversation", OTHER_CORE, token_ms=1),
        websockets.connect(f"ws://127.0.0.1:{port}{PATH}", proxy=None) as socket,
    ):
        return await _talk(Device(socket))


class Device:
    """Commands in, replies and pushes out, line by line."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._lines: list[dict[str, Any]] = []

    async def say(self, line: str) -> None:
        await self._socket.send(line)

    async def hear(self) -> dict[str, Any]:
        while not self._lines:
            text = await asyncio.wait_for(self._socket.recv(), ANSWERS_WITHIN_S)
            self._lines = [json.loads(line) for line in str(text).splitlines()]
        return self._lines.pop(0)

    async def reply_to(self, line: str) -> dict[str, Any]:
        await self.say(line)
        while "id" not in (reply := await self.hear()):
            pass
        assert "error" not in reply, reply
        return reply


async def _talk(device: Device) -> Latency:
    await arrived(device)
    conversation = await conversing(device)
    times = [await exchange(device, conversation) for _ in range(MESSAGES)]
    acknowledged, first_delta = zip(*times, strict=True)
    return Latency(Percentiles.of(list(acknowledged)), Percentiles.of(list(first_delta)))


async def arrived(device: Device) -> None:
    """Connect."""
    await device.reply_to(hello("talker"))


async def conversing(device: Device) -> str:
    """A new conversation, followed; its first answer, which opens connections and imports, has been given."""
    made = await device.reply_to('{"id":2,"rpc":{"method":"conversation.create","data":{}}}')
    conversation = str(made["rpc"]["data"]["conversation"])
    await device.reply_to(json.dumps({"id": 3, "subscribe": {"channel": f"conversation:{conversation}"}}))
    await exchange(device, conversation)
    return conversation


async def left(device: Device, conversation: str) -> None:
    """No longer followed."""
    await device.reply_to(json.dumps({"id": 4, "unsubscribe": {"channel": f"conversation:{conversation}"}}))


async def exchange(device: Device, conversation: str) -> tuple[float, float]:
    """Send one message; seconds to its acknowledgement and to the first delta.

    Returns when it is answered.
    """
    data = {"conversation": conversation, "id": new_id(), "text": "Hello"}
    began = time.perf_counter()
    await device.say(json.dumps({"id": 9, "rpc": {"method": "conversation.send", "data": data}}))
    acknowledged = delta = 0.0
    while True:
        line = await device.hear()
        kind = line.get("push", {}).get("pub", {}).get("data", {}).get("type")
        if line.get("id") == 9:
            assert "error" not in line, line
            acknowledged = time.perf_counter() - began
        elif kind == "message.delta" and not delta:
            delta = time.perf_counter() - began
        elif kind == "turn.finished":
            assert acknowledged, "answered before it was acknowledged"
            assert delta, "no delta came"
            return acknowledged, delta
