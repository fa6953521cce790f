"""Threads brought to rest, whatever channel keeps their messages: LangGraph's own forms of it."""

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import _messages_delta_reducer, add_messages
from langgraph.types import Send, interrupt

from services.conversation.core.closing import closed
from services.conversation.graph.build import Graph
from services.conversation.graph.rest import STOPPED, _line, _whole, rest, unanswered

AT: Any = {"configurable": {"thread_id": "t"}}


class Added(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


class Joined(TypedDict):
    messages: Annotated[list[AnyMessage], operator.add]


class Changed(TypedDict):
    messages: Annotated[list[AnyMessage], DeltaChannel(_messages_delta_reducer)]


class Replaced(TypedDict):
    messages: list[AnyMessage]


def calling(*names: str) -> AIMessage:
    calls: Any = [{"name": name, "args": {}, "id": f"call-{name}"} for name in names]
    return AIMessage("", id=f"ai-{'-'.join(names)}", tool_calls=calls)


def told(name: str) -> ToolMessage:
    return ToolMessage(f"did {name}", tool_call_id=f"call-{name}", id=f"tool-{name}")


def graph_of(state: Any, tool: Any, *calls: str) -> Graph:
    """A model that calls tools, each in a task of its own."""

    def model(values: Any) -> Any:
        whole = values["messages"] if state is Replaced else []
        return {"messages": [*whole, calling(*calls)]}

    def fan_out(_: Any) -> list[Send]:
        return [Send("tool", {"call": name}) for name in calls]

    graph = StateGraph(state)
    graph.add_node("model", model)
    graph.add_node("tool", tool)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", fan_out, ["tool"])
    graph.add_edge("tool", END)
    return graph.compile(checkpointer=InMemorySaver())


async def messages_of(graph: Graph) -> list[Any]:
    state = await graph.aget_state(AT)
    assert not state.next
    assert not state.tasks
    return list(state.values["messages"])


async def stopped(graph: Graph) -> list[Any]:
    with pytest.raises(ConnectionError):
        await graph.ainvoke({"messages": [HumanMessage("go", id="q")]}, AT)
    await rest(graph, AT)
    return await messages_of(graph)


def half(sent: dict[str, str]) -> Any:
    if sent["call"] == "bad":
        raise ConnectionError
    return {"messages": [told(sent["call"])]}


def never(_: Any) -> Any:
    raise ConnectionError


@pytest.mark.parametrize("state", [Added, Joined, Changed])
async def test_what_a_tool_has_answered_stays_and_the_rest_is_closed_behind_it(state: Any) -> None:
    messages = await stopped(graph_of(state, half, "good", "bad"))
    assert [message.id for message in messages] == ["q", "ai-good-bad", "tool-good", "closed:call-bad"]
    assert (messages[-1].status, messages[-1].content, messages[-1].name) == ("error", STOPPED, "bad")


async def test_a_state_that_is_replaced_as_a_whole_keeps_its_whole() -> None:
    messages = await stopped(graph_of(Replaced, never, "bad"))
    assert [message.id for message in messages] == ["q", "ai-bad", "closed:call-bad"]


@pytest.mark.parametrize("state", [Added, Joined, Changed])
async def test_an_old_thread_in_which_somebody_spoke_behind_an_open_call_is_put_in_order(state: Any) -> None:
    def silent(_: Any) -> Any:
        return {"messages": []}

    graph = StateGraph(state).add_node("silent", silent).add_edge(START, "silent")
    old = graph.compile(checkpointer=InMemorySaver())
    said = [HumanMessage("a", id="a"), calling("x"), HumanMessage("b", id="b"), told("y"), told("x")]
    await old.ainvoke({"messages": said}, AT)
    assert unanswered((await old.aget_state(AT)).values["messages"])
    await rest(old, AT)
    assert [message.id for message in await messages_of(old)] == ["a", "ai-x", "tool-x", "b", "tool-y"]


async def test_a_thread_at_rest_goes_on_with_the_next_question() -> None:
    graph = graph_of(Added, half, "good", "bad")
    await stopped(graph)
    with pytest.raises(ConnectionError):
        await graph.ainvoke({"messages": [HumanMessage("again", id="r")]}, AT)
    kinds = [message.type for message in (await graph.aget_state(AT)).values["messages"]]
    assert kinds[:4] == ["human", "ai", "tool", "tool"]
    assert "human" in kinds[4:]


async def test_what_waited_for_a_person_waits_no_longer() -> None:
    def asking(sent: dict[str, str]) -> Any:
        return {"messages": [ToolMessage(interrupt("may I?"), tool_call_id=f"call-{sent['call']}")]}

    graph = graph_of(Added, asking, "gift")
    await graph.ainvoke({"messages": [HumanMessage("go", id="q")]}, AT)
    assert (await graph.aget_state(AT)).interrupts
    await rest(graph, AT)
    assert [message.id for message in await messages_of(graph)] == ["q", "ai-gift", "closed:call-gift"]
    assert not (await graph.aget_state(AT)).interrupts


async def test_a_call_whose_arguments_are_no_json_is_answered_too() -> None:
    broken: Any = {"name": "x", "args": "{", "id": "c", "error": "no json"}
    message = AIMessage("", id="m", invalid_tool_calls=[broken])
    assert unanswered([message])
    assert not unanswered([message, ToolMessage("so?", tool_call_id="c")])


def test_models_that_number_their_calls_anew_get_answers_of_different_ids() -> None:
    one, other = calling("x"), calling("x").model_copy(update={"id": "later"})
    said = [one, HumanMessage("b", id="b"), other]
    order = closed([_line(each) for each in said])
    assert order is not None
    ids = [message.id for message in _whole(said, order)]
    assert ids == ["ai-x", "closed:call-x", "b", "later", "closed:call-x:later"]
