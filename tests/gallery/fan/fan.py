"""A question is handed to several at once, by Send, and what they found is brought together."""

import operator
from typing import Annotated, TypedDict

from desk import note, slip
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Send

SHELVES = ("north", "south", "attic")


class Searching(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    found: Annotated[list[str], operator.add]


class Shelf(TypedDict):
    name: str


def to_shelves(state: Searching):
    return [Send("look", {"name": name}) for name in SHELVES]


async def look(shelf: Shelf):
    note(f"fan look {shelf['name']}")
    if shelf["name"] == "attic":
        return {"found": [f"attic: {await slip('fan')}"]}
    return {"found": [f"{shelf['name']}: dust"]}


async def tell(state: Searching):
    note("fan tell")
    return {"messages": [AIMessage("; ".join(sorted(state["found"])))]}


graph = (
    StateGraph(Searching)
    .add_node(look)
    .add_node(tell)
    .add_conditional_edges(START, to_shelves, ["look"])
    .add_edge("look", "tell")
    .compile()
)
