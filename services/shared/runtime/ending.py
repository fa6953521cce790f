"""Sees to it that a process which has told its end is over soon.

Called by `lifecycle.run` behind the last line of a process's life. Threads cannot be cancelled, and Python
waits for each of them before it goes: one that runs a graph's plain function might never end.
"""

import os
import sys
import threading
import time

from services.shared.runtime.logging import get_logger

WAITS = "(_do_shutdown)"
"""How asyncio calls the thread in which it waits for the others."""

log = get_logger(__name__)


def leave_soon(code: int, within_s: float) -> None:
    """Have the process end with this exit code after that time, if it has not ended by itself by then."""
    threading.Thread(target=_leave, args=(code, within_s), name="leave", daemon=True).start()


def _leave(code: int, within_s: float) -> None:
    time.sleep(within_s)
    log.warning("threads left behind", threads=_left())
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _left() -> int:
    """How many threads keep the process from its end."""
    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    return sum(not each.daemon and not each.name.endswith(WAITS) for each in others)
