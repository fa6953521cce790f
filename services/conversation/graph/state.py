"""The state of a conversation's thread, as the default graph keeps it. It carries a version; older ones
are read.

A graph that takes part in Continuo keeps its messages in a channel named `messages`: the ids of people's
messages are those of the conversation, and what it says there is what is said.
"""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.graph.message import add_messages

from services.conversation.graph.notes import Notes
from services.shared.model.ids import TurnId
from services.shared.model.turn import Turn

STATE_VERSION = 1
"""Written with every input. A release reads this version and the one before."""


class ThreadState(TypedDict, total=False):
    """What stands in the thread between turns."""

    version: int
    messages: Annotated[list[AnyMessage], add_messages]
    notes: Notes


def input_of(turn: Turn, graph: object = None, *, anew: bool = False) -> ThreadState:
    """Return the graph's input for a turn: its messages under their own ids, so that a repeat replaces
    itself; without those that were deleted meanwhile. anew: under ids of this turn's, for a thread that has
    them and has gone on since: there they would replace themselves in their old place, where nobody looks
    for a question. graph: one whose state is not ours gets no version: that may be a word of its own.
    """
    ids = asked_anew(turn, turn.id) if anew else [message.id for message in turn.messages]
    messages: list[AnyMessage] = [
        HumanMessage(content=message.text, id=name, name=message.user or message.agent)
        for message, name in zip(turn.messages, ids, strict=True)
        if not message.deleted
    ]
    schema = getattr(getattr(graph, "builder", None), "state_schema", ThreadState)
    return (
        {"version": STATE_VERSION, "messages": messages} if schema is ThreadState else {"messages": messages}
    )


def asked_anew(turn: Turn, asking: TurnId) -> list[str]:
    """Ids in the thread of a turn's messages that `asking`, it or one it replays, put there once more."""
    return [f"{message.id}@{asking}" for message in turn.messages]


def standing_in(messages: Sequence[AnyMessage], turn: Turn) -> frozenset[str]:
    """Under which ids a thread has the turn's messages: as they were asked last; none if they are not in
    it.
    """
    there = {message.id for message in messages if message.id}
    for asking in (turn.id, *reversed(turn.replays), *turn.asked_as):
        if found := there.intersection(asked_anew(turn, asking)):
            return frozenset(found)
    return frozenset(there.intersection(message.id for message in turn.messages))
