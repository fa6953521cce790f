"""A graph that nobody compiled, of plain functions, in a package under src."""

from desk import note, slip_at_once
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph

from .words import signed


def file(state: MessagesState):
    note("builder file")
    return {"messages": [AIMessage(signed("Your letter is filed"))]}


def ask(state: MessagesState):
    note("builder ask")
    return {"messages": [AIMessage(signed(f"They say {slip_at_once('builder')}"))]}


builder = StateGraph(MessagesState).add_sequence([file, ask]).add_edge(START, "file")
