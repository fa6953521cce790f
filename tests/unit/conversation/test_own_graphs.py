"""CONTINUO_GRAPHS: what it may name, and what a person is told when it names something else."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, MessagesState, StateGraph

from services.conversation.graph.own import open_graphs
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


async def told(*words: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        await open_graphs(words, {})
    return refused.value.faults


async def test_a_compiled_graph_a_builder_and_a_function_that_makes_either_are_graphs(theirs: Any) -> None:
    theirs.compiled = builder().compile()
    theirs.builder = builder()
    theirs.function = builder
    theirs.compiling = lambda: builder().compile()
    words = [f"{name}=theirs_in_a_test:{name}" for name in ("compiled", "builder", "function", "compiling")]
    sources = await open_graphs(words, {})
    assert list(sources) == ["compiled", "builder", "function", "compiling"]
    for source in sources.values():
        async with source.opened({}) as graph:
            assert "messages" in await graph.ainvoke({"messages": []})


async def test_an_attribute_of_an_attribute_can_be_named(theirs: Any) -> None:
    theirs.shelf = ModuleType("shelf")
    theirs.shelf.graph = builder()  # type: ignore[attr-defined]
    assert list(await open_graphs(["a=theirs_in_a_test:shelf.graph"], {})) == ["a"]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("assistant", "is neither of the form name=module:attribute, nor the path of a langgraph.json"),
        (
            "assistant=module",
            "is neither of the form name=module:attribute, nor the path of a langgraph.json",
        ),
        (
            "assistant=mod-ule:it",
            "is neither of the form name=module:attribute, nor the path of a langgraph.json",
        ),
        ("my agent=theirs_in_a_test:it", "gives a name that no agent can have"),
        ("a=no_such_module_here:it", "can't be imported (no_such_module_here): ModuleNotFoundError"),
        ("a=theirs_in_a_test:nothing", "is not there: theirs_in_a_test has no nothing"),
    ],
)
async def test_a_word_that_leads_nowhere_says_where_it_ends(theirs: Any, word: str, why: str) -> None:
    [fault] = await told(word)
    assert fault.startswith(f"CONTINUO_GRAPHS: {word!r} {why}")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (7, "is a int; expected a compiled graph, a StateGraph, an entrypoint, or a function that makes one"),
        (lambda: 7, "is a int; expected a compiled graph"),
        (lambda _, __, ___: builder(), "takes 3 arguments (_, __, ___); a factory takes config and runtime"),
        (StateGraph(dict), "can't be compiled: ValueError"),
    ],
)
async def test_what_is_no_graph_is_named(theirs: Any, found: object, why: str) -> None:
    theirs.it = found
    [fault] = await told("a=theirs_in_a_test:it")
    assert fault.startswith(f"CONTINUO_GRAPHS: 'a=theirs_in_a_test:it' {why}")


async def test_an_error_of_their_code_is_told_with_its_place(theirs: Any) -> None:
    def failing() -> object:
        raise KeyError("OPENAI_API_KEY")

    theirs.it = failing
    [fault] = await told("a=theirs_in_a_test:it")
    assert (
        "raised when it was called: KeyError: 'OPENAI_API_KEY' (at conversation/test_own_graphs.py:" in fault
    )


class Counted(TypedDict):
    count: int


async def test_a_graph_where_nobody_can_speak_is_refused(theirs: Any) -> None:
    mute = StateGraph(Counted).add_node("one", lambda _: {"count": 1}).add_edge(START, "one")
    theirs.it = mute
    [fault] = await told("a=theirs_in_a_test:it")
    assert "has no channel 'messages'" in fault


async def test_all_faults_are_told_at_once_and_a_name_is_given_once(theirs: Any) -> None:
    theirs.it = builder()
    faults = await told("a=theirs_in_a_test:it", "a=theirs_in_a_test:it", "b=theirs_in_a_test:no")
    assert len(faults) == 2
    assert "names the agent a a second time" in faults[0]


async def test_the_example_of_the_docs_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    environ = {"CONTINUO_GRAPHS": "assistant=my_agents.graphs:counter, echo=my_agents.graphs:echo"}
    sources = await open_graphs(load(WorkerSettings, environ).graphs, {})
    assert list(sources) == ["assistant", "echo"]
    [assistant, _] = sources.values()
    assert ("my_agents.graphs", "Tally") in assistant.types


async def test_nothing_named_is_no_graph_of_ones_own() -> None:
    assert await open_graphs(load(WorkerSettings, {}).graphs, {}) == {}
