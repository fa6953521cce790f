"""The agent of the story: a model answers, word by word, then it looks at its answer with a tool.

A worker finds it by `CONTINUO_GRAPHS=assistant=tests.story.agent:build`.
"""

import os

from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from services.conversation.graph.build import Graph
from services.conversation.graph.models import open_model
from services.conversation.graph.nodes import Answering
from services.conversation.graph.state import ThreadState

PAUSE_VARIABLE = "STORY_TOKEN_S"


@tool
async def count_words(text: str) -> int:
    """Say how many words a text has."""
    return len(text.split())


async def check(state: ThreadState) -> ThreadState:
    """Use the tool on what was said last."""
    text = str(state["messages"][-1].text)
    call = {"type": "tool_call", "name": count_words.name, "id": "count-1", "args": {"text": text}}
    await count_words.ainvoke(call)
    return {}


def build() -> Graph:
    """START -> answer -> check -> END."""
    graph = StateGraph(ThreadState)
    graph.add_node("answer", Answering(open_model("", token_s=float(os.environ[PAUSE_VARIABLE]))))
    graph.add_node("check", check)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", "check")
    graph.add_edge("check", END)
    return graph.compile()
