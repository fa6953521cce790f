"""A project as LangGraph's tools know it: its langgraph.json read, its folders and variables in place.

Called by `own`, before anything of it is imported. Whatever is wrong is told in one sentence each, with the
file and the key. Must never import what the project names.
"""

import importlib.metadata
import json
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from packaging.requirements import InvalidRequirement, Requirement

from services.shared.runtime import logging

HONOURED = ("graphs", "env", "dependencies")
SILENT = ("$schema",)
"""Keys that change nothing anywhere."""
OURS = "CONTINUO_"
SCRIPTS = {".ts", ".js", ".mts", ".mjs", ".cts", ".cjs", ".tsx", ".jsx"}

log = logging.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Named:
    """A graph that a project names. file: where it stands, or None for a module's name."""

    name: str
    place: str
    module: str
    path: str
    file: Path | None


class Project:
    """One langgraph.json. faults: what is wrong with it. readable: it is JSON at all."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.faults: list[str] = []
        self._content = self._read()
        self.readable = not self.faults
        self._dependencies = self._listed()

    def prepared(self, environ: MutableMapping[str, str]) -> list[Path]:
        """Put the project's variables into the environment, where it does not have them; return the folders
        to find its modules in, its own first. Names what is not honoured, in one line.
        """
        left = [key for key in self._content if key not in (*HONOURED, *SILENT)]
        missing = list(self._missing())
        passed = list(self._set(environ))
        if left or missing or passed:
            log.warning(
                "parts of a project not honoured",
                file=str(self.file),
                keys=left,
                not_installed=missing,
                variables=passed,
            )
        return self.folders()

    def graphs(self) -> Iterator[Named]:
        """What it names."""
        graphs = self._content.get("graphs", {})
        if not isinstance(graphs, dict) or not graphs:
            self.fault("graphs", "names no graph")
            return
        for name, given in graphs.items():
            place = given.get("path") if isinstance(given, dict) else given
            if not isinstance(place, str):
                self.fault(
                    f"graphs.{name}", "has no path: expected file.py:name, module:name, or {path: ...}"
                )
            elif found := self._named(name, place):
                yield found

    def fault(self, key: str, cause: str) -> None:
        """Note what is wrong with a key."""
        self.faults.append(f"{self.file}: {key} {cause}")

    def _named(self, name: str, place: str) -> Named | None:
        module, _, path = place.rpartition(":")
        key = f"graphs.{name}: {place!r}"
        if not module or not all(part.isidentifier() for part in path.split(".")):
            self.fault(key, "is not of the form path/file.py:name or module:name")
            return None
        if Path(module).suffix in SCRIPTS:
            self.fault(key, "is JavaScript: only Python graphs run here")
            return None
        if "/" in module or module.endswith(".py"):
            return Named(name, place, module, path, (self.file.parent / module).resolve())
        return Named(name, place, module, path, None)

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
        except OSError as error:
            self.faults.append(f"{self.file}: can't be read: {error.strerror}")
        except ValueError as error:
            self.faults.append(f"{self.file}: is no JSON: {error}")
        else:
            if isinstance(content, dict):
                return content
            self.faults.append(f"{self.file}: is no JSON object")
        return {}

    # -- variables

    def _set(self, environ: MutableMapping[str, str]) -> Iterator[str]:
        """Set what is not set; yield the names of ours, which a project can't say."""
        for name, value in self._variables().items():
            if name.startswith(OURS):
                yield name
            else:
                environ.setdefault(name, value)

    def _variables(self) -> dict[str, str]:
        given = self._content.get("env", {})
        if isinstance(given, str):
            file = self.file.parent / given
            if not file.is_file():
                self.fault("env", f"names {given!r}, and there is no such file")
                return {}
            return {name: value for name, value in dotenv_values(file).items() if value is not None}
        if not isinstance(given, dict):
            self.fault("env", "is neither a mapping of variables nor the path of a file")
            return {}
        for name, value in given.items():
            if not isinstance(value, str):
                self.fault(
                    f"env.{name}", f"is {_kind(value)}, and not a text"
                )  # not the value: it may let in
        return {name: value for name, value in given.items() if isinstance(value, str)}

    # -- dependencies

    def _listed(self) -> list[str]:
        given = self._content.get("dependencies", [])
        if isinstance(given, list) and all(isinstance(each, str) for each in given):
            return given
        self.fault("dependencies", "is not a list of texts")
        return []

    def folders(self) -> list[Path]:
        """Its own folder, those of its dependencies, and where these keep their sources."""
        return list(self._folders())

    def _folders(self) -> Iterator[Path]:
        own = self.file.parent.resolve()
        yield from _with_sources(own)
        for each in self._dependencies:
            if each.startswith("."):
                folder = (own / each).resolve()
                if not folder.is_dir():
                    self.fault("dependencies", f"names {each!r}, and there is no such folder")
                elif folder != own:
                    yield from _with_sources(folder)

    def _missing(self) -> Iterator[str]:
        """Distributions that are not installed; what needs them says so when it is imported."""
        for each in self._dependencies:
            if not each.startswith("."):
                try:
                    name = Requirement(each).name
                    importlib.metadata.version(name)
                except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
                    yield each


def names_in(folder: Path) -> set[str]:
    """Return the names by which what lies in a folder is imported."""
    found = [each.stem for each in folder.iterdir() if each.is_dir() or each.suffix == ".py"]
    return {name for name in found if name.isidentifier()}


def _with_sources(folder: Path) -> Iterator[Path]:
    """A folder, and its `src` if that is where an installed project would have its packages from."""
    yield folder
    packaged = any((folder / name).is_file() for name in ("pyproject.toml", "setup.py", "setup.cfg"))
    if packaged and (folder / "src").is_dir() and not (folder / "src" / "__init__.py").exists():
        yield folder / "src"


def _kind(value: object) -> str:
    """What a JSON value is."""
    words = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return words.get(type(value), "null")
