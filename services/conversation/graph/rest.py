"""Brings a thread to rest: the step it is amid of is over, and no tool call in it waits for an answer.

Called by `agent` when a cancelled turn settles, and before a fresh turn begins on a thread that another left
unfinished. What finished nodes have written stays: it was done, and a model must know of it.
"""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels import BinaryOperatorAggregate, DeltaChannel
from langgraph.constants import END
from langgraph.pregel._read import PregelNode
from langgraph.pregel._write import ChannelWrite, ChannelWriteEntry
from langgraph.types import Overwrite

from services.conversation.core.closing import Closing, Line, Order, closed
from services.conversation.graph.build import Graph
from services.conversation.graph.threads import MESSAGES

STOPPED = "This call was stopped: whether it did something is not known."
"""What a model reads where a tool's answer should be."""

_CLOSER = "continuo:closer"


def unanswered(messages: Sequence[Any]) -> bool:
    """Tell whether a tool call among messages has no answer where providers look for it."""
    return _order(messages) is not None


async def rest(graph: Graph, config: RunnableConfig) -> None:
    """End the thread's step, then answer the calls that nothing has answered. May raise anything."""
    at = await graph.aupdate_state(config, None, as_node=END)
    values = (await graph.aget_state(at)).values
    messages = values.get(MESSAGES) or () if MESSAGES in graph.channels else ()
    if (order := _order(messages)) is not None:
        writer = ChannelWrite([ChannelWriteEntry(MESSAGES)])
        # No node of the graph's own: its edges would be followed.
        nodes = {**graph.nodes, _CLOSER: PregelNode(channels=[], triggers=[], writers=[writer])}
        whole = _whole(messages, order)
        merges = isinstance(graph.channels[MESSAGES], BinaryOperatorAggregate | DeltaChannel)
        put = graph.copy(update={"nodes": nodes})
        await put.aupdate_state(config, Overwrite(whole) if merges else whole, as_node=_CLOSER)


def _order(messages: Sequence[Any]) -> Order | None:
    return closed([_line(message) for message in messages])


def _line(message: Any) -> Line:
    if isinstance(message, AIMessage):
        return Line(calls=tuple(str(call["id"]) for call in _calls(message)))
    return Line(answers=message.tool_call_id) if isinstance(message, ToolMessage) else Line()


def _calls(message: AIMessage) -> list[Any]:
    """Calls that can be answered; also those whose arguments are no JSON: providers want an answer to
    these, too.
    """
    return [call for call in (*message.tool_calls, *message.invalid_tool_calls) if call["id"]]


def _whole(messages: Sequence[AnyMessage], order: Order) -> list[AnyMessage]:
    ids = {message.id for message in messages}
    whole: list[AnyMessage] = []
    for each in order:
        if isinstance(each, Closing):
            closing = _closing(messages[each.place], each.call, ids)
            ids.add(closing.id)
            whole.append(closing)
        else:
            whole.append(messages[each])
    return whole


def _closing(message: AnyMessage, call: str, taken: set[str | None]) -> ToolMessage:
    """The answer to a call: under the same id whoever makes it, but where models number calls anew."""
    assert isinstance(message, AIMessage), "it made the call"
    name = next(each["name"] for each in _calls(message) if each["id"] == call)
    fixed = f"closed:{call}"
    named = fixed if fixed not in taken else f"{fixed}:{message.id}"
    return ToolMessage(STOPPED, tool_call_id=call, name=name, status="error", id=named)
