"""What answers in the races of double texting: two steps, so that a turn can be stopped between them,
each with something said; a worker's CONTINUO_GRAPHS names it.
"""

import asyncio
import random

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, StateGraph

from services.conversation.graph.state import ThreadState

LONGEST_STEP_S = 0.02


async def _said(state: ThreadState, step: str) -> ThreadState:
    await asyncio.sleep(random.uniform(0, LONGEST_STEP_S))
    heard = [message.id for message in state["messages"] if isinstance(message, HumanMessage)]
    return {"messages": [AIMessage(f"{step}: {len(heard)} heard, the last {heard[-1]}")]}


async def first(state: ThreadState) -> ThreadState:
    """Say something, and have another step to go."""
    return await _said(state, "first")


async def second(state: ThreadState) -> ThreadState:
    """Say something more."""
    return await _said(state, "second")


builder = StateGraph(ThreadState)
builder.add_node("first", first)
builder.add_node("second", second)
builder.add_edge(START, "first")
builder.add_edge("first", "second")
builder.add_edge("second", END)
graph = builder.compile()
