"""Functions that make a graph: every form LangGraph's server takes, called for each use, and closed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph_sdk.runtime import ServerRuntime

from services.conversation.graph.caller import Person
from services.conversation.graph.factory import Factory
from services.conversation.graph.sources import Made
from services.conversation.graph.theirs import UnfitError

if TYPE_CHECKING:
    Ctx = Any

CONFIG: RunnableConfig = {"configurable": {"langgraph_auth_user": Person("ann"), "user_id": "ann"}}
told: list[Any] = []


def graph(*given: Any) -> Any:
    told.append(given)
    return StateGraph(MessagesState).add_node("one", lambda _: {}).add_edge(START, "one")


async def opened(make: Any, access: Any = "threads.create_run") -> tuple[Any, ...]:
    """What the function was given, once its graph was used."""
    told.clear()
    store = InMemoryStore()
    async with Made(Factory(make)).opened(CONFIG, access, store) as made:
        assert "messages" in await made.ainvoke({"messages": []})
    [given] = told
    for each in given:
        if not isinstance(each, dict):
            assert each.store is store
            assert each.access_context == access
            assert each.ensure_user().identity == "ann"
            assert bool(each.execution_runtime) == (access == "threads.create_run")
    return tuple("config" if each == CONFIG else "runtime" for each in given)


async def an_async(config: RunnableConfig) -> Any:
    return graph(config)


@contextmanager
def a_manager(runtime: ServerRuntime) -> Iterator[Any]:
    yield graph(runtime)


@asynccontextmanager
async def an_async_manager(config: RunnableConfig, runtime: ServerRuntime[Any]) -> AsyncIterator[Any]:
    yield graph(config, runtime)


def by_name(*, runtime: "ServerRuntime[Ctx]", config: Any) -> Any:
    return graph(config, runtime)


def turned(runtime: Annotated[ServerRuntime, "ours"], config: Any) -> Any:
    return graph(runtime, config)


def with_more(config: Any, size: int = 1, depth: int = 2) -> Any:
    assert (size, depth) == (1, 2)
    return graph(config)


class Shelf:
    def __call__(self, config: RunnableConfig) -> Any:
        return graph(config)


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (graph, ()),
        (lambda: graph().compile(), ()),
        (lambda config: graph(config), ("config",)),
        (lambda config, runtime: graph(config, runtime), ("config", "runtime")),
        (an_async, ("config",)),
        (a_manager, ("runtime",)),
        (an_async_manager, ("config", "runtime")),
        (by_name, ("config", "runtime")),
        (turned, ("runtime", "config")),
        (Shelf(), ("config",)),
        (with_more, ("config",)),
    ],
)
@pytest.mark.parametrize("access", ["threads.create_run", "threads.read", "threads.update"])
async def test_a_factory_gets_what_its_parameters_ask_for(
    make: Any, given: tuple[str, ...], access: Any
) -> None:
    assert await opened(make, access) == given


marks: list[str] = []


@contextmanager
def marking() -> Iterator[Any]:
    marks.append("opened")
    try:
        yield graph()
    finally:
        marks.append("closed")


@asynccontextmanager
async def marking_later() -> AsyncIterator[Any]:
    marks.append("opened")
    try:
        yield graph()
    finally:
        await asyncio.sleep(0)
        marks.append("closed")


@pytest.mark.parametrize("manager", [marking, marking_later])
@pytest.mark.parametrize("raised", [None, ValueError, asyncio.CancelledError])
async def test_what_a_factory_opened_is_closed_behind_the_use_however_that_ends(
    manager: Any, raised: type[BaseException] | None
) -> None:
    marks.clear()
    with nullcontext() if raised is None else pytest.raises(raised):
        async with Made(Factory(manager)).opened(CONFIG) as made:
            assert marks == ["opened"]
            assert "messages" in await made.ainvoke({"messages": []})
            if raised:
                raise raised
    assert marks == ["opened", "closed"]


async def test_a_factory_that_swallows_what_is_raised_swallows_nothing_of_ours() -> None:
    @contextmanager
    def swallowing() -> Iterator[Any]:
        with suppress(ValueError):
            yield graph()

    with pytest.raises(ValueError, match="ours"):
        async with Made(Factory(swallowing)).opened(CONFIG):
            raise ValueError("ours")


async def test_each_use_calls_the_factory_anew() -> None:
    made = [await opened(lambda: graph()) for _ in range(3)]
    assert made == [(), (), ()]


async def test_what_a_factory_makes_at_start_tells_which_types_its_threads_hold() -> None:
    source = Made(Factory(lambda config: graph(config)))
    assert source.types == frozenset()
    await source.probed("a")
    assert source.types


async def test_at_start_a_factory_finds_all_it_is_given_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def make(config: RunnableConfig, runtime: ServerRuntime) -> Any:
        assert config["configurable"]["user_id"] == runtime.ensure_user().identity == ""
        assert await runtime.store.aget(("a",), "b") is None
        return graph()

    source = Made(Factory(make))
    await source.probed("a")
    assert source.types


@pytest.mark.parametrize("made", [7, StateGraph(dict)])
async def test_what_a_factory_makes_has_to_be_a_graph(made: Any) -> None:
    with pytest.raises(UnfitError):
        async with Made(Factory(lambda: made)).opened(CONFIG):
            pass


def test_more_than_two_arguments_are_too_many() -> None:
    def make(a: Any, b: Any, c: Any) -> Any:
        return graph(a, b, c)

    with pytest.raises(UnfitError, match=r"takes 3 arguments \(a, b, c\)"):
        Factory(make)


def test_the_sdk_is_not_imported_for_a_factory_that_does_not_ask_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "langgraph_sdk.runtime")
    Factory(lambda config: graph(config))
    assert "langgraph_sdk.runtime" not in sys.modules
