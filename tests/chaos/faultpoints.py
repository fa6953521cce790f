"""Fault points: places on the message's path where a service process can be told to die.

Installed by `launched` into a real service; the services themselves know nothing of them. A point is armed by
a file (`arm/<process>`: {"point", "nth"}); the n-th passage after that ends the process with SIGKILL, as a
crash would, having left `arm/<process>.hit`. Must never change what passes.
"""

import functools
import importlib
import inspect
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 0.02
"""Between two looks of a process for what it is armed with."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the path: `step` of docs/message-path.md, in which service, before or after which call."""

    name: str
    step: int
    service: str
    target: str
    after: bool = True
    something: bool = False
    """Only passages that brought something count."""
    script: str = ""
    """Only passages count that run this script among others."""

    def counts(self, given: tuple[Any, ...]) -> bool:
        """Whether a passage with these arguments counts."""
        return not self.script or any(call.script.name == self.script for call in given[1])


SAID = "services.shared.bus.speaking:Speaking.say"
POINTS = (
    Point("1.joined", 1, "connection", "services.connection.arrivals:Arrivals.join"),
    Point("2.decided", 2, "connection", "services.connection.inbound:Inbound.perform", after=False),
    Point("3.accepting", 3, "connection", "services.shared.bus.messages:Messages.accept", after=False),
    Point("3.accepted", 3, "connection", "services.shared.bus.messages:Messages.accept"),
    Point("4.found", 4, "conversation", "services.shared.bus.turns:Turns.ready", something=True),
    Point("4.claimed", 4, "conversation", "services.shared.bus.lease:Leases.claim", something=True),
    Point("5.begun", 5, "conversation", "services.shared.bus.turns:Turns.begin", something=True),
    Point("6.wrote", 6, "conversation", "services.shared.bus.checkpoints:Checkpoints.put_writes"),
    Point("6.kept", 6, "conversation", "services.shared.bus.checkpoints:Checkpoints.put"),
    Point("7.started", 7, "conversation", SAID, script="start_message"),
    Point("7.delta", 7, "conversation", SAID, script="delta"),
    Point("7.completing", 7, "conversation", SAID, after=False, script="complete"),
    Point("7.completed", 7, "conversation", SAID, script="complete"),
    Point("7.finishing", 7, "conversation", "services.shared.bus.turns:Turns.finish", after=False),
    Point("7.finished", 7, "conversation", "services.shared.bus.turns:Turns.finish"),
    Point("8.heard", 8, "connection", "services.connection.outbound:Outbound.heard"),
    Point("8.confirmed", 8, "connection", "services.connection.outbound:Outbound._confirmed", after=False),
    Point("9.shown", 9, "connection", "services.connection.hub:Audience.show"),
)


class Armed:
    """What this process is to die of. Read by every point, set by a thread that looks at a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._point = ""
        self._left = 0
        threading.Thread(target=self._watch, name="arms", daemon=True).start()

    def passed(self, name: str) -> None:
        """A point was passed: the last thing this process does, if it is the one."""
        if name != self._point:
            return
        self._left -= 1
        if self._left <= 0:
            self.die()

    def aims_at(self, name: str) -> bool:
        """Whether the next passage of this point is the one."""
        return name == self._point and self._left <= 1

    def die(self) -> None:
        """End as a crash does, leaving word of it."""
        self._file.with_suffix(".hit").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    def _watch(self) -> None:
        pause = threading.Event()
        seen = ""
        while not pause.wait(LOOK_EVERY_S):
            said = self._file.read_text() if self._file.exists() else ""
            if said == seen:
                continue
            seen = said
            wanted = json.loads(said) if said else {"point": "", "nth": 0}
            self._left, self._point = wanted["nth"], wanted["point"]


def install(service: str, armed: Armed) -> None:
    """Put all points of a service ("connection", "conversation") into its code."""
    for point in POINTS:
        if point.service == service:
            _wrap(point, armed)
    if service == "connection":
        _show_half(armed)


def find(target: str) -> tuple[Any, str]:
    """The owner and the name of `module:Class.method`."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    return owner, name


def _wrap(point: Point, armed: Armed) -> None:
    owner, name = find(point.target)
    honest = getattr(owner, name)
    wrapped = _wrapped_async if inspect.iscoroutinefunction(honest) else _wrapped
    setattr(owner, name, wrapped(point, honest, armed))


def _wrapped_async(point: Point, honest: Callable[..., Any], armed: Armed) -> Callable[..., Any]:
    @functools.wraps(honest)
    async def passing(*args: Any, **kwargs: Any) -> Any:
        counts = point.counts(args)
        if counts and not point.after:
            armed.passed(point.name)
        brought = await honest(*args, **kwargs)
        if counts and point.after and (brought or not point.something):
            armed.passed(point.name)
        return brought

    return passing


def _wrapped(point: Point, honest: Callable[..., Any], armed: Armed) -> Callable[..., Any]:
    @functools.wraps(honest)
    def passing(*args: Any, **kwargs: Any) -> Any:
        if not point.after:
            armed.passed(point.name)
        brought = honest(*args, **kwargs)
        if point.after and (brought or not point.something):
            armed.passed(point.name)
        return brought

    return passing


def _show_half(armed: Armed) -> None:
    """Step 9 has a middle: some devices were written to, the others not."""
    owner, _ = find("services.connection.hub:Audience.show")
    honest = owner.show

    def show(self: Any, entries: Any) -> Any:
        if armed.aims_at("9.shown") and len(self._writes) > 1:
            self._writes = self._writes[:1]
        return honest(self, entries)

    owner.show = show
