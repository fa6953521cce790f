"""Graphs of the user's own: what CONTINUO_GRAPHS names, made into sources that a worker can run.

Called once by app, before anything is opened. A word is `name=module:attribute`, or the path of a
langgraph.json; what stands there is a compiled graph, a StateGraph, an entrypoint, or a function that makes
one of these. Whatever is wrong is told in one sentence each, all at once: a pod's first lines say what to
mend.
"""

import asyncio
import sys
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from services.conversation.graph.factory import Factory
from services.conversation.graph.project import Project, names_in
from services.conversation.graph.project_types import types_under
from services.conversation.graph.sources import Fixed, Made, Source, compiled
from services.conversation.graph.theirs import UnfitError, in_file, in_module, told_as
from services.shared.model.ids import AgentName, is_agent
from services.shared.runtime.settings import SettingsError

SETTING = "CONTINUO_GRAPHS"
FORM = "name=module:attribute, nor the path of a langgraph.json"
PROBE_S = 60.0
"""What a factory gets to make its graph at start."""


async def open_graphs(words: Sequence[str], environ: MutableMapping[str, str]) -> dict[AgentName, Source]:
    """Return the graph of each agent. Imports the modules and calls the functions; puts projects' variables
    into `environ` and their folders on the module path. Raises SettingsError.
    """
    opening = _Opening(environ)
    for word in words:
        await (opening.project(Path(word)) if word.endswith(".json") else opening.word(word))
    if opening.faults:
        raise SettingsError([f"{SETTING}: {fault}" for fault in opening.faults])
    return opening.sources


class _Opening:
    """One reading of the setting."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._environ = environ
        self.sources: dict[AgentName, Source] = {}
        self.faults: list[str] = []

    async def word(self, word: str) -> None:
        try:
            name, module, path = _parts(word)
            await self._add(name, partial(in_module, module, path), ())
        except UnfitError as fault:
            self.faults.append(f"{word!r} {fault}")

    async def project(self, file: Path) -> None:
        project = Project(file)
        if project.readable:
            folders = project.prepared(self._environ)
            sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]
            for named in project.graphs():
                by_module = partial(in_module, named.module, named.path)
                find = partial(in_file, named.file, named.path, folders) if named.file else by_module
                try:
                    await self._add(named.name, find, folders)
                except UnfitError as fault:
                    project.fault(f"graphs.{named.name}: {named.place!r}", str(fault))
        self.faults += project.faults

    async def _add(self, name: str, find: Callable[[], Any], folders: Sequence[Path]) -> None:
        if not is_agent(name):
            raise UnfitError("gives a name that no agent can have: 1 to 64 of letters, digits, _ and -")
        if name in self.sources:
            raise UnfitError(f"names the agent {name} a second time")
        self.sources[AgentName(name)] = await _source(name, find(), folders)


def packages_of(words: Sequence[str]) -> set[str]:
    """The packages that graphs are in: what they log is their author's to answer for."""
    named = {word.partition("=")[2].partition(":")[0].partition(".")[0] for word in words}
    projects = [Project(Path(word)) for word in words if word.endswith(".json")]
    return named.union(*(names_in(folder) for project in projects for folder in project.folders()))


async def _source(name: str, found: Any, folders: Sequence[Path]) -> Source:
    if isinstance(found, Pregel | StateGraph) or not callable(found):
        return Fixed(compiled(found), types_under(folders))
    made = Made(Factory(found))
    with told_as("raised when it was called"):
        try:
            async with asyncio.timeout(PROBE_S):
                await made.probed(name)
        except TimeoutError as error:
            raise UnfitError(f"made no graph within {PROBE_S:.0f} s") from error
    made.types |= types_under(folders)
    return made


def _parts(word: str) -> tuple[str, str, str]:
    name, equals, place = word.partition("=")
    module, colon, path = place.partition(":")
    dotted = (*module.split("."), *path.split("."))
    if not (equals and colon and all(part.isidentifier() for part in dotted)):
        raise UnfitError(f"is neither of the form {FORM}")
    return name, module, path
