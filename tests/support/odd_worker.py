"""A worker process around a graph that a test wants, run as a module: `odd_worker <graph> <folder>`.

It is the service as it is started, but for its graph. The folder is how a test and the graph tell each other
things: `ran` has a line for each node that was begun; a file's being there is a word.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, StateGraph

from services.conversation import app
from services.conversation.__main__ import main
from services.conversation.graph.build import Graph
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from tests.support.workers import LEASE_S, WorkerProcess, graph_of

POISON = "poison"
"""What a message says that kills its worker, until the folder has `mended`."""
BLOCKED_S = 2 * LEASE_S + 1.0
"""How long the loop takes no step: a lease runs out, a rival's sweep comes by, its claim takes a while."""

WAYS_TO_DIE: list[Callable[[], Any]] = [
    lambda: os._exit(7),
    lambda: os.kill(os.getpid(), signal.SIGSEGV),
    lambda: os.kill(os.getpid(), signal.SIGKILL),  # what the kernel does to who takes too much memory
]

Node = Callable[[ThreadState], Awaitable[ThreadState]]


class OddWorker(WorkerProcess):
    """Such a process, as a test sees it."""

    def __init__(self, redis: EmbeddedRedis, folder: Path, graph: str, **variables: str) -> None:
        argv = [sys.executable, "-m", __name__, graph, str(folder)]
        super().__init__(redis, folder, graph, argv=argv, **variables)


def ran(folder: Path) -> list[str]:
    """The nodes that were begun, in order, over all processes."""
    file = folder / "ran"
    return file.read_text().split() if file.exists() else []


def _note(folder: Path, node: str) -> None:
    with (folder / "ran").open("a") as file:
        file.write(f"{node}\n")
        os.fsync(file.fileno())


async def _word(folder: Path, word: str) -> None:
    while not (folder / word).exists():  # noqa: ASYNC110 - another process says it
        await asyncio.sleep(0.02)


def deadly(folder: Path) -> Graph:
    """Kills its worker, each time in another way."""

    async def answer(state: ThreadState) -> ThreadState:
        asked = [str(each.text) for each in state["messages"] if isinstance(each, HumanMessage)][-1]
        if asked == POISON and not (folder / "mended").exists():
            _note(folder, "died")
            WAYS_TO_DIE[ran(folder).count("died") % len(WAYS_TO_DIE)]()
        return {"messages": [AIMessage(f"Alive: {asked}.")]}

    return graph_of(answer=answer)


def blocking(folder: Path) -> Graph:
    """Once it hears `rival`, holds up the loop of its worker for longer than a lease."""

    async def answer(_: ThreadState) -> ThreadState:
        _note(folder, "answer")
        await _word(folder, "rival")
        time.sleep(BLOCKED_S)  # noqa: ASYNC251 - this is the fault
        return {"messages": [AIMessage("Done.")]}

    return graph_of(answer=answer)


def parallel(folder: Path) -> Graph:
    """Two nodes side by side and one behind them. `right` kills its worker once it hears `die`, if it is not
    `mended`.
    """

    async def left(_: ThreadState) -> ThreadState:
        _note(folder, "left")
        return {"messages": [AIMessage("Left.")]}

    async def right(_: ThreadState) -> ThreadState:
        _note(folder, "right")
        if not (folder / "mended").exists():
            await _word(folder, "die")
            os._exit(7)
        return {"messages": [AIMessage("Right.")]}

    async def join(_: ThreadState) -> ThreadState:
        _note(folder, "join")
        return {"messages": [AIMessage("Both.")]}

    nodes: dict[str, Node] = {"left": left, "right": right, "join": join}
    graph = StateGraph(ThreadState)
    for name, node in nodes.items():
        graph.add_node(name, node)
    graph.add_edge(START, "left")
    graph.add_edge(START, "right")
    graph.add_edge(["left", "right"], "join")
    graph.add_edge("join", END)
    return graph.compile()


GRAPHS: dict[str, Callable[[Path], Graph]] = {
    "deadly": deadly,
    "blocking": blocking,
    "parallel": parallel,
}

if __name__ == "__main__":
    patch.object(app, "_built_in", lambda _: GRAPHS[sys.argv[1]](Path(sys.argv[2]))).start()
    sys.exit(main())
