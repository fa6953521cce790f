"""Which saver keeps the threads of a worker: made once by app, of the settings and the graph it runs."""

from services.conversation.graph.build import Graph
from services.conversation.graph.serde import ThreadSerializer, parse_types
from services.conversation.graph.sources import Source, as_source
from services.conversation.graph.stock import StockThreads
from services.conversation.graph.threads import ContinuoThreads, Threads
from services.conversation.settings import WorkerSettings
from services.shared.bus.house import Bus
from services.shared.runtime.settings import SettingsError


def types_named(settings: WorkerSettings) -> frozenset[tuple[str, str]]:
    """Return the types the settings let a thread hold. Raises SettingsError for one that is none."""
    try:
        return parse_types(settings.thread_types)
    except ValueError as fault:
        raise SettingsError([f"CONTINUO_THREAD_TYPES: {fault}"]) from fault


async def open_threads(
    bus: Bus, graph: Graph | Source, settings: WorkerSettings, *others: Graph | Source
) -> Threads:
    """Open what the settings name, for the types of all the graphs. Raises BusUnavailable."""
    if settings.checkpointer == "redis":
        stock = StockThreads(bus.foreign, keep=settings.thread_checkpoints)
        await stock.open()
        return stock
    allowed = types_named(settings).union(*(as_source(each).types for each in (graph, *others)))
    return ContinuoThreads(
        bus.checkpoints,
        ThreadSerializer(allowed),
        ttl_s=settings.thread_ttl_s,
        keep=settings.thread_checkpoints,
        turns=settings.thread_turns,
        step_bytes=settings.thread_step_bytes,
    )
