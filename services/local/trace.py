"""`continuo trace <message id>`: what became of a message, as a tree with times.

Called by the command line. It reads the file that `continuo up` has every process append its spans to, or
the one of CONTINUO_TRACES_FILE. Without an id it lists the latest messages: spans hold no text, so by when
they were sent. Must never change the file.
"""

import argparse
import os
import re
from collections.abc import Mapping
from pathlib import Path

from services.local.collected import Collected, Told
from services.local.ending import LocalError, StoppedError, say, tell
from services.local.home import Home
from services.local.kept_traces import FILE_VARIABLE
from services.local.way import MESSAGE, drawn, latest, listed
from services.shared.model.ids import is_uuid
from services.shared.runtime.tracing.names import REQUEST, SEND

SENT = (SEND.name, REQUEST.name)
"""Spans of what brings a message, from a device or from a back end."""

LISTED = 10
_TRACE = re.compile(r"[0-9a-f]{32}")


class NoSuchMessageError(LocalError):
    """The file has no span of it, or it is no id; the message says what may be the reason."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "message",
        nargs="?",
        default="",
        help="the message's id, or a trace's as log lines name it; none: list the latest messages",
    )
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help=f"read this one (else {FILE_VARIABLE}, else `continuo up`'s)",
    )


def run(given: argparse.Namespace) -> int:
    try:
        tell("\n".join(told(given.file or file_of(os.environ), given.message.strip().lower())))
    except StoppedError:
        return 0
    except (LocalError, OSError) as failed:
        say(f"continuo trace: {failed}")
        return 1
    return 0


def file_of(environ: Mapping[str, str]) -> Path:
    """The file to read."""
    given = environ.get(FILE_VARIABLE)
    return Path(given) if given else Home.of(environ).traces


def told(file: Path, wanted: str) -> list[str]:
    """The lines to print. Raises LocalError for no file, no id, no such message."""
    if wanted and not is_uuid(wanted) and not _TRACE.fullmatch(wanted):
        raise NoSuchMessageError(
            f"{wanted} is no message id: those are UUIDs, as {_EXAMPLE}; "
            "`continuo trace` alone lists the latest"
        )
    collected = Collected(file)
    if not wanted:
        return _latest(collected, file)
    traces = _traces(collected, wanted)
    if not traces:
        raise NoSuchMessageError(
            f"{file} has no span of {wanted}: its spans come a second after they ended; else its trace was "
            "not sampled (CONTINUO_TRACES_RATIO), is older than the file goes back, or went elsewhere"
        )
    return [line for spans in traces for line in ["", *drawn(spans, collected.naming(spans[0].trace))]][1:]


def _traces(collected: Collected, wanted: str) -> list[list[Told]]:
    if is_uuid(wanted):
        return collected.traces_of(MESSAGE, wanted)
    return [spans for spans in collected.traces([wanted]) if spans]


def _latest(collected: Collected, file: Path) -> list[str]:
    sent = latest((span for span in collected.naming(*SENT) if span.name in SENT), LISTED)
    if not sent:
        return [f"no message has been sent yet, by {file}"]
    return listed(sent, collected.traces(span.trace for span in sent.values()))


_EXAMPLE = "019ac8f0-5b1e-7c3a-9d41-2f6a8b0c7e55"
