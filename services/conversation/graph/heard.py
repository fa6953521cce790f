"""What a graph says in a thread: the AI messages in its channel `messages`, or what an entrypoint returned.

Called by `agent` and `look`. Graphs keep messages in more forms than one: dicts, tuples, messages without an
id. What is said gets the same id whoever reads it, or a turn would be answered twice behind a takeover.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, convert_to_messages
from langgraph.channels import LastValue

from services.conversation.graph.build import Graph
from services.conversation.graph.narrate import Said, said_in
from services.conversation.graph.sources import is_entrypoint
from services.conversation.graph.threads import MESSAGES
from services.shared.model.turn import Turn


def messages_of(values: Any) -> list[AnyMessage]:
    """Return the messages in a state's values; none where it has no such channel."""
    return as_messages(values.get(MESSAGES)) if isinstance(values, Mapping) else []


def as_messages(value: Any) -> list[AnyMessage]:
    """Return what a channel holds as messages, each with an id: its own, or its place."""
    several = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return [message for place, each in enumerate(several) if (message := _message(each, f"at:{place}"))]


def said_by(graph: Graph, value: Any, turn: Turn, asked: Collection[str]) -> list[Said]:
    """Return what was said to a turn whose messages stand in the thread as `asked`. value: of the channel
    that holds what is said.
    """
    if is_entrypoint(graph):
        return _said_by_return(value, turn)
    messages = as_messages(value)
    if not asked and isinstance(graph.channels[MESSAGES], LastValue):
        return _all_said(messages)  # each turn's input replaced what was there, and a node the question
    return said_in(messages, asked)


def _said_by_return(value: Any, turn: Turn) -> list[Said]:
    messages = _returned(value, turn)
    asked = {message.id for message in turn.messages}
    return said_in(messages, asked) if asked & {message.id for message in messages} else _all_said(messages)


def _returned(value: Any, turn: Turn) -> list[AnyMessage]:
    if isinstance(value, Mapping) and MESSAGES in value:
        value = value[MESSAGES]
    several = value if isinstance(value, list | tuple) else [value]
    named = [(each, f"{turn.id}:{place}") for place, each in enumerate(several)]
    texts = [(AIMessage(each, id=name) if isinstance(each, str) else each, name) for each, name in named]
    return [message for each, name in texts if (message := _message(each, name))]


def _all_said(messages: Sequence[AnyMessage]) -> list[Said]:
    ids = {str(message.id) for message in messages[:1]}
    return said_in(messages, ids)


def _message(value: Any, name: str) -> AnyMessage | None:
    """A value as a message; None if it is none."""
    try:
        [message] = [value] if isinstance(value, BaseMessage) else convert_to_messages([value])
    except (ValueError, TypeError, KeyError, NotImplementedError):
        return None
    return message if message.id else message.model_copy(update={"id": name})  # type: ignore[return-value]
