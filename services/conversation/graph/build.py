"""The graph that answers when nothing else is configured: recall what is known, then answer.

Called once by app. The graph holds no checkpointer: each run is given one that is bound to its turn
(threads).
"""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from services.conversation.graph.nodes import Answering, recall
from services.conversation.graph.state import ThreadState

Graph = CompiledStateGraph[Any, Any, Any, Any]

SPEAKING = frozenset({"answer"})
"""Nodes of the default graph whose model calls are spoken while they stream."""


def build_assistant(model: BaseChatModel) -> Graph:
    """Compile START -> recall -> answer -> END around a model."""
    graph = StateGraph(ThreadState)
    graph.add_node("recall", recall)
    graph.add_node("answer", Answering(model))
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "answer")
    graph.add_edge("answer", END)
    return graph.compile()
