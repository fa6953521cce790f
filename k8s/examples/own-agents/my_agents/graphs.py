"""The graphs that values.yaml names. What an agent says, it puts into `messages` as an AIMessage."""

from dataclasses import dataclass, replace

from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph


@dataclass(frozen=True)
class Tally:
    """What the counting agent keeps in its thread; a type that the state names may be kept there."""

    words: int = 0
    messages: int = 0


class CountingState(MessagesState, total=False):
    tally: Tally


def count(state: CountingState) -> CountingState:
    """Count what was said last, and say how much it was so far."""
    before = state.get("tally", Tally())
    words = before.words + len(state["messages"][-1].text.split())
    tally = replace(before, words=words, messages=before.messages + 1)
    said = f"{tally.words} words in {tally.messages} messages so far"
    return {"messages": [AIMessage(said)], "tally": tally}


def shout(state: MessagesState) -> MessagesState:
    """Say what was said last, loudly."""
    return {"messages": [AIMessage(state["messages"][-1].text.upper())]}


def counter() -> StateGraph[CountingState]:
    """A function that makes a graph: called once, when a worker starts."""
    graph = StateGraph(CountingState)
    graph.add_node("count", count)
    graph.add_edge(START, "count")
    graph.add_edge("count", END)
    return graph


echo = (
    StateGraph(MessagesState)
    .add_node("shout", shout)
    .add_edge(START, "shout")
    .add_edge("shout", END)
    .compile()
)
