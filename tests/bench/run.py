"""`make bench`: measure fan-out, memory, latency, threads, agents, tracing and presence in one run on this
machine; write docs/benchmarks.md.

Ends by itself in some minutes. The exit code is 0 when all targets are met. With the argument `threads`,
`agents`, `presence` or `tracing` (and a number of rounds, if so wanted) only that part is measured and
printed, and the page stays as it is: it holds one run.
"""

import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from tests.bench import (
    agents,
    agents_figures,
    fanout,
    latency,
    memory,
    presence,
    presence_figures,
    threads,
    threads_page,
    tracing,
    tracing_figures,
)
from tests.bench.agents_figures import Run
from tests.bench.fanout import FanOut, Rate
from tests.bench.latency import Latency, Percentiles
from tests.bench.memory import Memory
from tests.bench.presence_figures import Presence
from tests.bench.rig import ROOT, open_rig
from tests.bench.threads_figures import Threads
from tests.bench.threads_targets import verdict
from tests.bench.tracing_figures import Costs

LEAST_RATIO = 0.8
MOST_KIB = 30.0
PAGE = ROOT / "docs" / "benchmarks.md"


async def _measure(folder: Path) -> tuple[FanOut, Memory, Latency, Threads, Run, Costs, Presence]:
    async with open_rig(folder) as rig:
        print("fan-out ...", flush=True)
        fan_out = await fanout.measure(rig)
        print("memory ...", flush=True)
        idle = await memory.measure(rig)
        print("latency ...", flush=True)
        waits = await latency.measure(rig)
        print("threads ...", flush=True)
        kept = await threads.measure(rig)
        print("agents ...", flush=True)
        served = await agents.measure(rig)
    print("tracing ...", flush=True)
    traced = await tracing.measure(folder)
    print("presence ...", flush=True)
    (folder / "presence").mkdir()
    return fan_out, idle, waits, kept, served, traced, await presence.measure(folder / "presence")


async def _measure_threads(folder: Path) -> Threads:
    async with open_rig(folder) as rig:
        return await threads.measure(rig)


async def _measure_agents(folder: Path) -> Run:
    async with open_rig(folder) as rig:
        return await agents.measure(rig)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _milliseconds(name: str, of: Percentiles) -> str:
    return _row(name, f"{of.p50:.1f}", f"{of.p95:.1f}", f"{of.p99:.1f}")


def _fan_out_rows(seen: FanOut) -> list[str]:
    def row(name: str, rate: Rate) -> str:
        ratios = f"{rate.clock / seen.floor.clock:.2f}", f"{rate.work / seen.floor.work:.2f}"
        return _row(name, f"{rate.clock / fanout.DEVICES:,.0f}", ratios[0], f"{rate.work:,.0f}", ratios[1])

    return [
        _row("what", "publications/s", "of the floor", "frames a CPU second", "of the floor"),
        _row(*["---"] * 5),
        row("floor: one prepared frame written to uvicorn's transports in a loop", seen.floor),
        row("Continuo, each frame a write of its own (`CONTINUO_BURST_BYTES=0`)", seen.alone),
        row("Continuo as it comes: frames shown at once share a write", seen.joined),
    ]


def page(
    fan_out: FanOut,
    idle: Memory,
    waits: Latency,
    kept: Threads,
    served: Run,
    traced: Costs,
    there: Presence,
) -> str:
    """The whole of docs/benchmarks.md."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
    machine += f"uvloop {metadata.version('uvloop')}, {datetime.now(UTC):%Y-%m-%d}"
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench`, all in one run on one machine: {machine}.",
        "Compare the ratios: absolute figures are this machine's, and depend on whatever else it did.",
        "",
        "## Fan-out",
        "",
        f"{fanout.DEVICES:,} devices of one process, pinned to one core; Redis, the devices and the driver",
        f"share another. {fanout.PUBLICATIONS} publications with payloads of {fanout.PAYLOAD_BYTES} bytes,",
        "each a WebSocket frame of its own, appended to a Redis stream through the bus and acknowledged by a",
        "replica; the process shows them once its own tick has confirmed them. From the first append to the",
        f"last byte received by the last device; medians of {fanout.ROUNDS} rounds, floor and service in",
        "turns. A CPU second is one of the serving process alone.",
        "",
        *_fan_out_rows(fan_out),
        "",
        f"Target: at least {LEAST_RATIO} of the floor with a write for each frame.",
        "",
        "## Memory of an idle connection",
        "",
        f"Resident memory of the process with {memory.DEVICES:,} idle connections less that without, divided",
        "by their number. Each connection belongs to a user of its own, so each has a followed `#user`",
        "channel.",
        "",
        _row("state", "KiB for each connection"),
        _row("---", "---"),
        _row("connected", f"{idle.connected:.1f}"),
        _row(f"and subscribed to a conversation of {memory.MEMBERS}", f"{idle.subscribed:.1f}"),
        "",
        f"Target: at most {MOST_KIB:.0f} KiB.",
        "",
        "## What a person waits for",
        "",
        f"One device, {latency.MESSAGES} messages, each answered by the default assistant before the next",
        "one is sent, through one connection process and one worker. Milliseconds.",
        "",
        _row("from `conversation.send` to", "p50", "p95", "p99"),
        _row(*["---"] * 4),
        _milliseconds("its acknowledgement (a replica has it)", waits.acknowledged),
        _milliseconds("the first delta of the answer on the device", waits.first_delta),
        "",
        *threads_page.section(kept),
        *agents_figures.section(served),
        *tracing_figures.section(traced),
        *presence_figures.section(there),
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print, write; 0 when the targets are met."""
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1:] == ["threads"]:
            kept = asyncio.run(_measure_threads(Path(folder)))
            print("\n".join(threads_page.section(kept)))
            return _judged(verdict(kept))
        if sys.argv[1:2] == ["tracing"]:
            traced = asyncio.run(tracing.measure(Path(folder), *map(int, sys.argv[2:3])))
            print("\n".join(tracing_figures.section(traced)))
            return _judged(tracing_figures.verdict(traced))
        if sys.argv[1:] == ["agents"]:
            served = asyncio.run(_measure_agents(Path(folder)))
            print("\n".join(agents_figures.section(served)))
            return _judged(agents_figures.verdict(served))
        if sys.argv[1:] == ["presence"]:
            there = asyncio.run(presence.measure(Path(folder)))
            print("\n".join(presence_figures.section(there)))
            return _judged(presence_figures.verdict(there))
        fan_out, idle, waits, kept, served, traced, there = asyncio.run(_measure(Path(folder)))
    written = page(fan_out, idle, waits, kept, served, traced, there)
    PAGE.write_text(written)
    print(written)
    ratio, kib = fan_out.alone.clock / fan_out.floor.clock, max(idle.connected, idle.subscribed)
    targets = [
        (f"fan-out {ratio:.2f} of the floor (target {LEAST_RATIO})", ratio >= LEAST_RATIO),
        (f"{kib:.1f} KiB an idle connection (target {MOST_KIB:.0f})", kib <= MOST_KIB),
    ]
    more = (*verdict(kept), *agents_figures.verdict(served), *tracing_figures.verdict(traced))
    more += (*presence_figures.verdict(there),)
    return _judged([*targets, *more])


def _judged(targets: Iterable[tuple[str, bool]]) -> int:
    """Say which targets are met; the exit code."""
    verdicts = list(targets)
    for target, met in verdicts:
        print(f"{'met   ' if met else 'MISSED'}  {target}")
    return 0 if all(met for _, met in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
