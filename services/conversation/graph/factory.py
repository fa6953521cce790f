"""Functions that make a graph: which arguments they take, and how what they return becomes a graph.

Called by `sources`. The forms are those of LangGraph's server: no argument, the run's config, the server's
runtime, or both; plain, async, or a context manager of either kind, which stays open while the graph is in
use.
"""

import inspect
import re
import sys
import typing
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore

from services.conversation.graph.caller import SDK_RUNTIME, Access, server_runtime
from services.conversation.graph.theirs import UnfitError

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_NAMED = re.compile(r"\bServerRuntime\b")


class Factory:
    """One such function. Raises UnfitError for one that takes something else."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        taken = _taken(make)
        runtimes = [each for each in taken if _is_runtime(_hints(make).get(each.name, each.annotation))]
        self._runtime = runtimes[0] if runtimes else (taken[1] if len(taken) == 2 else None)
        self._config = next((each for each in taken if each is not self._runtime), None)

    @asynccontextmanager
    async def made(
        self, config: RunnableConfig, access: Access, store: BaseStore | None
    ) -> AsyncIterator[Any]:
        """Call it, and hold what it returns open. May raise anything."""
        told: dict[str, Any] = {}
        if self._config is not None:
            told[self._config.name] = config
        if self._runtime is not None:
            told[self._runtime.name] = server_runtime(config, access, store)
        bound = inspect.signature(self._make).bind_partial()
        bound.arguments.update({name: told[name] for name in bound.signature.parameters if name in told})
        async with _held(self._make(*bound.args, **bound.kwargs)) as made:
            yield made


def _taken(make: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that are given; one more than two is left out if it has a default."""
    every = [each for each in inspect.signature(make).parameters.values() if each.kind not in _VARIADIC]
    taken = every if len(every) <= 2 else [each for each in every if each.default is each.empty]
    if len(taken) > 2:
        names = ", ".join(each.name for each in taken)
        raise UnfitError(
            f"takes {len(taken)} arguments ({names}); a factory takes config and runtime at most"
        )
    return taken


def _hints(make: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(make)
    except Exception:  # noqa: BLE001 - names that only type checkers see; the text is judged then
        return {}


def _is_runtime(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return bool(_NAMED.search(annotation))
    if annotation is inspect.Parameter.empty or (runtime := sys.modules.get(SDK_RUNTIME)) is None:
        return False
    if isinstance(annotation, type):
        return issubclass(annotation, (runtime._ExecutionRuntime, runtime._ReadRuntime))  # noqa: SLF001
    inner = typing.get_args(annotation)[:1] if typing.get_origin(annotation) is not None else ()
    whole = (annotation, typing.get_origin(annotation))
    return runtime.ServerRuntime in whole or any(_is_runtime(each) for each in inner)


@asynccontextmanager
async def _held(made: Any) -> AsyncIterator[Any]:
    if inspect.isawaitable(made):
        made = await made
    if isinstance(made, AbstractAsyncContextManager):
        async with made as graph:
            yield graph
    elif isinstance(made, AbstractContextManager):
        with made as graph:
            yield graph
    else:
        yield made
