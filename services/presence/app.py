"""The composition root: opens the bus, starts the sweep, serves the health pages. Told by `__main__`."""

import os
import socket

from services.presence.beats import Beats
from services.presence.core.roster import Limits
from services.presence.group import Group
from services.presence.housekeeping import Housekeeping
from services.presence.settings import PresenceSettings
from services.presence.shards import OwnShards
from services.presence.sweep import Sweep
from services.presence.told import Shown
from services.shared.bus.house import Bus
from services.shared.runtime import health, logging
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.lifecycle import Lifecycle
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.settings import load
from services.shared.runtime.side_server import SideServer
from services.shared.runtime.tracing import Tracing

STEPS = 2
"""The most silence one look can add, in sweeps: a late look still counts in full, a stall does not."""

SETTLE_MS = 3_000
"""After an interruption: more than a beat, and more than a device and its pod take to come back to Redis."""


async def start(life: Lifecycle) -> None:
    """Open everything in order; raises what keeps the process from starting."""
    settings = load(PresenceSettings, os.environ)
    process = f"presence-{socket.gethostname()}-{os.getpid()}"
    logging.configure("presence", node=process, level=settings.logs.log_level, style=settings.logs.log_style)
    clock, metrics = SystemClock(), Metrics()
    metrics.process.labels(service="presence").set(1)
    opened = Tracing.open(settings.tracing, service="presence", node=process, metrics=metrics, clock=clock)
    await life.open("tracing", opened, Tracing.close)
    shown = Shown()
    opening = SideServer.open(
        [*health.routes(life.health, metrics.registry), shown.route()],
        host=settings.host,
        port=settings.port,
        tasks=life.tasks,
    )
    await life.open("health pages", opening, SideServer.close)
    bus = await life.open(
        "bus", Bus.open(settings.redis, process=process, clock=clock, metrics=metrics), Bus.close
    )
    life.work("bus", bus.mind())
    beats = Beats(bus.roster, _limits(settings), clock, metrics)
    shown.source = beats
    shards = OwnShards(bus.shards, process, settings, metrics)
    life.closing("shards", shards.end)
    sweep = _sweep(bus, settings, beats, shards, clock, metrics)
    life.health.report("sweep", sweep.finding)
    life.health.report("store", bus.birth.finding)
    life.work("birth", bus.birth.watch())
    life.work("sweep", sweep.run())
    life.work("group", Group(settings.redis, metrics).run())
    life.work(
        "housekeeping",
        Housekeeping(
            bus.deletion, bus.audit, clock, metrics, conversation_ttl_s=settings.conversation_ttl_s
        ).run(),
    )


def _sweep(
    bus: Bus,
    settings: PresenceSettings,
    beats: Beats,
    shards: OwnShards,
    clock: SystemClock,
    metrics: Metrics,
) -> Sweep:
    return Sweep(
        bus.roster,
        bus.census,
        bus.turns,
        bus.dead_letters,
        beats,
        shards,
        every_s=settings.presence_sweep_s,
        grace_ms=int(settings.grace_s * 1000),
        clock=clock,
        metrics=metrics,
    )


def _limits(settings: PresenceSettings) -> Limits:
    return Limits(
        dead_after_ms=int(settings.presence_dead_after_s * 1000),
        step_ms=STEPS * int(settings.presence_sweep_s * 1000),
        settle_ms=SETTLE_MS,
    )
