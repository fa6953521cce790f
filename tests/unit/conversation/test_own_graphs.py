"""CONTINUO_GRAPHS: what it may name, and what a person is told when it names something else."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from langgraph.func import entrypoint
from langgraph.graph import END, START, MessagesState, StateGraph

from services.conversation.graph.own import open_graphs
from services.conversation.graph.serde import types_of
from services.conversation.settings import WorkerSettings
from services.shared.runtime.settings import SettingsError, load

EXAMPLE = Path(__file__).parents[3] / "k8s/examples/own-agents"


def silent(state: MessagesState) -> MessagesState:
    return {"messages": []}


def builder() -> StateGraph[MessagesState]:
    return StateGraph(MessagesState).add_node(silent).add_edge(START, "silent").add_edge("silent", END)


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the user's; what a test puts into it, CONTINUO_GRAPHS can name."""
    module: Any = ModuleType("theirs_in_a_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def told(*words: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        open_graphs(words)
    return refused.value.faults


async def test_a_compiled_graph_a_builder_and_a_function_that_makes_either_are_graphs(theirs: Any) -> None:
    theirs.compiled = builder().compile()
    theirs.builder = builder()
    theirs.function = builder
    theirs.compiling = lambda: builder().compile()
    words = [f"{name}=theirs_in_a_test:{name}" for name in ("compiled", "builder", "function", "compiling")]
    graphs = open_graphs(words)
    assert list(graphs) == ["compiled", "builder", "function", "compiling"]
    for graph in graphs.values():
        assert "messages" in await graph.ainvoke({"messages": []})


def test_an_attribute_of_an_attribute_can_be_named(theirs: Any) -> None:
    theirs.shelf = ModuleType("shelf")
    theirs.shelf.graph = builder()  # type: ignore[attr-defined]
    assert list(open_graphs(["a=theirs_in_a_test:shelf.graph"])) == ["a"]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("assistant", "is not of the form name=module:attribute"),
        ("assistant=module", "is not of the form name=module:attribute"),
        ("assistant=mod-ule:it", "is not of the form name=module:attribute"),
        ("my agent=theirs_in_a_test:it", "gives a name that no agent can have"),
        ("a=no_such_module_here:it", "can't be imported (no_such_module_here): ModuleNotFoundError"),
        ("a=theirs_in_a_test:nothing", "is not there: theirs_in_a_test has no nothing"),
    ],
)
def test_a_word_that_leads_nowhere_says_where_it_ends(theirs: Any, word: str, why: str) -> None:
    [fault] = told(word)
    assert fault.startswith(f"CONTINUO_GRAPHS: {word!r} {why}")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (7, "is a int; expected a compiled graph, a StateGraph, or a function that makes one"),
        (lambda: 7, "is a int; expected a compiled graph"),
        (lambda _: builder(), "needs arguments"),
        (StateGraph(dict), "can't be compiled: ValueError"),
    ],
)
def test_what_is_no_graph_is_named(theirs: Any, found: object, why: str) -> None:
    theirs.it = found
    [fault] = told("a=theirs_in_a_test:it")
    assert fault.startswith(f"CONTINUO_GRAPHS: 'a=theirs_in_a_test:it' {why}")


def test_an_async_function_is_refused_by_that(theirs: Any) -> None:
    async def later() -> object:
        return builder()

    theirs.it = later
    [fault] = told("a=theirs_in_a_test:it")
    assert "is an async function" in fault


def test_an_error_of_their_code_is_told_with_its_place(theirs: Any) -> None:
    def failing() -> object:
        raise KeyError("OPENAI_API_KEY")

    theirs.it = failing
    [fault] = told("a=theirs_in_a_test:it")
    assert (
        "raised when it was called: KeyError: 'OPENAI_API_KEY' (at conversation/test_own_graphs.py:" in fault
    )


def test_a_graph_where_nobody_can_speak_is_refused(theirs: Any) -> None:
    @entrypoint()
    def mute(said: dict[str, Any]) -> None:
        return None

    theirs.it = mute
    [fault] = told("a=theirs_in_a_test:it")
    assert "has no channel 'messages'" in fault


def test_all_faults_are_told_at_once_and_a_name_is_given_once(theirs: Any) -> None:
    theirs.it = builder()
    faults = told("a=theirs_in_a_test:it", "a=theirs_in_a_test:it", "b=theirs_in_a_test:no")
    assert len(faults) == 2
    assert "names the agent a a second time" in faults[0]


def test_the_example_of_the_docs_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    environ = {"CONTINUO_GRAPHS": "assistant=my_agents.graphs:counter, echo=my_agents.graphs:echo"}
    graphs = open_graphs(load(WorkerSettings, environ).graphs)
    assert list(graphs) == ["assistant", "echo"]
    [assistant, _] = graphs.values()
    assert ("my_agents.graphs", "Tally") in types_of(assistant)


def test_nothing_named_is_no_graph_of_ones_own() -> None:
    assert open_graphs(load(WorkerSettings, {}).graphs) == {}
