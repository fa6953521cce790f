"""A worker process that kills itself once, at a place of a rollback: `dying_worker <place> <folder>`.

Its graph says something in a first step, and in a second one waits for ever where it was asked `endless`. The
folder has `died` once it died; a process that finds that goes on.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from langchain_core.messages import AIMessage, HumanMessage

from services.conversation import app
from services.conversation.__main__ import main
from services.conversation.graph.build import Graph
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.checkpoints import Checkpoints
from services.shared.bus.turns import Turns
from tests.support.workers import WorkerProcess, graph_of

ENDLESS = "endless"
"""What a message says whose answer never comes to its end."""

PLACES: dict[str, tuple[type, str, str, bool]] = {
    "before the thread": (Checkpoints, "drop", "acknowledged", False),
    "behind the thread": (Checkpoints, "drop", "acknowledged", True),
    "before the end": (Turns, "finish", "back", False),
    "behind the end": (Turns, "finish", "back", True),
}
"""Where it dies: the port, its method, the argument by which a rollback is known, and whether behind it."""


class DyingWorker(WorkerProcess):
    """Such a process, as a test sees it."""

    def __init__(self, redis: EmbeddedRedis, folder: Path, place: str, **variables: str) -> None:
        argv = [sys.executable, "-m", __name__, place, str(folder)]
        super().__init__(redis, folder, place.replace(" ", "-"), argv=argv, **variables)


def has_died(folder: Path) -> bool:
    """Whether a worker of this folder has died."""
    return (folder / "died").exists()


async def first(state: ThreadState) -> ThreadState:
    """Say something."""
    return {"messages": [AIMessage(f"One: {_asked(state)}.")]}


async def second(state: ThreadState) -> ThreadState:
    """Wait for ever, or say something more."""
    if _asked(state) == ENDLESS:
        await asyncio.Event().wait()
    return {"messages": [AIMessage(f"Two: {_asked(state)}.")]}


def _asked(state: ThreadState) -> str:
    return [str(each.text) for each in state["messages"] if isinstance(each, HumanMessage)][-1]


def two_steps(_: object = None) -> Graph:
    """The graph."""
    return graph_of(first=first, second=second)


def _die(folder: Path) -> None:
    (folder / "died").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(place: str, folder: Path) -> None:
    """Have this process die there, if none did."""
    port, name, argument, behind = PLACES[place]
    honest: Callable[..., Any] = getattr(port, name)

    async def deadly(self: Any, *args: Any, **more: Any) -> Any:
        dies = more.get(argument) and not has_died(folder)
        if dies and not behind:
            _die(folder)
        done = await honest(self, *args, **more)
        if dies:
            _die(folder)
        return done

    setattr(port, name, deadly)


if __name__ == "__main__":
    die_at(sys.argv[1], Path(sys.argv[2]))
    patch.object(app, "_built_in", two_steps).start()
    sys.exit(main())
