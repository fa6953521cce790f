"""Edits of a recorded history: how the checker's tests break a promise on purpose."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from tests.chaos.checker import check
from tests.chaos.history import History
from tests.chaos.records import Conversation, Entry, Pub, Truth
from tests.chaos.violations import Kind, Violation

L = TypeVar("L", bound=msgspec.Struct)
Edit = Callable[[list[Any]], None]


def device(history: History, name: str, edit: Edit) -> History:
    """The history with one device's lines edited."""
    lines: list[Any] = [*history.devices[name]]
    edit(lines)
    return replace(history, devices={**history.devices, name: tuple(lines)})


def process(history: History, name: str, edit: Edit) -> History:
    """The history with one worker's lines edited."""
    lines: list[Any] = [*history.runs.get(name, ())]
    edit(lines)
    return replace(history, runs={**history.runs, name: tuple(lines)})


def truth(
    history: History, edit: Callable[[Conversation], dict[str, Any]], conversation: str = "c1"
) -> History:
    """The history with fields of a conversation's truth replaced."""
    told = history.truth.conversations
    changed = msgspec.structs.replace(told[conversation], **edit(told[conversation]))
    return replace(history, truth=Truth({**told, conversation: changed}))


def changed(line: L, **facts: Any) -> L:
    """A line with other facts; those of an event as `event={...}` over its own."""
    if isinstance(line, Pub | Entry) and "event" in facts:
        facts["event"] = {**line.event, **facts["event"]}
    return msgspec.structs.replace(line, **facts)


def find(lines: Any, kind: type[L], number: int = 0, **facts: Any) -> int:
    """The place of a line of a kind whose facts, or whose event's, are these; number -1: the last one."""

    def fits(line: Any) -> bool:
        event = getattr(line, "event", {})
        return isinstance(line, kind) and all(
            event.get(name, getattr(line, name, None)) == value for name, value in facts.items()
        )

    return [place for place, line in enumerate(lines) if fits(line)][number]


def found(history: History, **how: bool) -> list[Violation]:
    """What the checker says."""
    return check(history, **how)


def kinds(violations: list[Violation]) -> set[Kind]:
    """The kinds among violations."""
    return {violation.kind for violation in violations}


def of(violations: list[Violation], kind: Kind) -> list[Violation]:
    """Those of one kind."""
    return [violation for violation in violations if violation.kind is kind]
