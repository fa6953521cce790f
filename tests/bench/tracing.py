"""What tracing costs a message, in CPU seconds of the processes that serve it: off, at 1 % and at 100 %.

Each mode has a Redis, a connection process and a worker of its own, all alive for the whole run, and they
work in turns, each only a few seconds at a time.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import websockets
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.bench.latency import Device, arrived, conversing, exchange, left
from tests.bench.rig import PATH, SERVER_CORE, Process, open_rig
from tests.bench.tracing_figures import RATIOS, SAMPLED, Costs, Round
from tests.support.door import page_of
from tests.support.otlp_receiver import OtlpReceiver

ROUNDS = 24
DEVICES = 6
EACH = 8
"""Messages of one device in one round, one after the other."""
BUFFER_SPANS = 3000
"""Of a process. As it comes it is 20,000; here it has to be full before anything is measured, so that in each
message's time as many spans are let go of as are held anew.
"""
SETTLES_S = 1.0
"""After its last message each mode has so long to send what it gathered, which is part of what it costs."""
OVERFLOW = 'continuo_traces_spans_total{fate="overflow"}'
_CPU_CLOCK = 2
"""Linux's clock of all processor time of a process, exited threads included, to the nanosecond."""


class _Collector(OtlpReceiver):
    """Takes spans and only counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.spans = 0

    def take(self, request: ExportTraceServiceRequest) -> None:
        scopes = (scope for resource in request.resource_spans for scope in resource.scope_spans)
        self.spans += sum(len(scope.spans) for scope in scopes)


@dataclass(frozen=True)
class _House:
    """What serves in one mode."""

    processes: tuple[Process, ...]
    devices: tuple[Device, ...]
    collector: _Collector
    server_port: int

    async def overflows(self) -> bool:
        """Whether the connection process, which tells fewer spans than the worker, has to let go of some."""
        page = await page_of(self.server_port, "/metrics")
        [line] = [line for line in page.splitlines() if line.startswith(OVERFLOW)]
        return float(line.split()[-1]) > 0

    def cpu_s(self) -> float:
        return sum(time.clock_gettime(~process.pid << 3 | _CPU_CLOCK) for process in self.processes)


async def measure(folder: Path, rounds: int = ROUNDS) -> Costs:
    """All modes in one run. Fewer rounds than usual: with a smaller buffer, only to see that it works."""
    spans = max(100, BUFFER_SPANS * min(rounds, ROUNDS) // ROUNDS)
    async with AsyncExitStack() as stack:
        houses = {
            mode: await stack.enter_async_context(_house(folder / f"mode-{number}", ratio, spans))
            for number, (mode, ratio) in enumerate(RATIOS.items())
        }
        await _round(houses, 0)  # the first answers open connections and import
        while not await houses[SAMPLED].overflows():
            await _round(houses, 0)  # all of them: who has answered more has more to look after
        told = {mode: house.collector.spans for mode, house in houses.items()}
        played = [await _round(houses, number) for number in range(1, rounds + 1)]
    arrived_after = {mode: house.collector.spans - told[mode] for mode, house in houses.items()}
    return Costs(tuple(played), DEVICES * EACH, arrived_after)


@asynccontextmanager
async def _house(folder: Path, ratio: float | None, spans: int) -> AsyncIterator[_House]:
    with _Collector() as collector:
        traced = {"CONTINUO_TRACES": "off"} if ratio is None else collector.environ("grpc", ratio=ratio)
        traced |= {"CONTINUO_TRACES_BUFFER_SPANS": str(spans)}
        async with (
            open_rig(folder) as rig,
            rig.service("connection", SERVER_CORE, traced, ping_s=600) as (server, port),
            rig.service("conversation", SERVER_CORE, traced, token_ms=1) as (worker, _),
            AsyncExitStack() as sockets,
        ):
            address = f"ws://127.0.0.1:{port}{PATH}"
            opened = [
                await sockets.enter_async_context(websockets.connect(address, proxy=None))
                for _ in range(DEVICES)
            ]
            devices = tuple(Device(one) for one in opened)
            for device in devices:
                await arrived(device)
            yield _House((server, worker), devices, collector, port)


async def _round(houses: dict[str, _House], number: int) -> Round:
    orders = list(itertools.permutations(houses))
    return Round({mode: await _slice(houses[mode]) for mode in orders[number % len(orders)]})


async def _slice(house: _House) -> float:
    """CPU seconds a message. Each device has a new conversation, whose first answer is not counted."""
    conversations = [await conversing(device) for device in house.devices]
    before = house.cpu_s()
    async with asyncio.TaskGroup() as talking:
        for device, conversation in zip(house.devices, conversations, strict=True):
            talking.create_task(_said(device, conversation))
    await asyncio.sleep(SETTLES_S)
    cost = (house.cpu_s() - before) / (DEVICES * EACH)
    for device, conversation in zip(house.devices, conversations, strict=True):
        await left(device, conversation)
    return cost


async def _said(device: Device, conversation: str) -> None:
    for _ in range(EACH):
        await exchange(device, conversation)
