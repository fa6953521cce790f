"""A team within a graph, and a graph that asks for leave."""

from desk import note, order, slip
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt


async def research(state: MessagesState):
    note("team research")
    return {"messages": [AIMessage("Found a source.")]}


async def write(state: MessagesState):
    note(f"team write {order()}")
    return {"messages": [AIMessage(f"Wrote: {await slip('team')}.")]}


writers = StateGraph(MessagesState).add_sequence([research, write]).add_edge(START, "research").compile()


async def plan(state: MessagesState):
    note("team plan")
    return {"messages": [AIMessage("Planned.")]}


async def publish(state: MessagesState):
    note("team publish")
    return {"messages": [AIMessage("Published.")]}


team = (
    StateGraph(MessagesState)
    .add_sequence([plan, ("writers", writers), publish])
    .add_edge(START, "plan")
    .compile()
)


async def draft(state: MessagesState):
    note("approval draft")
    return {"messages": [AIMessage("Drafted.")]}


async def approve(state: MessagesState):
    note("approval approve")
    return Command(goto="send" if interrupt({"question": "Send it?"}) == "yes" else "drop")


async def send(state: MessagesState):
    note("approval send")
    return {"messages": [AIMessage(f"Sent: {await slip('approval')}.")]}


async def drop(state: MessagesState):
    note("approval drop")
    return {"messages": [AIMessage("Dropped.")]}


approval = (
    StateGraph(MessagesState)
    .add_node(draft)
    .add_node(approve, destinations=("send", "drop"))
    .add_node(send)
    .add_node(drop)
    .add_edge(START, "draft")
    .add_edge("draft", "approve")
)
