"""Code of the user's own: run by us, at start, so that what is wrong with it is told in one sentence.

Called by whatever reads CONTINUO_GRAPHS. Each sentence names the error and the place it came from.
"""

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any


class UnfitError(Exception):
    """What is named is no graph; the text says why, and follows the name."""


@contextmanager
def told_as(what: str) -> Iterator[None]:
    """A block of the user's code. Raises UnfitError with its error and where that came from."""
    try:
        yield
    except UnfitError:
        raise
    except Exception as error:  # a user's code may raise anything
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{'/'.join(PurePath(frame.filename).parts[-2:])}:{frame.lineno}"
        said = " ".join(str(error).split())
        raise UnfitError(f"{what}: {type(error).__name__}: {said} (at {place})") from error


def in_module(module: str, path: str) -> Any:
    """Import a module and return what stands in it. Raises UnfitError."""
    with told_as(f"can't be imported ({module})"):
        found: Any = importlib.import_module(module)
    return _attribute(found, path, module)


def in_file(file: Path, path: str, folders: Sequence[Path]) -> Any:
    """Import a file and return what stands in it: as the module that it is to its neighbours, which import
    it by that name, if it can be found as one in `folders`. Raises UnfitError.
    """
    if not file.is_file():
        raise UnfitError(f"is not there: there is no file {file}")
    with told_as(f"can't be imported ({file.name})"):
        named = next((name for name in _names(file, folders) if _stands_for(name, file)), "")
        found = importlib.import_module(named) if named else _loaded(file)
    return _attribute(found, path, file.name)


def _names(file: Path, folders: Sequence[Path]) -> Iterator[str]:
    """What the file is called as a module, from the nearest folder on."""
    near = sorted(folders, key=lambda folder: len(folder.parts), reverse=True)
    for folder in near:
        if file.is_relative_to(folder):
            parts = file.relative_to(folder).with_suffix("").parts
            if all(part.isidentifier() for part in parts):
                yield ".".join(parts)


def _stands_for(name: str, file: Path) -> bool:
    """Whether a module's name means that file, and not another that is found before it."""
    known = sys.modules.get(name)
    at = getattr(known, "__file__", None) if known else getattr(_spec(name), "origin", None)
    return bool(at) and Path(str(at)).resolve() == file.resolve()


def _spec(name: str) -> Any:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:  # its first part is another package
        return None


def _loaded(file: Path) -> ModuleType:
    """The file as a module of a name that no other has, the same in every process."""
    name = re.sub(r"\W", "_", "__".join((*file.parts[-3:-1], file.stem)))
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "it ends in .py"
    assert spec.loader is not None, "it is a file"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _attribute(found: Any, path: str, module: str) -> Any:
    for part in path.split("."):
        if not hasattr(found, part):
            raise UnfitError(f"is not there: {module} has no {path}")
        found = getattr(found, part)
    return found


def called(make: Callable[[], Any], what: str) -> Any:
    """Call something of the user's. Raises UnfitError."""
    with told_as(what):
        return make()
