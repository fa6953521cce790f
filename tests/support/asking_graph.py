"""Agents that ask, for services started as processes: what CONTINUO_GRAPHS can name."""

from services.conversation.graph.build import Graph, build_assistant
from services.conversation.graph.models import open_model
from tests.support.asking import Asking

asker = Asking().simple()


def assistant() -> Graph:
    """The agent that ships, beside the other."""
    return build_assistant(open_model("", token_s=0.005))
