"""Types that a project's own modules define: its threads may hold them, as its state's schemas allow theirs.

Called by `own`, once the project was imported. A task's result, or what a node puts into a list, is of a type
that no schema names; it is the project's own code all the same that would be run to revive it.
"""

import enum
import sys
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from services.conversation.graph.serde_types import TypeName

_INSTALLED = {"site-packages", "dist-packages"}


def types_under(folders: Sequence[Path]) -> frozenset[TypeName]:
    """Return the data types of the modules that were imported from these folders."""
    modules = [module for module in list(sys.modules.values()) if _is_under(module, folders)]
    return frozenset(name for module in modules for name in _types_in(module))


def _is_under(module: ModuleType, folders: Sequence[Path]) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or _INSTALLED.intersection(Path(file).parts):
        return False
    return any(Path(file).resolve().is_relative_to(folder) for folder in folders)


def _types_in(module: ModuleType) -> Iterator[TypeName]:
    for name, found in list(vars(module).items()):
        if (
            isinstance(found, type)
            and (found.__module__, found.__name__) == (module.__name__, name)
            and (is_dataclass(found) or issubclass(found, BaseModel | enum.Enum) or _is_named_tuple(found))
        ):
            yield module.__name__, name


def _is_named_tuple(found: type) -> bool:
    return issubclass(found, tuple) and hasattr(found, "_fields")
