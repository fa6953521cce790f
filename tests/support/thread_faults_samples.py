"""A graph whose thread holds a value of every kind, and what LangGraph's in-memory saver makes of it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph

from services.conversation.graph.build import Graph
from tests.support.thread_types import ALLOWED, BEYOND_STOCK, SAMPLES

STOCK = {name: value for name, value in SAMPLES.items() if name not in BEYOND_STOCK}

VALUES: dict[str, Any] = {**SAMPLES, "in_a_list": list(STOCK.values()), "in_a_dict": STOCK}
"""What the graph leaves: each sample in a channel of its own, and all together as shared elements."""

Samples = TypedDict("Samples", {"begun": int, **dict.fromkeys(VALUES, Any)}, total=False)  # type: ignore[misc]


def sample_graph(behind: Callable[[], Awaitable[None]], values: dict[str, Any] = VALUES) -> Graph:
    """A node that leaves the values, and one behind it that does what a test wants."""

    async def leave(_: Any) -> Any:
        return values

    async def go_on(_: Any) -> Any:
        await behind()
        return {"begun": 2}

    nodes: list[Any] = [("leave", leave), ("behind", go_on)]
    graph: StateGraph[Any] = StateGraph(Samples)
    graph.add_sequence(nodes)
    graph.add_edge(START, "leave")
    graph.add_edge("behind", END)
    return graph.compile()


class StoppedError(Exception):
    """How a graph ends that is to stop in the middle."""


async def stop() -> None:
    raise StoppedError


async def in_memory() -> dict[str, Any]:
    """What LangGraph's own saver has after the first node; what its serialiser refuses is as it was left."""
    saver = InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=ALLOWED))
    taken = {name: value for name, value in VALUES.items() if name not in BEYOND_STOCK}
    graph = sample_graph(stop, taken).copy(update={"checkpointer": saver})
    try:
        await graph.ainvoke({"begun": 1}, {"configurable": {"thread_id": "t"}})
    except StoppedError:
        found = await saver.aget_tuple({"configurable": {"thread_id": "t"}})
        assert found is not None
        beyond = {name: SAMPLES[name] for name in BEYOND_STOCK}
        return {**found.checkpoint["channel_values"], **beyond}
    raise AssertionError("the graph came to its end")
