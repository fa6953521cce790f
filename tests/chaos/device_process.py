"""A process with devices of the campaign: `python -m tests.chaos.device_process <plan.json>`.

Started by `crowd`. Told by lines on standard input, JSON objects each: {"do": "quiet"}, {"do": "outboxes"},
{"do": "settle", "tops", "within_s"}, {"do": "end"}; answers each with a line. Ends when its input does.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
import uvloop

from tests.chaos.device import Device
from tests.chaos.journaling import Notes


async def main(plan: dict[str, Any]) -> None:
    """Be these devices until told to end."""
    devices = [_device(plan, one) for one in plan["devices"]]
    async with asyncio.TaskGroup() as tasks:
        for device, one in zip(devices, plan["devices"], strict=True):
            alone = plan.get("alone", ())
            await device.begin(one["conversations"], plan["life"], alone, one.get("owns", ()))
            if "visits" in one:
                device.visits = one["visits"]
                tasks.create_task(device.visit(tuple(plan["pause_s"])))
            if one["talks"]:
                tasks.create_task(device.talk(tuple(plan["pause_s"]), wanders=plan["wanders"]))
        await Orders(devices).obey()


class Orders:
    """What the campaign tells a process of devices, a line each, until it says the end. more: further orders,
    each with what answers it.
    """

    def __init__(
        self, devices: list[Device], more: Mapping[str, Callable[[], Awaitable[dict[str, Any]]]] | None = None
    ) -> None:
        self._devices = devices
        self._more = dict(more or {})

    async def obey(self) -> None:
        """Do as told; returns when everybody has left."""
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            order = json.loads(line)
            answer = await self._do(order)
            print(json.dumps({"did": order["do"], **answer}), flush=True)
            if order["do"] == "end":
                break
        for device in self._devices:
            device.quiet()
            await device.close()

    async def _do(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["do"] in self._more:
            return await self._more[order["do"]]()
        if order["do"] == "quiet":
            for device in self._devices:
                device.quiet()
        elif order["do"] == "outboxes":
            return {"waiting": sum(device.outbox for device in self._devices)}
        elif order["do"] == "settle":
            settling = (device.settle(order["tops"], order["within_s"]) for device in self._devices)
            return {"well": all(await asyncio.gather(*settling))}
        return {}


def _device(plan: dict[str, Any], one: dict[str, Any]) -> Device:
    notes = Notes(Path(plan["folder"]) / "devices" / f"{one['name']}.jsonl")
    token, seed = token_of(one["user"], plan["secret"]), f"{plan['seed']} {one['name']} {plan['life']}"
    return Device(one["name"], one["user"], one["servers"], token, notes, seed)


def token_of(user: str, secret: str) -> Callable[[], str]:
    """A maker of connection tokens."""

    def token() -> str:
        return jwt.encode({"sub": user, "exp": time.time() + 3600}, secret, algorithm="HS256")

    return token


if __name__ == "__main__":
    uvloop.run(main(json.loads(Path(sys.argv[1]).read_text())))
