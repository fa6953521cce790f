"""Graphs of the user's own: what CONTINUO_GRAPHS names, made into graphs that a worker can run.

Called once by app, before anything is opened. A word is `name=module:attribute`; what stands there is a
compiled graph, a StateGraph, or a function without arguments that makes one of these.
Whatever is wrong is told in one sentence each, all at once: a pod's first lines say what to mend.
"""

import importlib
import inspect
import traceback
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from services.conversation.graph.build import Graph
from services.conversation.graph.threads import MESSAGES
from services.shared.model.ids import AgentName, is_agent
from services.shared.runtime.settings import SettingsError

SETTING = "CONTINUO_GRAPHS"
FORM = "name=module:attribute"


class _UnfitError(Exception):
    """A word names no graph; the text says why, and follows the word."""


def open_graphs(words: Sequence[str]) -> dict[AgentName, Graph]:
    """Return the graph of each agent. Imports the modules and calls the functions. Raises SettingsError."""
    graphs: dict[AgentName, Graph] = {}
    faults: list[str] = []
    for word in words:
        try:
            name, module, path = _parts(word)
            if name in graphs:
                raise _UnfitError(f"names the agent {name} a second time")
            graphs[name] = _compiled(_made(_found(module, path)))
        except _UnfitError as fault:
            faults.append(f"{SETTING}: {word!r} {fault}")
    if faults:
        raise SettingsError(faults)
    return graphs


def packages_of(words: Sequence[str]) -> set[str]:
    """The packages that graphs are in: what they log is their author's to answer for."""
    return {word.partition("=")[2].partition(":")[0].partition(".")[0] for word in words}


def _parts(word: str) -> tuple[AgentName, str, str]:
    name, equals, place = word.partition("=")
    module, colon, path = place.partition(":")
    dotted = (*module.split("."), *path.split("."))
    if not (equals and colon and all(part.isidentifier() for part in dotted)):
        raise _UnfitError(f"is not of the form {FORM}")
    if not is_agent(name):
        raise _UnfitError("gives a name that no agent can have: 1 to 64 of letters, digits, _ and -")
    return AgentName(name), module, path


def _found(module: str, path: str) -> object:
    found: Any = _of_theirs(lambda: importlib.import_module(module), f"can't be imported ({module})")
    for part in path.split("."):
        if not hasattr(found, part):
            raise _UnfitError(f"is not there: {module} has no {path}")
        found = getattr(found, part)
    return found


def _made(found: object) -> object:
    """What a function makes; anything else is the graph itself."""
    if isinstance(found, Pregel | StateGraph) or not callable(found):
        return found
    if inspect.iscoroutinefunction(found):
        raise _UnfitError(
            "is an async function; a graph is made before the loop has work: make it a plain one"
        )
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):
        raise _UnfitError("needs arguments; a function that makes a graph is called without any") from None
    return _of_theirs(found, "raised when it was called")


def _compiled(made: object) -> Graph:
    if isinstance(made, StateGraph):
        made = _of_theirs(made.compile, "can't be compiled")
    if not isinstance(made, Pregel):
        wanted = "a compiled graph, a StateGraph, or a function that makes one"
        raise _UnfitError(f"is a {type(made).__name__}; expected {wanted}")
    if MESSAGES not in made.channels:
        raise _UnfitError(f"has no channel {MESSAGES!r} in its state: what people say has nowhere to stand")
    graph: Any = made
    return graph  # type: ignore[no-any-return]


def _of_theirs(call: Callable[[], object], what: str) -> object:
    """Run code of the user's. Raises _UnfitError with its error and the place it came from."""
    try:
        return call()
    except Exception as error:  # a module's own code may raise anything
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{'/'.join(PurePath(frame.filename).parts[-2:])}:{frame.lineno}"
        raise _UnfitError(f"{what}: {type(error).__name__}: {error} (at {place})") from error
