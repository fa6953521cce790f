"""A command on a terminal of its own, as a person sits before it."""

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.support.machine import environment

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class TerminalSession:
    """`continuo <words>` behind a pseudo-terminal; `shown` is all it wrote, without the terminal's own
    signs.
    """

    def __init__(self, home: Path, *words: str, extra: Mapping[str, str] | None = None) -> None:
        ours, theirs = pty.openpty()
        self._ours = ours
        self._written = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.local", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment(home, extra), "TERM": "xterm", "COLUMNS": "100"},
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def shown(self) -> str:
        return _ESCAPES.sub("", self._written.decode(errors="replace"))

    def type(self, text: str) -> None:
        """Presses these keys; a line ends with a return."""
        os.write(self._ours, text.replace("\n", "\r").encode())

    def end(self) -> int:
        """Types Ctrl-D and returns the exit code."""
        if self.process.poll() is None:
            self.type("\x04")
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(20)
            os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._ours, 65536)
            except OSError:  # the other end is closed: the process ended
                return
            if not read:
                return
            self._written += read
