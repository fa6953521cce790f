"""Three steps in a row, compiled with a memory of their own, as in the first chapter of every tutorial."""

import os

from desk import note, slip
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore


async def greet(state: MessagesState):
    note("compiled greet")
    return {"messages": [AIMessage(f"{os.environ['GREETING']}.")]}


async def fetch(state: MessagesState):
    note("compiled fetch")
    return {"messages": [AIMessage(f"I have {await slip('compiled')}.")]}


async def leave(state: MessagesState):
    note("compiled leave")
    return {"messages": [AIMessage("Goodbye.")]}


graph = (
    StateGraph(MessagesState)
    .add_sequence([greet, fetch, leave])
    .add_edge(START, "greet")
    .add_edge("leave", END)
    .compile(checkpointer=InMemorySaver(), store=InMemoryStore())
    .with_config({"recursion_limit": 7})
)
