"""Which saver keeps the threads of a worker: made once by app, of the settings and the graph it runs."""

from services.conversation.graph.build import Graph
from services.conversation.graph.serde import ThreadSerializer, parse_types, types_of
from services.conversation.graph.stock import StockThreads
from services.conversation.graph.threads import ContinuoThreads, Threads
from services.conversation.settings import WorkerSettings
from services.shared.bus.house import Bus


async def open_threads(bus: Bus, graph: Graph, settings: WorkerSettings) -> Threads:
    """Open what the settings name. Raises BusUnavailable, and ValueError for a type that is none."""
    if settings.checkpointer == "redis":
        stock = StockThreads(bus.foreign)
        await stock.open()
        return stock
    allowed = types_of(graph) | parse_types(settings.thread_types)
    return ContinuoThreads(
        bus.checkpoints,
        ThreadSerializer(allowed),
        ttl_s=settings.thread_ttl_s,
        keep=settings.thread_checkpoints,
    )
