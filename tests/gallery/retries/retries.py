"""A node that is tried again by its own policy, and one that no policy helps."""

from desk import mended, note, slip
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import RetryPolicy

tries: list[str] = []


async def greet(state: MessagesState):
    note("retries greet")
    return {"messages": [AIMessage("Calling them.")]}


async def call(state: MessagesState):
    note("retries call")
    tries.append("")
    if len(tries) < 3:
        raise ConnectionError("the line is busy")
    answer = await slip("retries")
    return {"messages": [AIMessage(f"They said {answer}.")]}


retries = (
    StateGraph(MessagesState)
    .add_node(greet)
    .add_node(call, retry_policy=RetryPolicy(initial_interval=0.01, max_attempts=3))
    .add_edge(START, "greet")
    .add_edge("greet", "call")
    .compile()
)


async def begin(state: MessagesState):
    note("failing begin")
    return {"messages": [AIMessage("Let me see.")]}


async def break_down(state: MessagesState):
    note("failing break_down")
    await slip("failing")
    if not mended():
        raise ValueError("out of order")
    return {"messages": [AIMessage("Works again.")]}


failing = StateGraph(MessagesState).add_sequence([begin, break_down]).add_edge(START, "begin")
