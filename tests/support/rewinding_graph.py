"""An agent whose answers tell how much of the conversation it knows; a worker's CONTINUO_GRAPHS names it."""

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, StateGraph

from services.conversation.graph.state import ThreadState


async def answer(state: ThreadState) -> ThreadState:
    """Say what it was asked last, and how many things it was told."""
    heard = [message.text for message in state["messages"] if isinstance(message, HumanMessage)]
    return {"messages": [AIMessage(f"{len(heard)}: {heard[-1]}")]}


builder = StateGraph(ThreadState)
builder.add_node("answer", answer)
builder.add_edge(START, "answer")
builder.add_edge("answer", END)
graph = builder.compile()
