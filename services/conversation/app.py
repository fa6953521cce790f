"""The composition root: opens the bus, the threads and the keeper, starts the intake. Told by
`__main__`.
"""

import asyncio
import os
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from services.conversation.graph.agent import Agent
from services.conversation.graph.agents import Agents
from services.conversation.graph.build import SPEAKING, Graph, build_assistant
from services.conversation.graph.keeping import open_threads, types_named
from services.conversation.graph.memory import Memory
from services.conversation.graph.models import UnusableModelError, open_model
from services.conversation.graph.own import open_graphs, packages_of
from services.conversation.graph.sources import Source
from services.conversation.graph.stock import StockThreads
from services.conversation.intake import Intake
from services.conversation.keeper import Keeper
from services.conversation.mending import Mending
from services.conversation.settings import WorkerSettings
from services.conversation.worker import Tools
from services.shared.bus.house import Bus
from services.shared.model.ids import ENTROPY_BYTES, NodeId, uuid7
from services.shared.runtime import health, logging
from services.shared.runtime.clock import Clock, SystemClock
from services.shared.runtime.lifecycle import Lifecycle
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.settings import SettingsError, load
from services.shared.runtime.side_server import SideServer
from services.shared.runtime.tracing import Tracing
from services.shared.runtime.whereabouts import whereabouts

SPEAKING_LIBRARIES = ("asyncio", "grpc", "opentelemetry", "redis", "uvicorn")
"""Foreign loggers that never have what people say in their hands."""

THREADS_EACH = 4
"""Threads that one conversation's plain functions get on an average; only those that are used are made."""

log = logging.get_logger(__name__)


async def start(life: Lifecycle) -> None:
    """Open everything in order; raises what keeps the process from starting."""
    settings = load(WorkerSettings, os.environ)
    process = f"conversation-{socket.gethostname()}-{os.getpid()}"
    logging.configure(
        "conversation",
        node=process,
        level=settings.logs.log_level,
        style=settings.logs.log_style,
        trusted=_trusted(settings),
    )
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_left_behind)
    # LangChain's choice for plain functions. Nothing of ours runs there, and uvloop resolves names elsewhere.
    loop.set_default_executor(ThreadPoolExecutor(settings.conversations * THREADS_EACH, "graph"))
    clock, metrics = SystemClock(), Metrics(names=settings.metric_names)
    metrics.process.labels(service="conversation").set(1)
    metrics.leases_limit.set(settings.conversations)
    # Before graphs: what they import may ask OpenTelemetry for its provider.
    opened = Tracing.open(
        settings.tracing, service="conversation", node=process, metrics=metrics, clock=clock
    )
    tracing = await life.open("tracing", opened, Tracing.close)
    own = await open_graphs(settings.graphs, os.environ)
    graphs: list[Graph | Source] = [*own.values()] or [_built_in(settings)]
    types_named(settings)  # what is wrong with them is told before anything is opened
    pages = health.routes(life.health, metrics.registry)
    opening = SideServer.open([*pages], host=settings.host, port=settings.port, tasks=life.tasks)
    await life.open("health pages", opening, SideServer.close)
    open_bus = partial(Bus.open, settings.redis, clock=clock, metrics=metrics)
    bus = await life.open("bus", open_bus(process=process), Bus.close)
    life.work("bus", bus.mind())
    threads = await open_threads(bus, graphs[0], settings, *graphs[1:])
    memory = Memory(bus.documents)
    await memory.open()
    keeper = Keeper(partial(open_bus, process=f"{process}-keeper"), lease_s=settings.lease_s, clock=clock)
    await life.open("keeper", _started(keeper), Keeper.stop)
    life.work("keeper", keeper.mind())
    if own:
        agent: Agent | Agents = Agents(
            {name: Agent(graph, threads, None, memory.store) for name, graph in own.items()}
        )
    else:
        agent = Agent(graphs[0], threads, SPEAKING, memory.store)
    tools = Tools(bus.turns, agent, life.tasks, clock, metrics, settings, tracing, lambda: bus.failovers)
    intake = Intake(bus, keeper, tools, NodeId(_fresh_id(clock)), partial(_fresh_id, clock))
    life.health.report("intake", intake.finding)
    life.health.report("store", bus.birth.finding)
    life.work("control", intake.obey())
    stock = threads if isinstance(threads, StockThreads) else None
    mending = Mending([memory.open, *([stock.mend] if stock else [])])
    bus.birth.on_emptied(mending.emptied)
    life.work("mending", mending.run())
    life.work("birth", bus.birth.watch())
    if stock:
        life.work("indices", stock.keep_mended())
    life.tasks.start("intake", intake.serve())
    life.tasks.start("sweep", intake.sweep())
    life.on_hurry(intake.hurry)
    life.closing("intake", intake.drain)


def _built_in(settings: WorkerSettings) -> Graph:
    """The graph that answers when no others are named, whatever name an agent of a conversation has."""
    try:
        return build_assistant(open_model(settings.model, token_s=settings.token_ms / 1000))
    except UnusableModelError as fault:
        raise SettingsError([" ".join(str(fault).split())]) from fault


async def _started(keeper: Keeper) -> Keeper:
    await keeper.start()
    return keeper


def _trusted(settings: WorkerSettings) -> set[str]:
    """Whose lines are written out: libraries around models and graphs quote what they are given."""
    return {*SPEAKING_LIBRARIES, *packages_of(settings.graphs)}


def _left_behind(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a graph's own tasks left unheard; the loop's own way would write the exception's text."""
    log.error("exception unheard", **whereabouts(context.get("exception")))


def _fresh_id(clock: Clock) -> str:
    return uuid7(clock.now_ms(), secrets.token_bytes(ENTROPY_BYTES))
