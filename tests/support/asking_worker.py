"""A worker process with a graph that asks, which dies at a point of a test's choice:
`asking_worker <graph> <folder> <point>`.

The folder is how test and process tell each other things: `ran` has a line for each node that was begun or
ended; once it has `mended`, nobody dies any more.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt

from services.conversation import app
from services.conversation.__main__ import main
from services.conversation.graph.build import Graph
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.turns import Turns
from tests.support.asking import said
from tests.support.workers import WorkerProcess, graph_of

FINISHING, BEGUN, RESUMED, BEHIND = "finishing", "begun", "resumed", "behind"
"""Before a turn that waits is finished; when a turn that brings an answer has begun; when its answer has come
to the node; in the node behind that."""


class AskingWorker(WorkerProcess):
    """Such a process, as a test sees it."""

    def __init__(self, redis: EmbeddedRedis, folder: Path, graph: str, point: str = "") -> None:
        argv = [sys.executable, "-m", __name__, graph, str(folder), point]
        super().__init__(redis, folder, f"{graph}-{point}", argv=argv, dies=bool(point))


def ran(folder: Path) -> list[str]:
    """What nodes noted, in order, over all processes."""
    file = folder / "ran"
    return file.read_text().split() if file.exists() else []


class Place:
    """What the nodes of a process need: where to note, and what to die of."""

    def __init__(self, folder: Path, point: str) -> None:
        self._folder = folder
        self._point = point

    def note(self, word: str) -> None:
        with (self._folder / "ran").open("a") as file:
            file.write(f"{word}\n")
            os.fsync(file.fileno())

    def passes(self, point: str) -> None:
        if point == self._point and not (self._folder / "mended").exists():
            os.kill(os.getpid(), signal.SIGKILL)

    def ask(self, _: ThreadState) -> Any:
        self.note("asks")
        answer = interrupt("really?")
        self.passes(RESUMED)
        self.note("answered")
        return said(f"you said {answer}")

    def behind(self, _: ThreadState) -> Any:
        self.note("behind")
        self.passes(BEHIND)
        return said("done")

    def branch(self, state: Any) -> Any:
        answer = interrupt(state["of"])
        self.note(f"answered-{state['of']}")
        return said(f"{state['of']} {answer}")

    def simple(self) -> Graph:
        return graph_of(ask=self.ask, behind=self.behind)

    def stopped(self) -> Graph:
        """It stops before `behind`."""
        graph = StateGraph(ThreadState)
        graph.add_node("first", self.first)
        graph.add_node("behind", self.behind)
        graph.add_edge(START, "first")
        graph.add_edge("first", "behind")
        return graph.compile(interrupt_before=["behind"])

    def first(self, _: ThreadState) -> Any:
        self.note("first")
        return said("first")

    def branches(self) -> Graph:
        """Two branches ask at a time."""
        graph = StateGraph(ThreadState)
        graph.add_node("branch", self.branch)
        sends = [Send("branch", {"of": each}) for each in "ab"]
        graph.add_conditional_edges(START, lambda _: sends, ["branch"])
        return graph.compile()


def _dying(place: Place) -> None:
    finish, begin = Turns.finish, Turns.begin

    async def finishing(self: Turns, lease: Any, turn: Any, outcome: Any, *more: Any, **named: Any) -> Any:
        if outcome == "interrupted":
            place.passes(FINISHING)
        return await finish(self, lease, turn, outcome, *more, **named)

    async def beginning(self: Turns, *more: Any, **named: Any) -> Any:
        turn = await begin(self, *more, **named)
        if turn is not None and turn.resumes:
            place.passes(BEGUN)
        return turn

    patch.object(Turns, "finish", finishing).start()
    patch.object(Turns, "begin", beginning).start()


if __name__ == "__main__":
    here = Place(Path(sys.argv[2]), sys.argv[3])
    made: Callable[[], Graph] = getattr(here, sys.argv[1])
    _dying(here)
    patch.object(app, "_built_in", lambda _: made()).start()
    sys.exit(main())
