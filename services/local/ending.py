"""How a command of this machine ends: by a signal, in order, or with one line that says why it could not go
on.

Called by every command that runs for a while. Must never swallow what nobody foresaw: that ends with its
traceback.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


class LocalError(Exception):
    """Something a person can act on; the message is one line that names it."""


class StoppedError(Exception):
    """Somebody wants everything to end."""


def say(line: str) -> None:
    """Prints a line; whoever read it may have gone, and that must not hold up an end in order."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def tell(line: str) -> None:
    """Prints what a command was asked for. Raises StoppedError when nobody reads it any more (`| head`)."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # What is left in the buffer would be tried again, and complained of, when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StoppedError from None


def ending_in_a_line(command: str, work: Coroutine[Any, Any, int]) -> int:
    """Runs a command's work, which returns the exit code; what is known to go wrong is told in one line."""
    try:
        return asyncio.run(work)
    except StoppedError:
        return 0
    except (LocalError, OSError, ExceptionGroup) as failed:
        first: BaseException = failed
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if not isinstance(first, LocalError | OSError):
            raise
        say(f"continuo {command}: {first}")
        return 1


@asynccontextmanager
async def stops_on_signals() -> AsyncIterator[None]:
    """Ends the block with StoppedError on the first SIGINT or SIGTERM; a second one leaves at once."""
    loop = asyncio.get_running_loop()
    here = asyncio.current_task()
    assert here is not None, "always inside a task"
    heard = 0

    def stop() -> None:
        nonlocal heard
        heard += 1
        if heard > 1:
            # The kernel kills every child when we are gone.
            os._exit(130)
        here.cancel()
        say("ending ...")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not heard:
            raise
        raise StoppedError from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work`, which never ends by itself, while the block runs."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
