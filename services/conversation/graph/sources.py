"""Where a worker gets an agent's graph from: one and the same, or made anew for each use.

Called by `agent`, which knows nothing else of how a graph comes about.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from services.conversation.graph.build import Graph
from services.conversation.graph.caller import Access, configurable_at_start
from services.conversation.graph.factory import Factory
from services.conversation.graph.serde import types_of
from services.conversation.graph.serde_types import TypeName
from services.conversation.graph.theirs import UnfitError, called
from services.conversation.graph.threads import MESSAGES

PREVIOUS = "__previous__"
"""The channel by which an entrypoint is told from other graphs."""


class Source(Protocol):
    """One agent's graph."""

    @property
    def types(self) -> frozenset[TypeName]:
        """What its threads may hold beside LangGraph's safe types."""
        ...

    def opened(
        self, config: RunnableConfig, access: Access = "threads.read", store: BaseStore | None = None
    ) -> AbstractAsyncContextManager[Graph]:
        """Hold the graph open for one use. May raise what the user's code raises."""
        ...


class Fixed:
    """A graph that is there already. more: types beside those of its schemas."""

    def __init__(self, graph: Graph, more: Iterable[TypeName] = ()) -> None:
        self._graph = graph
        self.types = types_of(graph).union(more)

    @asynccontextmanager
    async def opened(
        self,
        config: RunnableConfig,  # noqa: ARG002 - the port's form
        access: Access = "threads.read",  # noqa: ARG002
        store: BaseStore | None = None,  # noqa: ARG002
    ) -> AsyncIterator[Graph]:
        """Yield it."""
        yield self._graph


class Made:
    """A graph that a factory makes. Its types are known once it was probed."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self.types: frozenset[TypeName] = frozenset()

    @asynccontextmanager
    async def opened(
        self, config: RunnableConfig, access: Access = "threads.read", store: BaseStore | None = None
    ) -> AsyncIterator[Graph]:
        """Have it made, and close what the factory opened behind the use. May raise anything."""
        raised: BaseException | None = None
        async with self._factory.made(config, access, store) as made:
            try:
                yield compiled(made)
            except BaseException as error:
                raised = error
                raise
        if raised is not None:  # a factory's own context manager may swallow it
            raise raised

    async def probed(self, name: str) -> None:
        """Have it made once, to learn what it is: for nobody, with an empty memory. May raise anything."""
        config: RunnableConfig = {"configurable": configurable_at_start(name)}
        async with self.opened(config, "assistants.read", InMemoryStore()) as graph:
            self.types = types_of(graph)


def as_source(graph: Graph | Source) -> Source:
    """A graph as a source; a source as it is."""
    return Fixed(graph) if isinstance(graph, Pregel) else graph


def compiled(made: object) -> Graph:
    """Return the graph that something of the user's is. Raises UnfitError."""
    builder = made
    if isinstance(builder, StateGraph):
        made = called(builder.compile, "can't be compiled")
    if not isinstance(made, Pregel):
        wanted = "a compiled graph, a StateGraph, an entrypoint, or a function that makes one"
        raise UnfitError(f"is a {type(made).__name__}; expected {wanted}")
    if MESSAGES not in made.channels and not is_entrypoint(made):
        raise UnfitError(f"has no channel {MESSAGES!r} in its state: what people say has nowhere to stand")
    graph: Any = made
    return graph  # type: ignore[no-any-return]


def is_entrypoint(graph: Any) -> bool:
    """Tell whether a graph is LangGraph's functional form: what it returns is said."""
    return PREVIOUS in graph.channels and MESSAGES not in graph.channels


def context_of(graph: Graph) -> Any:
    """Return the context of a run: what the graph's own schema is without being told anything; None where it
    has none, or cannot be made of nothing.
    """
    schema: Any = graph.context_schema
    if schema is None:
        return None
    try:
        return schema()
    except Exception:  # noqa: BLE001 - a user's class may demand what it likes
        return None
