"""The composition root: opens the bus, the roads from and to it, and the server. Told by `__main__`."""

import asyncio
import gc
import os
import resource
import secrets
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from starlette.routing import BaseRoute

from services.connection.admin import Admin, Facts
from services.connection.api.port import open_api
from services.connection.api.served import table
from services.connection.api.telling import Telling
from services.connection.arrivals import Arrivals
from services.connection.attendance import Attendance
from services.connection.auditing import Auditing
from services.connection.bearer import Bearers
from services.connection.brake import Brake
from services.connection.counting import Counting
from services.connection.deeds import Deeds
from services.connection.deliveries import Deliveries
from services.connection.drain import Drain
from services.connection.ears import Ears
from services.connection.ending import on_crash, see_off, settle
from services.connection.expelling import Expelling
from services.connection.follows import Follows
from services.connection.http import http_within
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
from services.shared.runtime.side_server import SideServer
from services.shared.runtime.tracing import Tracing

GC_THRESHOLDS = (20_000, 50, 100)
"""Tens of thousands of long-lived connections make full collections dear; most garbage here has no cycles."""

log = logging.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _House:
    """The parts that are wired to each other."""

    outbound: Outbound
    attendance: Attendance
    reception: Reception
    deeds: Deeds
    follows: Follows
    brake: Brake
    ears: Ears
    drain: Drain
    auditing: Auditing | None


async def start(life: Lifecycle) -> None:
    """Open everything in order; raises what keeps the process from starting."""
    settings = load(ConnectionSettings, os.environ)
    clock, metrics = SystemClock(), Metrics()
    metrics.process.labels(service="connection").set(1)
    metrics.connections_limit.set(settings.max_connections)
    node = NodeId(settings.node or _fresh_id(clock))
    logging.configure("connection", node=node, level=settings.logs.log_level, style=settings.logs.log_style)
    _allow_many_sockets()
    opened = Tracing.open(settings.tracing, service="connection", node=node, metrics=metrics, clock=clock)
    tracing = await life.open("tracing", opened, Tracing.close)
    opening = Bus.open(settings.redis, process=f"connection-{node}", clock=clock, metrics=metrics)
    bus = await life.open("bus", opening, Bus.close)
    life.work("bus", bus.mind())
    house = _wire(settings, life, bus, node, clock, metrics, tracing)
    life.work("outbox relay", bus.outbox.relay(f"connection-{node}"))
    life.work("control", house.outbound.obey(bus.control, bus.conversations, house.reception.told))
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
    if house.auditing is not None:
        life.closing("last of the audit", house.auditing.end)
        life.work("auditing", house.auditing.run())
    life.closing("deliveries", house.outbound.ended)
    life.closing("seats", partial(settle, house.attendance))
    house.reception.pulse.start()
    life.work("drain", house.drain.run())
    life.work("crash watch", on_crash(life, house.drain))
    life.on_hurry(house.drain.hurry)
    life.health.ready_to_the_end = True
    pages = await _open_pages(settings, life, metrics)
    at = Address(settings.host, settings.port)
    serving = Server.open(house.reception, pages, at, head_within_s=settings.stale_s, tasks=life.tasks)
    server = await life.open("server", serving, Server.close)
    await _open_admin(settings, life, house, node)
    telling = Telling(tracing, metrics, house.auditing, clock)
    api = await open_api(settings, life, table(house.deeds, bus, clock, _release()), telling)
    life.closing("connections", partial(see_off, life, house.drain, server, api, house.reception.pulse))
    log.info("listening", host=settings.host, port=server.port)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _wire(
    settings: ConnectionSettings,
    life: Lifecycle,
    bus: Bus,
    node: NodeId,
    clock: Clock,
    metrics: Metrics,
    tracing: Tracing,
) -> _House:
    immediate = settings.redis.acks == "master"
    follows = Follows(bus.live, life.tasks, metrics, immediate=immediate, burst_bytes=settings.burst_bytes)
    deliveries = (
        Deliveries(tracing, clock, each_delta=settings.logs.log_level == "debug") if tracing.on else None
    )
    outbound = Outbound(follows, bus.journal, bus.confirmer, life.tasks, clock, metrics, deliveries)

    ears = Ears(bus.live, bus.roster, node)

    def holdings() -> dict[str, int]:
        return {"connections": len(reception.devices), "channels": len(follows)}

    counting = Counting(
        lambda: (device.user for device in reception.devices),
        lambda: len(follows),
        lambda: reception.connected,
        lambda: drain.closing,
        lambda: bus.live.hearing.deaf,
        clock.monotonic,
    )
    attendance = Attendance(bus.roster, node, int(settings.grace_s * 1000), counting.census)
    brake = Brake(bus.backlog, settings.queue_length, metrics)
    auditing = Auditing(bus.audit, clock.monotonic, metrics) if bus.audit.on else None
    replicated = None if immediate else outbound.ticker.replicated
    deeds = Deeds(bus, brake, partial(_fresh_id, clock), replicated, tracing, clock)
    reception = Reception(
        Manners(
            settings.limits(), _version(), _origins(settings), settings.max_connections, settings.outbox_bytes
        ),
        Arrivals(follows, bus.journal, outbound.ticker, outbound, attendance, metrics),
        Inbound(deeds),
        Tokens(settings.tokens, clock),
        life.tasks,
        Pulse(asyncio.get_running_loop()),
        clock,
        metrics,
        partial(_fresh_id, clock),
        lambda: drain.refuses(),
        tracing,
        auditing,
        Expelling(bus.revocations, life.tasks, clock, metrics),
    )
    drain = Drain(settings.drains(), reception, bus.drain_budget, clock, metrics)
    ticker = outbound.ticker
    life.health.report("replication", lambda: Finding.of(not ticker.failing, ticks=ticker.begun))
    life.health.report("feed", ears.finding)
    life.health.report("store", bus.birth.finding)
    life.health.ready_when("room", lambda: Finding.of(not reception.full, **holdings()))
    life.health.ready_when("ears", ears.fit)
    life.health.ready_when("drain", drain.finding)
    return _House(outbound, attendance, reception, deeds, follows, brake, ears, drain, auditing)


