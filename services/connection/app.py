"""The composition root: opens the bus, the roads from and to it, and the server. Told by `__main__`."""

import asyncio
import gc
import os
import resource
import secrets
from dataclasses import dataclass
from functools import partial
from importlib import metadata

from services.connection.arrivals import Arrivals
from services.connection.attendance import Attendance
from services.connection.brake import Brake
from services.connection.core.hearing import HEARS
from services.connection.ears import Ears
from services.connection.follows import Follows
from services.connection.inbound import Inbound
from services.connection.outbound import Outbound
from services.connection.pulse import Pulse
from services.connection.reception import Manners, Reception
from services.connection.server import Address, Server
from services.connection.settings import ConnectionSettings
from services.connection.tokens import Tokens
from services.shared.bus.house import Bus
from services.shared.model.ids import ENTROPY_BYTES, NodeId, uuid7
from services.shared.runtime import health, logging
from services.shared.runtime.clock import Clock, SystemClock
from services.shared.runtime.health import Finding
from services.shared.runtime.lifecycle import Lifecycle
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.settings import load

SEATS_SETTLE_S = 2.0
"""What the end waits for leaves to reach the roster; the presence service finds the rest."""
GC_THRESHOLDS = (20_000, 50, 100)
"""Tens of thousands of long-lived connections make full collections dear; most garbage here has no cycles."""

log = logging.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _House:
    """The parts that are wired to each other."""

    outbound: Outbound
    attendance: Attendance
    reception: Reception
    follows: Follows
    brake: Brake
    ears: Ears


async def start(life: Lifecycle) -> None:
    """Open everything in order; raises what keeps the process from starting."""
    settings = load(ConnectionSettings, os.environ)
    clock, metrics = SystemClock(), Metrics()
    node = NodeId(settings.node or _fresh_id(clock))
    logging.configure("connection", node=node, level=settings.log_level, style=settings.log_style)
    _allow_many_sockets()
    opening = Bus.open(settings.redis, process=f"connection-{node}", clock=clock, metrics=metrics)
    bus = await life.open("bus", opening, Bus.close)
    life.work("bus", bus.mind())
    house = _wire(settings, life, bus, node, clock, metrics)
    life.work("outbox relay", bus.outbox.relay(f"connection-{node}"))
    life.work("control", house.outbound.obey(bus.control, bus.conversations))
    life.work("live feed", house.outbound.hear(bus.live))
    life.work("brake", house.brake.run())
    life.work("ticker", house.outbound.ticker.run())
    life.work("comparing", house.outbound.comparing.run())
    life.work("ears", house.ears.watch())
    bus.on_moved(house.attendance.moved)
    bus.birth.on_emptied(house.attendance.moved)
    bus.birth.on_emptied(house.outbound.comparing.doubt)
    life.work("birth", bus.birth.watch())
    life.work("beat", house.attendance.beat())
    life.work("attendance", house.attendance.run())
    life.closing("seats", partial(_settle, house.attendance))
    house.reception.pulse.start()
    pages = health.routes(life.health, metrics.registry)
    at = Address(settings.host, settings.port)
    serving = Server.open(house.reception, [*pages], at, head_within_s=settings.stale_s, tasks=life.tasks)
    server = await life.open("server", serving, Server.close)
    life.closing("connections", partial(_see_off, house.reception, server, settings.drain_s))
    log.info("listening", host=settings.host, port=server.port)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _wire(
    settings: ConnectionSettings, life: Lifecycle, bus: Bus, node: NodeId, clock: Clock, metrics: Metrics
) -> _House:
    immediate = settings.redis.acks == "master"
    follows = Follows(bus.live, life.tasks, metrics, immediate=immediate, burst_bytes=settings.burst_bytes)
    outbound = Outbound(follows, bus.journal, bus.confirmer, life.tasks, clock, metrics)

    ears = Ears(bus.live, bus.roster, node)

    def holdings() -> dict[str, int]:
        return {"connections": len(reception.devices), "channels": len(follows)}

    def census() -> dict[str, int]:
        return {**holdings(), HEARS: int(not bus.live.hearing.deaf)}

    attendance = Attendance(bus.roster, node, int(settings.grace_s * 1000), census)
    brake = Brake(bus.backlog, settings.queue_length, metrics)
    reception = Reception(
        Manners(
            settings.limits(), _version(), _origins(settings), settings.max_connections, settings.outbox_bytes
        ),
        Arrivals(follows, bus.journal, outbound.ticker, outbound, attendance, metrics),
        Inbound(bus, brake, partial(_fresh_id, clock), None if immediate else outbound.ticker.replicated),
        Tokens(settings.tokens, clock),
        life.tasks,
        Pulse(asyncio.get_running_loop()),
        clock,
        metrics,
        partial(_fresh_id, clock),
        life.stopping,
    )
    ticker = outbound.ticker
    life.health.report("replication", lambda: Finding.of(not ticker.failing, ticks=ticker.begun))
    life.health.report("feed", ears.finding)
    life.health.report("store", bus.birth.finding)
    life.health.ready_when("room", lambda: Finding.of(not reception.full, **holdings()))
    life.health.ready_when("ears", ears.fit)
    return _House(outbound, attendance, reception, follows, brake, ears)


async def _see_off(reception: Reception, server: Server, within_s: float) -> None:
    """Before the server's own end: everybody is told to go elsewhere."""
    await reception.drain(within_s)
    await server.emptied()
    reception.pulse.stop()


async def _settle(attendance: Attendance) -> None:
    try:
        async with asyncio.timeout(SEATS_SETTLE_S):
            await attendance.settled()
    except TimeoutError:
        log.warning("seats not all freed")


def _origins(settings: ConnectionSettings) -> list[str | None] | None:
    return None if "*" in settings.allowed_origins else [*settings.allowed_origins, None]


def _version() -> str:
    try:
        return f"continuo {metadata.version('continuo-server')}"
    except metadata.PackageNotFoundError:
        return "continuo"


def _fresh_id(clock: Clock) -> str:
    return uuid7(clock.now_ms(), secrets.token_bytes(ENTROPY_BYTES))


def _allow_many_sockets() -> None:
    """Raise the limit of open files to what the system allows: shells and containers often begin at 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
