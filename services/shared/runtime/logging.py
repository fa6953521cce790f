"""Logs: structured, one line each, JSON for machines or a readable console; facts as keys, no message text.

`configure` is called once, first thing in a process. Shells take a logger with `get_logger(__name__)` and
write an event that is a short past-tense phrase: `log.info("lease lost", conversation=..., attempt=...)`.
What belongs to everything a task does is bound once with `bind(conversation=...)`. Cores do not log.
Foreign libraries' logs take the same road. What no line may say is discretion.py's.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection
from typing import Any, Literal, TextIO

import structlog
from structlog.contextvars import (
    bind_contextvars,
    bound_contextvars,
    clear_contextvars,
    merge_contextvars,
)
from structlog.stdlib import BoundLogger
from structlog.typing import EventDict, Processor, WrappedLogger

from services.shared.runtime.discretion import HOUSE, Strangers, tell_where, unpack, withhold

Style = Literal["json", "console"]

QUIET = ("uvicorn.access", "httpx", "httpcore", "asyncio", "redisvl", "kopf.objects")
"""Foreign loggers that speak once per request or of themselves: warnings only."""

MUTE = ("uvicorn.error",)
"""Those whose warnings are no news either: what hostile clients send. Errors only."""


def configure(
    service: str,
    *,
    node: str = "",
    level: str = "info",
    style: Style = "json",
    stream: TextIO | None = None,
    trusted: Collection[str] | None = None,
) -> None:
    """Send all logs of this process to `stream` (standard error), each line naming service and node.

    trusted: the foreign loggers that speak for themselves, of others only the place is told; None: all.
    """
    named: dict[str, str] = {"service": service} | ({"node": node} if node else {})

    def name_process(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
        return {**named, **line}

    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        name_process,
        name_trace,
        unpack,
        withhold,
        tell_where,
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    ending = _ending(style)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, Strangers(trusted)], processors=ending
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries tell at debug what they send and get, and some of them are sent what people said.
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level.upper()]))
    for name in HOUSE:
        logging.getLogger(name).setLevel(level.upper())
    for name in MUTE:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> BoundLogger:
    """The logger of a module; pass `__name__`."""
    logger: BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bind(**facts: Any) -> None:
    """Add facts to every later line of the current task and of the tasks it starts."""
    bind_contextvars(**facts)


def forget() -> None:
    """Take back what was bound: what the current task does from now on is about something else."""
    clear_contextvars()


bound = bound_contextvars
"""`with bound(turn=...):` adds facts to the lines of a block."""


class _Traces:
    """Asks the tracing room, where tracing is on: logs know nothing of it."""

    current: Callable[[], str] | None = None


def name_traces(current: Callable[[], str] | None) -> None:
    """Have every line name the trace it belongs to: what `current` answers, if it is not empty."""
    _Traces.current = current


def current_trace() -> str:
    """The id of the trace that this code runs in; empty: none, or traces are off."""
    return _Traces.current() if _Traces.current is not None else ""


def name_trace(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Add the trace's id to a line that is written within one."""
    if trace := current_trace():
        line["trace"] = trace
    return line


def _ending(style: Style) -> list[Processor]:
    finish: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if style == "console":
        return [*finish, structlog.dev.ConsoleRenderer(colors=False)]
    return [*finish, structlog.processors.JSONRenderer(default=str)]
