"""What lines of the log must not say: what people and models said, and what lets others in.

Used by logging.py for every line, ours and those of foreign libraries. An exception is told by its types and
places, for its text may quote anything; a text is shown only where it is ours or the system's. Of libraries
that nobody here answers for, only the place is told from which they spoke. What Python itself would print
past the log, a warning, a thread's or a finaliser's crash, is brought onto the same road.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Collection
from typing import Any

from structlog.typing import EventDict, WrappedLogger

from services.shared.model.errors import Broken, Temporary
from services.shared.runtime.listening import CannotListenError
from services.shared.runtime.settings import SettingsError
from services.shared.runtime.whereabouts import short, whereabouts

WITHHELD = frozenset({"text", "body", "data", "token", "password", "secret", "authorization"})
"""Keys whose values never reach a log, whoever passes them."""

SPEAKING = (Temporary, Broken, SettingsError, CannotListenError)
"""Exceptions whose texts are ours; all others may quote what people said."""

HOUSE = ("services", "continuo_operator", "__main__")
"""Whose lines are written with care; only they are heard below info."""


def withhold(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Replace what must not be logged by its size: enough to see that it was there."""
    for key in WITHHELD & line.keys():
        value = line[key]
        line[key] = f"<withheld, {len(value)} long>" if hasattr(value, "__len__") else "<withheld>"
    return line


def tell_where(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Instead of a traceback, which quotes exceptions and lines of code, tell types and places."""
    if raised := line.pop("exc_info", None):
        error = raised if isinstance(raised, BaseException) else _of(raised)
        line.update({key: fact for key, fact in whereabouts(error).items() if key not in line})
        if text := _text(error):
            line.setdefault("said", text)
    line.pop("stack_info", None)
    return line


class Strangers:
    """Lets foreign loggers speak for themselves only if they are trusted, by the first part of their names;
    None: all are.
    """

    def __init__(self, trusted: Collection[str] | None) -> None:
        self._trusted = None if trusted is None else frozenset((*HOUSE, *trusted))

    def __call__(self, _: WrappedLogger, __: str, line: EventDict) -> EventDict:
        """A processor: of who is not trusted only the place is told."""
        record = line.get("_record")
        if isinstance(record, logging.LogRecord):
            if self._trusted is not None and record.name.partition(".")[0] not in self._trusted:
                line["event"] = "a library spoke"
                line["place"] = f"{short(record.pathname)}:{record.lineno}"
            elif record.name == "asyncio":
                line["event"] = str(line["event"]).partition("\n")[0]  # what follows is an exception's repr
        return line


def hear_python() -> None:
    """Have warnings and crashes outside of tasks take the log's road, not standard error's. For a process
    of its own: it sets what Python calls.
    """
    warnings.showwarning = _warned
    threading.excepthook = _thread_crashed
    sys.unraisablehook = _not_raised


def _warned(
    message: Warning | str,  # noqa: ARG001 - libraries quote values in it
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,  # noqa: ARG001 - what Python passes
    line: str | None = None,  # noqa: ARG001
) -> None:
    _log().warning(
        "python warned", extra=_facts(category=category.__name__, place=f"{short(filename)}:{lineno}")
    )


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    _log().error("thread crashed", extra=_facts(**whereabouts(args.exc_value)))


def _not_raised(args: sys.UnraisableHookArgs) -> None:
    _log().error("exception not raised", extra=_facts(**whereabouts(args.exc_value)))


def _facts(**facts: object) -> dict[str, object]:
    return {"facts": facts}


def unpack(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Take the facts of our own lines that are not structlog's, for they are told before there is any."""
    line.update(getattr(line.get("_record"), "facts", {}))
    return line


def _log() -> logging.Logger:
    return logging.getLogger(__name__)


def _text(error: BaseException | None) -> str:
    """What can be said of an exception in words: in our own, or in the system's."""
    if isinstance(error, SPEAKING):
        return str(error)
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return os.strerror(error.errno)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"no module {error.name}"
    return ""


def _of(raised: Any) -> BaseException | None:
    found = sys.exc_info() if raised is True else raised
    error = found[1] if isinstance(found, tuple) else None
    return error if isinstance(error, BaseException) else None
