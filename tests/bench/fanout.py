"""Publications a second that 1,000 devices of one process receive, from the Redis publish onward, beside the
floor: one prepared frame of the same size written to uvicorn's transports in a loop.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import websockets

from services.local.servers import free_ports
from services.shared.model.events import MessageCreated
from services.shared.model.ids import UserId
from tests.bench.rig import PATH, ROOT, SERVER_CORE, Process, Rig, hello

DEVICES = 1000
PUBLICATIONS = 400
PAYLOAD_BYTES = 200
WINDOW = 8
"""Publications under way at a time: enough that the process never waits for the next."""
ROUNDS = 5


@dataclass(frozen=True)
class Rate:
    """Deliveries (publications x devices): a second as the clock ran, and a second of the process's own work.

    The second one hardly depends on what else the machine does.
    """

    clock: float
    work: float


@dataclass(frozen=True)
class FanOut:
    """Medians of the rounds."""

    floor: Rate
    alone: Rate
    """Each frame a write of its own, as the floor does."""
    joined: Rate
    """As shipped: frames shown at once share a write."""


async def measure(rig: Rig) -> FanOut:
    """Run floor and service in turns, so that what else the machine does hits all of them."""
    floor, alone, joined = [], [], []
    for number in range(ROUNDS):
        floor.append(await _floor(rig))
        alone.append(await _service(rig, f"alone-{number}", burst_bytes=0))
        joined.append(await _service(rig, f"joined-{number}"))
    return FanOut(_median(floor), _median(alone), _median(joined))


def _median(rates: list[Rate]) -> Rate:
    return Rate(median(each.clock for each in rates), median(each.work for each in rates))


async def _floor(rig: Rig) -> Rate:
    (port,) = free_ports(1)
    server = Process(str(ROOT / "tests/bench/floor.py"), str(port), str(PUBLICATIONS), core=SERVER_CORE)
    try:
        await _listening(port)
        async with rig.devices(port, DEVICES, [[]], PUBLICATIONS, "/") as devices:
            worked = server.cpu_s()
            server.go()
            began = float((await server.said())["began"])
            return _rate(began, await devices.said(), server.cpu_s() - worked)
    finally:
        server.end()


async def _service(rig: Rig, user: str, **settings: int) -> Rate:
    async with (
        rig.service("connection", SERVER_CORE, ping_s=600, **settings) as (process, port),
        rig.devices(port, DEVICES, [[hello(user)]], PUBLICATIONS + 1) as devices,
    ):
        worked = process.cpu_s()
        began = await _publish(rig, user, port)
        return _rate(began, await devices.said(), process.cpu_s() - worked)


def _rate(began: float, said: dict[str, Any], worked_s: float) -> Rate:
    deliveries = DEVICES * PUBLICATIONS
    return Rate(deliveries / (float(said["done"]) - began), deliveries / worked_s)


async def _publish(rig: Rig, user: str, port: int) -> float:
    """Append through the bus, with one device of our own that paces it; when the first append began."""
    async with websockets.connect(f"ws://127.0.0.1:{port}{PATH}", proxy=None) as watching:
        await watching.send(hello(user))
        await watching.recv()
        await _append(rig, user, 0, "")
        padding = PAYLOAD_BYTES - len(await watching.recv()) - 2
        window = asyncio.Semaphore(WINDOW)
        watch = asyncio.create_task(_watch(watching, window))
        began = time.monotonic()
        for number in range(1, PUBLICATIONS + 1):
            await window.acquire()
            await _append(rig, user, number, "x" * padding)
        await watch
        return began


async def _append(rig: Rig, user: str, number: int, text: str) -> None:
    event = MessageCreated(conversation="c", message="m", user="u", text=text)
    await rig.bus.journal.append_user(UserId(user), event, once=f"{user}-{number}")


async def _watch(watching: websockets.ClientConnection, window: asyncio.Semaphore) -> None:
    seen = 0
    while seen < PUBLICATIONS:
        pushes = str(await watching.recv()).splitlines()
        assert all("pub" in json.loads(push)["push"] for push in pushes)
        seen += len(pushes)
        for _ in pushes:
            window.release()


async def _listening(port: int) -> None:
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise TimeoutError(f"nothing listens on port {port}")
