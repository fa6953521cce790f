"""A graph that hands marked text to everything it can: what to do stands in the message, as `do:<word>`.

Run by a worker process (CONTINUO_GRAPHS) that shares its seed of marks with the test.
"""

import asyncio
import threading
import warnings
from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, interrupt

from services.conversation.graph.state import ThreadState
from tests.support.marks import Marks

MARKS = Marks.of_process()
MARKED = (
    "question of an interrupt",
    "exception of an answer",
    "repr of a value",
    "exception of a value",
    "exception of a tool",
    "result of a tool",
    "exception of a node",
    "exception around an exception",
    "exception that is tried again",
    "argument of a tool",
    "nothing",
    "argument of a tool that fails",
    "exception of a thread",
    "exception of a task",
    "warning",
)
"""What is marked here, for who searches."""


def mark(what: str) -> str:
    """The mark of one of these."""
    assert what in MARKED, what
    return MARKS.of(what)


class Quoting:
    """Cannot be kept, and quotes a secret wherever it is printed."""

    def __repr__(self) -> str:
        return mark("repr of a value")

    def __reduce__(self) -> str:
        raise TypeError(mark("exception of a value"))


@tool
def look_up(asked: str) -> str:
    """Answer, or fail by quoting what was asked."""
    if "fail" in asked:
        raise ValueError(f"{mark('exception of a tool')} for {asked}")
    return mark("result of a tool")


def said(state: ThreadState) -> str:
    return str(state["messages"][-1].text)


async def stream(state: ThreadState) -> ThreadState:
    """Ask the model over HTTP; what it streams are marked tokens, or its refusal quotes."""
    return {"messages": [await ChatOpenAI(model="gpt-of-tests", max_retries=0).ainvoke(state["messages"])]}


def fail(state: ThreadState) -> ThreadState:
    raise ValueError(f"{mark('exception of a node')}: {said(state)}")


async def chain(state: ThreadState) -> ThreadState:
    try:
        fail(state)
    except ValueError as error:
        raise RuntimeError(mark("exception around an exception")) from error
    return {}


_tried: list[str] = []


def retry(state: ThreadState) -> ThreadState:
    if not _tried:
        _tried.append(said(state))
        raise ConnectionError(f"{mark('exception that is tried again')}: {said(state)}")
    return {"messages": [AIMessage("at last")]}


async def call(state: ThreadState) -> ThreadState:
    result = await look_up.ainvoke({"asked": mark("argument of a tool")})
    return {"messages": [ToolMessage(result, tool_call_id=mark("nothing")), AIMessage(result)]}


async def call_fail(state: ThreadState) -> ThreadState:
    await look_up.ainvoke({"asked": f"fail {mark('argument of a tool that fails')}"})
    return {}


async def crash(state: ThreadState) -> ThreadState:
    """Whatever Python prints by itself: a warning, a thread's end, a task's, a finaliser's."""

    def quoting() -> None:
        raise ValueError(mark("exception of a thread"))

    async def left() -> None:
        raise ValueError(mark("exception of a task"))

    warnings.warn(mark("warning"), UserWarning, stacklevel=1)
    thread = threading.Thread(target=quoting)
    thread.start()
    await asyncio.to_thread(thread.join)
    task = asyncio.ensure_future(left())
    await asyncio.wait({task})
    del task
    return {"messages": [AIMessage("nothing happened")]}


def unfit(state: ThreadState) -> Any:
    return {"notes": {"kept": Quoting()}}


def ask(state: ThreadState) -> ThreadState:
    """Wait for a person, and quote what they answered."""
    answered = interrupt({"question": mark("question of an interrupt")})
    raise ValueError(f"{mark('exception of an answer')}: {answered}")


DEEDS: dict[str, Callable[[ThreadState], Any]] = {
    deed.__name__: deed for deed in (stream, fail, chain, retry, call, call_fail, crash, unfit, ask)
}


def wanted(state: ThreadState) -> str:
    return said(state).partition("do:")[2].partition(" ")[0]


def build() -> StateGraph[Any, Any, Any, Any]:
    """START -> what is wanted -> END."""
    graph = StateGraph(ThreadState)
    for name, deed in DEEDS.items():
        graph.add_node(
            name, deed, retry_policy=RetryPolicy(initial_interval=0.01, max_attempts=2, jitter=False)
        )
        graph.add_edge(name, END)
    graph.add_conditional_edges(START, wanted, list(DEEDS))
    return graph
