"""An agent that does what dashboards draw and the house's own does not: it uses a tool, and fails at calls.

A worker finds it by `CONTINUO_GRAPHS=assistant=tests.support.watched_agent:build`. It fails where a message
says `fail`; it answers all the same.
"""

from contextlib import suppress
from typing import Any

from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from services.conversation.graph.build import Graph
from services.conversation.graph.models import ResidentModel
from services.conversation.graph.nodes import Answering
from services.conversation.graph.state import ThreadState

TOKEN_S = 0.005


class BrokenModel(ResidentModel):
    """Its provider is gone."""

    async def _agenerate(self, *_: Any, **__: Any) -> Any:
        raise ConnectionError("nobody there")

    async def _astream(self, *_: Any, **__: Any) -> Any:
        raise ConnectionError("nobody there")
        yield


@tool
async def look_up(word: str) -> str:
    """Look a word up; some are in no book."""
    if word == "fail":
        raise LookupError("no such word")
    return word


def asked(state: ThreadState) -> str:
    """What was said last by a person."""
    return next(str(one.text) for one in reversed(state["messages"]) if one.type == "human")


async def check(state: ThreadState) -> ThreadState:
    """Use the tool, and what fails where that is wanted."""
    await look_up.ainvoke({"word": "word"})
    if "fail" in asked(state):
        with suppress(LookupError):
            await look_up.ainvoke({"word": "fail"})
        with suppress(ConnectionError):
            await BrokenModel().ainvoke(state["messages"])
    return {}


def build() -> Graph:
    """START -> answer -> check -> END."""
    graph = StateGraph(ThreadState)
    graph.add_node("answer", Answering(ResidentModel(token_s=TOKEN_S)))
    graph.add_node("check", check)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", "check")
    graph.add_edge("check", END)
    return graph.compile()
