"""Graphs to be hurt: what their nodes write depends on the nodes' names alone, and each notes that it ran."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, Protocol, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import _messages_delta_reducer, add_messages
from langgraph.types import Send, interrupt

from services.conversation.graph.build import Graph

LONG = "long enough that a list or dict of these is kept element by element " * 8
"""Two of these are more than is kept whole."""


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """One dict with what another adds."""
    return {**one, **other}


class Known(TypedDict, total=False):
    """What graphs here keep: some channels change with each step, some with the first alone.

    `done` is keyed by node, so it tells which ones ran; `log` in which order, as often as they did.
    """

    version: int
    messages: Annotated[list[AnyMessage], add_messages]
    done: Annotated[dict[str, str], merged]
    early: list[str]
    number: int


class KnownByChanges(TypedDict, total=False):
    """The same with messages of which a checkpoint keeps the changes alone."""

    version: int
    messages: Annotated[list[AnyMessage], DeltaChannel(_messages_delta_reducer)]
    done: Annotated[dict[str, str], merged]
    lines: Annotated[list[str], DeltaChannel(lambda lines, writes: [*lines, *chain(*writes)])]
    number: int


class Pace(Protocol):
    """What a node waits for before it ends."""

    async def quiet(self) -> None:
        """Return when it may."""
        ...


class Nodes:
    """Nodes that note that they ran; what one writes depends on its name alone.

    pace: a port that is hurt, where nodes are to wait until it has nothing to do, as slow ones would. Else
    the saver's writes run behind the graph.
    """

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.pace: Pace | None = None

    async def run(self, name: str) -> None:
        if self.pace is not None:
            await self.pace.quiet()
        self.ran.append(name)

    def speaking(self, name: str) -> Any:
        """A node that says its name."""

        async def node(_: Any) -> Any:
            await self.run(name)
            return {"messages": [AIMessage(f"{name} {LONG}", id=f"by {name}")], "done": {name: LONG}}

        return node

    def silent(self, name: str, **more: Any) -> Any:
        """A node that says nothing, so that its checkpoint is not waited for."""

        async def node(_: Any) -> Any:
            await self.run(name)
            return {"done": {name: LONG}, **more}

        return node

    def working(self) -> Any:
        """A node that is sent a number."""

        async def node(asked: Any) -> Any:
            return await self.silent(f"work {asked['number']}")(asked)

        return node

    def of(self, state: type, **nodes: Any) -> StateGraph[Any]:
        """These nodes, one after the other."""
        graph: StateGraph[Any] = StateGraph(state)
        graph.add_sequence(list(nodes.items()))
        graph.add_edge(START, next(iter(nodes)))
        graph.add_edge(list(nodes)[-1], END)
        return graph

    def made(self, graph: StateGraph[Any]) -> "Hurt":
        return Hurt(graph.compile(), self)


@dataclass
class Hurt:
    """A graph and its nodes."""

    graph: Graph
    nodes: Nodes

    @property
    def ran(self) -> list[str]:
        """Which nodes came to their end, in order."""
        return self.nodes.ran

    def slow(self, pace: Pace) -> "Hurt":
        """Return it with nodes that end after all that was written before them."""
        self.nodes.pace = pace
        return self


Kind = Callable[[], Hurt]


def one_node() -> Hurt:
    nodes = Nodes()
    return nodes.made(nodes.of(Known, answer=nodes.speaking("answer")))


def three_nodes() -> Hurt:
    nodes = Nodes()
    early = nodes.silent("early", early=[LONG, LONG, LONG], number=2**70)
    return nodes.made(
        nodes.of(Known, early=early, answer=nodes.speaking("answer"), late=nodes.silent("late"))
    )


def asking() -> Hurt:
    """A graph that asks a person after a step in silence."""
    nodes = Nodes()

    async def ask(_: Any) -> Any:
        await nodes.run("ask")
        return {"early": [interrupt("which one?")]}

    return nodes.made(nodes.of(Known, early=nodes.silent("early", early=["a"]), ask=ask))


def parallel_nodes() -> Hurt:
    nodes = Nodes()
    graph: StateGraph[Any] = StateGraph(Known)
    graph.add_node("plan", nodes.silent("plan", early=[LONG, LONG, LONG]))
    for name in ("left", "right"):
        graph.add_node(name, nodes.silent(name))

    graph.add_node("work", nodes.working())
    graph.add_node("answer", nodes.speaking("answer"), defer=True)
    graph.add_edge(START, "plan")
    for name in ("left", "right"):
        graph.add_edge("plan", name)
        graph.add_edge(name, "answer")
    graph.add_conditional_edges("plan", lambda _: [Send("work", {"number": n}) for n in range(3)], ["work"])
    graph.add_edge("work", "answer")
    graph.add_edge("answer", END)
    return nodes.made(graph)


def with_a_subgraph() -> Hurt:
    nodes = Nodes()
    inner = nodes.of(Known, deep=nodes.silent("deep"), deeper=nodes.speaking("deeper")).compile()
    early = nodes.silent("early", early=[LONG, LONG, LONG])
    return nodes.made(nodes.of(Known, early=early, inner=inner, answer=nodes.speaking("answer")))


def with_changes_alone() -> Hurt:
    nodes = Nodes()
    speak = {name: nodes.speaking(name) for name in ("first", "second", "third")}
    early = nodes.silent("early", lines=["a"], number=1)
    late = nodes.silent("late", lines=["b", LONG])
    return nodes.made(nodes.of(KnownByChanges, early=early, **speak, late=late))


WHOLE: dict[str, Kind] = {
    made.__name__: made for made in (one_node, three_nodes, parallel_nodes, with_a_subgraph)
}
"""Graphs that hand all their values over with each checkpoint."""
