"""Which types a thread may hold, and where they are found again.

The serialiser names a type by its module and name; what is read back is what stands there under that name.
Only types on the allow-list are looked up, for to revive one is to run its code. Called by the serialiser's
two halves (`serde_encode`, `serde_decode`) and, for the allow-list itself, by who builds the graphs. Must
never import a module that the allow-list does not name.
"""

import importlib
import sys
from collections.abc import Iterable
from typing import Any, cast

from langgraph._internal import _serde
from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_METHODS, SAFE_MSGPACK_TYPES

from services.shared.model.errors import Broken, Refused

TypeName = tuple[str, str]
"""A type's module and its name there."""

SETTING = "CONTINUO_THREAD_TYPES"
SAFE = cast(frozenset[TypeName], SAFE_MSGPACK_TYPES)
"""What LangGraph revives in any case."""
METHODS = SAFE_MSGPACK_METHODS
"""(module, type, method) that LangGraph calls to revive a value."""

LONGEST_NAME = 200
"""A name longer than this is damage, and is not quoted: it may be a piece of the content."""


class UnfitValue(Refused):
    """A value can't be kept in a thread: it could not be read back as what it is. The text names its type."""


class UnreadableValue(Broken):
    """Kept bytes can't be made a value again: damaged, or of a type that may not or can't be revived.

    reason: a sentence without any of the content; names of types and byte counts at most.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Types:
    """An allow-list with what was found by it. LangGraph's safe types are always on it."""

    def __init__(self, allowed: Iterable[TypeName] = ()) -> None:
        self.allowed = SAFE | frozenset(allowed)
        self._found: dict[TypeName, Any] = {}

    def find(self, module: str, name: str) -> Any:
        """Return what stands there under that name. Raises UnreadableValue if it may not be revived or is
        not there.
        """
        try:
            return self._found[module, name]
        except KeyError:
            pass
        if (module, name) not in self.allowed:
            raise UnreadableValue(f"{shown(module, name)} may not be revived: it is not in {SETTING}")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UnreadableValue(f"{shown(module, name)} is not to be found any more") from error
        self._found[module, name] = found
        return found

    def name(self, kind: type) -> TypeName:
        """Return the name to write a type by. Raises UnfitValue if it could not be revived by it."""
        name = kind.__module__, kind.__name__
        if name not in self.allowed:
            raise UnfitValue(
                f"{shown(*name)} may not be kept in a thread: to allow that it is revived, "
                f"add {shown(*name)} to {SETTING}"
            )
        if getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind:
            raise UnfitValue(
                f"{kind.__module__}:{kind.__qualname__} can't be kept in a thread: "
                f"its module does not have it as {kind.__name__}, so it would not be found again"
            )
        return name


def shown(module: object, name: object) -> str:
    """Return `module:name`, or words for it if these are no names: then they are damage, not to be quoted."""
    words = f"{module}:{name}"
    parts = [*str(module).split("."), str(name)]
    fit = len(words) <= LONGEST_NAME and all(part.isidentifier() for part in parts)
    return words if fit else "a type with a damaged name"


def parse_types(words: Iterable[str]) -> frozenset[TypeName]:
    """Return the types that words `module:Name` or `module:Outer.Inner` stand for, by the names they are
    kept under. Imports their modules.

    Raises ValueError, naming the word, if there is no such type, or it can't be found by its module and
    plain name (a nested class, unless its module has it under its own name, too).
    """
    return frozenset(_parsed(word) for word in words)


def _parsed(word: str) -> TypeName:
    module, colon, path = word.partition(":")
    if not (colon and path and all(part.isidentifier() for part in (*module.split("."), *path.split(".")))):
        raise ValueError(f"{word!r} is not of the form module:Name")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:
        # A module's own code runs here, and may raise anything.
        raise ValueError(f"{word!r} is not to be found: {error}") from error
    if not isinstance(found, type):
        raise ValueError(f"{word!r} is not a type")  # noqa: TRY004 - a setting's fault
    return _findable(word, found)


def _findable(word: str, kind: type) -> TypeName:
    if getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind:
        raise ValueError(
            f"{word!r} can't be revived: a type is looked up as {kind.__name__} in {kind.__module__}, "
            "and that is not there (nested classes need an alias at their module's top)"
        )
    return kind.__module__, kind.__name__


def types_of(graph: Any) -> frozenset[TypeName]:
    """Return the types that a compiled graph's own schemas name, and those of its subgraphs."""
    inner = [subgraph for _, subgraph in graph.get_subgraphs(recurse=True)]
    return frozenset().union(*(_own_types(each) for each in (graph, *inner)))


def _own_types(graph: Any) -> frozenset[TypeName]:
    """What LangGraph itself would allow for a graph in its strict mode (StateGraph.compile); a graph without
    a builder (an entrypoint) has channels only.
    """
    builder = getattr(graph, "builder", None)
    schemas: list[Any] = []
    if builder is not None:
        schemas = [builder.state_schema, builder.input_schema, builder.output_schema, builder.context_schema]
        schemas += [node.input_schema for node in builder.nodes.values()]
        schemas += [branch.input_schema for each in builder.branches.values() for branch in each.values()]
    channels = builder.channels if builder is not None else graph.channels
    return cast(
        frozenset[TypeName], frozenset(_serde.build_serde_allowlist(schemas=schemas, channels=channels))
    )
