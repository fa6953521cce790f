"""From where something is done: by which connection, in which trace. Set by the shell that begins a task,
read by the audit log, so that no port on the way has to hand it on.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from services.shared.runtime.logging import current_trace

_connection: ContextVar[str] = ContextVar("connection", default="")
_session: ContextVar[str] = ContextVar("session", default="")


@dataclass(frozen=True, slots=True)
class Origin:
    """connection: its id; trace: the trace's id, 32 hexadecimal digits. Empty: none."""

    connection: str = ""
    trace: str = ""


def come_from(connection: str, session: str = "") -> None:
    """What the current task does, and the tasks it starts, is done for this connection; `session`: the id of
    its own trace, in which is done what has none.
    """
    _connection.set(connection)
    _session.set(session)


def origin() -> Origin:
    """From where what is done here and now is done."""
    return Origin(_connection.get(), current_trace() or _session.get())
