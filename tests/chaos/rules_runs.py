"""Nodes: one whose writes are durably stored does not run again. Pure."""

from collections.abc import Iterator, Mapping

from tests.chaos.ground import Ground
from tests.chaos.history import History
from tests.chaos.records import Ran, Stored
from tests.chaos.violations import Kind, Violation

Task = tuple[str, str, str]


def runs(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Hold every run of a node to what was stored before: by order in one process's notes, else by time."""
    del grounds
    stored = _first_stored(history)
    for process, lines in history.runs.items():
        mine: set[Task] = set()
        for line in lines:
            task = (line.conversation, line.turn, line.task)
            if isinstance(line, Stored):
                mine.add(task)
            elif task in mine or any(
                t < line.t for other, t in stored.get(task, {}).items() if other != process
            ):
                yield Violation(Kind.RAN_TWICE, line.conversation, process, _words(line), line.t)


def _first_stored(history: History) -> dict[Task, dict[str, float]]:
    stored: dict[Task, dict[str, float]] = {}
    for process, lines in history.runs.items():
        for line in lines:
            if isinstance(line, Stored):
                at = stored.setdefault((line.conversation, line.turn, line.task), {})
                at[process] = min(line.t, at.get(process, line.t))
    return stored


def _words(ran: Ran) -> str:
    return (
        f"node {ran.node} of turn {ran.turn} ran again as attempt {ran.attempt}, task {ran.task} was stored"
    )
