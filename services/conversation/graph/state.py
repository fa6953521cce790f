"""The state of a conversation's thread, as the default graph keeps it. It carries a version; older ones
are read.

A graph that takes part in Continuo keeps its messages in a channel named `messages`: the ids of people's
messages are those of the conversation, and what it says there is what is said.
"""

from typing import Annotated, TypedDict

from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.graph.message import add_messages

from services.conversation.graph.notes import Notes
from services.shared.model.turn import Turn

STATE_VERSION = 1
"""Written with every input. A release reads this version and the one before."""


class ThreadState(TypedDict, total=False):
    """What stands in the thread between turns."""

    version: int
    messages: Annotated[list[AnyMessage], add_messages]
    notes: Notes


def input_of(turn: Turn) -> ThreadState:
    """Return the graph's input for a turn: its messages under their own ids, so that a repeat replaces
    itself.
    """
    messages: list[AnyMessage] = [
        HumanMessage(content=message.text, id=message.id, name=message.user or message.agent)
        for message in turn.messages
    ]
    return {"version": STATE_VERSION, "messages": messages}
