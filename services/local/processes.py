"""Child processes that never outlive us: how everything in this room starts one.

Called by the embedded Redis and by the supervisor of the services. A child runs in its own session, so that
Ctrl-C in the terminal reaches only the parent, which then ends its children in the right order; and the
kernel kills it when the parent dies, however it dies. Must never start a child from a worker thread: the
kernel's promise is tied to the thread that forked, not to the process.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.local.lastwords import reason

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Runs in the child between fork and exec: asks the kernel for SIGKILL when the parent ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


class Child:
    """One child process with its log file; can be started again after it ended."""

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.log = log
        self.env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False
        self._told_before = 0

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError when it was never started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit status once it ended (negative: killed by that signal), else None."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Starts the process, appending its output to the log. Raises OSError when the program can't be
        run.
        """
        with self.log.open("ab") as log:
            self._told_before = log.tell()
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(os.environ if self.env is None else self.env),
                start_new_session=True,
                # Unsafe with threads in general; this one only calls prctl, which was loaded before the fork.
                preexec_fn=_die_with_parent,  # noqa: PLW1509
            )
        self._frozen = False

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; harmless when the process is gone."""
        if self._process is not None:
            self._process.send_signal(number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)
        self._frozen = False

    def kill(self) -> None:
        """Ends it at once (SIGKILL) and reaps it, also when it is frozen."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def ended(self, within_s: float) -> bool:
        """Waits until the process ended; False when it still runs after `within_s` seconds."""
        deadline = asyncio.get_running_loop().time() + within_s
        while self.alive:
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    async def end(self, within_s: float) -> None:
        """Asks it to end (SIGTERM), and kills it when it has not within `within_s` seconds."""
        if self.alive and not self._frozen:
            self.signal(signal.SIGTERM)
            await self.ended(within_s)
        self.kill()

    def last_words(self) -> str:
        """Why it ended, in one line, by what its own log says since it was started."""
        told = self.log.read_bytes()[self._told_before :] if self.log.exists() else b""
        return reason(told.decode(errors="replace").splitlines())
