"""Which types a graph may keep: by its own schemas, and by the setting."""

import operator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from services.conversation.graph.serde import ThreadSerializer, UnfitValue, parse_types, types_of
from tests.support.thread_types import Colour, Invoice, Line, Mood, Plan, Point, Rank, invoice


@dataclass
class Setting:
    mood: Mood


class State(TypedDict):
    messages: Annotated[list[HumanMessage], add_messages]
    bill: Invoice | None
    colours: Annotated[list[Colour], operator.add]


class Inner(TypedDict):
    plan: Plan


def nothing(_: Any) -> dict[str, Any]:
    return {}


def named(*kinds: type) -> set[tuple[str, str]]:
    return {(kind.__module__, kind.__name__) for kind in kinds}


def graph_of(state: type, **more: Any) -> StateGraph:
    builder = StateGraph(state, **more)
    builder.add_node("first", nothing)
    builder.add_edge(START, "first")
    builder.add_edge("first", END)
    return builder


def test_a_graphs_types_are_those_its_schemas_name() -> None:
    types = types_of(graph_of(State, context_schema=Setting).compile())
    assert types >= named(Invoice, Line, Rank, Mood, Colour, Setting)
    assert not types & named(Plan, Point)


def test_a_nodes_and_a_branches_own_inputs_count() -> None:
    def choose(_: Inner) -> str:
        return END

    builder = graph_of(State)
    builder.add_node("second", nothing, input_schema=Inner)
    builder.add_edge("first", "second")
    assert types_of(builder.compile()) >= named(Plan, Point)
    branching = graph_of(State)
    branching.add_conditional_edges("first", choose)
    assert types_of(branching.compile()) >= named(Plan, Point)


def test_a_subgraphs_types_count() -> None:
    outer = StateGraph(State)
    outer.add_node("inner", graph_of(Inner).compile())
    outer.add_edge(START, "inner")
    assert types_of(outer.compile()) >= named(Plan, Point, Invoice)


def test_a_graph_without_a_builder_has_the_types_of_its_channels() -> None:
    @entrypoint()
    def run(bill: Invoice) -> Plan:
        return Plan(bill.id.hex)

    assert types_of(run) >= named(Invoice)


def test_a_serializer_with_a_graphs_types_keeps_its_state() -> None:
    serializer = ThreadSerializer(types_of(graph_of(State).compile()))
    state = {"bill": invoice(), "colours": [Colour.RED], "messages": [HumanMessage("x", id="m")]}
    assert serializer.loads_typed(serializer.dumps_typed(state)) == state
    with pytest.raises(UnfitValue, match="Plan"):
        serializer.dumps_typed({"bill": invoice(rest=Plan("p"))} | {"plan": Plan("p")})


def test_langgraphs_own_allowances_widen_a_savers_serializer() -> None:
    saver = InMemorySaver(serde=ThreadSerializer()).with_allowlist({(Plan.__module__, "Plan")})
    assert isinstance(saver.serde, ThreadSerializer)
    assert saver.serde.loads_typed(saver.serde.dumps_typed([Plan("p")])) == [Plan("p")]


class Outer:
    class Alone:
        pass

    class Aliased:
        pass


Aliased = Outer.Aliased
HERE = __name__


def test_words_of_the_setting_are_types_by_the_name_they_are_kept_under() -> None:
    words = ["tests.support.thread_types:Plan", f"{HERE}:Outer.Aliased", f"{HERE}:Plan", "decimal:Decimal"]
    assert parse_types(words) == named(Plan, Outer.Aliased, Decimal)


@pytest.mark.parametrize(
    "word",
    [
        "",
        "Plan",
        "tests.support.thread_types:",
        ":Plan",
        "tests.support.thread_types.Plan",
        "tests.support.thread_types:No",
        "tests.support.no_such:Plan",
        "tests.support.thread_types:SAMPLES",
        "os:system",
        "a b:C",
        f"{HERE}:Outer.Alone",
    ],
)
def test_a_word_that_names_no_type_is_refused_by_name(word: str) -> None:
    with pytest.raises(ValueError, match=r"is not|can't be revived") as refusal:
        parse_types(["decimal:Decimal", word])
    assert repr(word) in str(refusal.value)
