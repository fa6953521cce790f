"""What answers where a cancel is tried out: its model works until it is stopped, and notes when. A worker's
CONTINUO_GRAPHS names it; STOPPED_NOTES is the folder, in which each line is `<what> <pid> <time in ns>`.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage

from services.conversation.graph.state import ThreadState
from tests.support.workers import graph_of

NOTES = "STOPPED_NOTES"
WORK = "work"
"""What a message says whose answer takes until it is stopped."""


@dataclass(frozen=True)
class Note:
    """began, or stopped: the model's task got CancelledError."""

    what: str
    pid: int
    at_ns: int


def notes(folder: Path) -> list[Note]:
    """All that was noted, in order."""
    file = folder / "notes"
    lines = file.read_text().splitlines() if file.exists() else []
    return [Note(what, int(pid), int(at)) for what, pid, at in map(str.split, lines)]


def _note(what: str) -> None:
    with (Path(os.environ[NOTES]) / "notes").open("a") as file:
        file.write(f"{what} {os.getpid()} {time.time_ns()}\n")


async def answer(state: ThreadState) -> ThreadState:
    """Work until it is stopped, as a call of a model that never comes to its end."""
    asked = [str(each.text) for each in state["messages"] if isinstance(each, HumanMessage)][-1]
    if asked != WORK:
        return {"messages": [AIMessage(f"Heard: {asked}.")]}
    _note("began")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        _note("stopped")
        raise
    raise AssertionError


graph = graph_of(answer=answer)