async def _open_pages(settings: ConnectionSettings, life: Lifecycle, metrics: Metrics) -> list[BaseRoute]:
    """Open the pages where they have a port of their own; return those that clients' port serves."""
    pages: list[BaseRoute] = [*health.routes(life.health, metrics.registry)]
    if settings.pages_port is None:
        return pages
    opening = SideServer.open(pages, host=settings.host, port=settings.pages_port, tasks=life.tasks)
    await life.open("pages", opening, SideServer.close)
    return []


async def _open_admin(settings: ConnectionSettings, life: Lifecycle, house: _House, node: NodeId) -> None:
    if not settings.admin_token_file:
        return
    facts = Facts(
        node, settings.max_connections, lambda: len(house.reception), house.attendance.answered_lately
    )
    admin = Admin(house.drain, Bearers(Path(settings.admin_token_file)), facts)
    host = settings.admin_host or settings.host
    opening = SideServer.open(
        [*admin.routes()],
        host=host,
        port=settings.admin_port,
        tasks=life.tasks,
        http=http_within(settings.stale_s, settings.stale_s),
    )
    server = await life.open("admin", opening, SideServer.close)
    log.info("admin listening", host=host, port=server.port)


def _origins(settings: ConnectionSettings) -> list[str | None] | None:
    return None if "*" in settings.allowed_origins else [*settings.allowed_origins, None]


def _version() -> str:
    return f"continuo {_release()}".rstrip()


def _release() -> str:
    try:
        return metadata.version("continuo-server")
    except metadata.PackageNotFoundError:
        return ""


def _fresh_id(clock: Clock) -> str:
    return uuid7(clock.now_ms(), secrets.token_bytes(ENTROPY_BYTES))


def _allow_many_sockets() -> None:
    """Raise the limit of open files to what the system allows: shells and containers often begin at 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
