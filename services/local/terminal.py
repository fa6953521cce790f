"""The terminal: what others say appears above the line being typed.

Called by the chat. Uses readline's editing in a thread of its own, and redraws the typed line after each
piece of output. Without a terminal (a pipe) it reads lines and writes text, nothing more. Must leave the
terminal as it found it.
"""

import asyncio
import contextlib
import importlib
import shutil
import sys
import termios
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from types import ModuleType

LINES = 1000
"""Lines read ahead of what is done with them. Policy beyond it: whoever writes into the pipe waits."""
_CLEAR_LINE = "\r\x1b[K"
_UP = "\x1b[1A"


def _line_editor() -> ModuleType | None:
    """Readline; a Python built without it leaves the editing to the terminal."""
    try:
        return importlib.import_module("readline")
    except ImportError:
        return None


_EDITOR = _line_editor()


class Terminal:
    """One prompt; `write` may be called at any time from the event loop."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self._interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self._partial = ""
        self._typing = False

    @property
    def interactive(self) -> bool:
        return self._interactive

    @property
    def amid(self) -> bool:
        """Whether somebody's line is not at its end yet."""
        return bool(self._partial)

    @property
    def line(self) -> str:
        """What is being typed; empty where that cannot be known, as in a pipe."""
        return _EDITOR.get_line_buffer() if _EDITOR is not None and self._typing else ""

    def write(self, text: str) -> None:
        """Adds text above the prompt; it may end in the middle of a line and go on with the next call."""
        if not text:
            return
        if self._interactive:
            text = self._redrawn(text)
        else:
            self._partial = (self._partial + text).rpartition("\n")[2]
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Adds a line of the program's own, also in the middle of somebody's line."""
        self.write(f"{chr(10) if self._partial else ''}* {text}\n")

    async def lines(self) -> AsyncIterator[str]:
        """What is typed, line by line, until the end of input."""
        loop = asyncio.get_running_loop()
        typed: asyncio.Queue[str | None] = asyncio.Queue(LINES)

        def read() -> None:
            with contextlib.suppress(RuntimeError, CancelledError):  # the loop is gone: so are we
                while (line := self._read_line()) is not None:
                    asyncio.run_coroutine_threadsafe(typed.put(line), loop).result()
                asyncio.run_coroutine_threadsafe(typed.put(None), loop).result()

        # A daemon: nothing can interrupt a thread that waits for a key.
        threading.Thread(target=read, name="terminal", daemon=True).start()
        while (line := await typed.get()) is not None:
            yield line

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Puts the terminal's modes back at the end, also when a key is still awaited."""
        if not self._interactive:
            yield
            return
        before = termios.tcgetattr(sys.stdin)
        try:
            yield
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
            print()

    def _read_line(self) -> str | None:
        if not self._interactive:
            line = sys.stdin.readline()
            return line.rstrip("\n") if line else None
        self._typing = True
        try:
            return input(self._prompt)
        except EOFError:
            return None
        finally:
            self._typing = False
            # The prompt's line now is history: what was half said stands above it.
            self._partial = ""

    def _redrawn(self, text: str) -> str:
        erased = _CLEAR_LINE + (f"{_UP}{_CLEAR_LINE}" if self._partial else "")
        *whole, partial = (self._partial + text).split("\n")
        width = max(shutil.get_terminal_size().columns - 1, 20)
        while len(partial) > width:
            cut = partial.rfind(" ", 0, width) + 1 or width
            whole.append(partial[:cut])
            partial = partial[cut:]
        self._partial = partial
        shown = "".join(f"{line}\n" for line in whole) + (f"{partial}\n" if partial else "")
        return f"{erased}{shown}{self._prompt if self._typing else ''}{self.line}"
