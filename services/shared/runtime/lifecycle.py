"""A process's life: open in order, work until told to stop or a crash, close in reverse by a deadline.

A service's `__main__` is `sys.exit(run("presence", start))`, where `start` is the composition root:

    async def start(life: Lifecycle) -> None:
        bus = await life.open("bus", Bus.open(...), Bus.close)
        life.work("sweep", sweep.run())

SIGTERM and SIGINT begin the end; a second one hurries it, by what parts asked for with `on_hurry`; a third
ends at once. A task that ends by an error ends the process, loudly, with code 1: a half-dead process is worse
than a restart. Nothing else in the house starts tasks but an `asyncio.TaskGroup`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from services.shared.runtime.discretion import hear_python
from services.shared.runtime.ending import leave_soon
from services.shared.runtime.health import Health
from services.shared.runtime.logging import get_logger
from services.shared.runtime.settings import SettingsError

T = TypeVar("T")
Closing = Callable[[], Awaitable[None]]

CLOSE_WITHIN_S = 25.0
"""Under Kubernetes' default of 30 s between SIGTERM and SIGKILL."""
EXIT_CRASHED = 1
EXIT_MISCONFIGURED = 2

log = get_logger(__name__)


class Tasks:
    """The owner of a process's background tasks. The first that ends by an error is kept in `crash`."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self.crashed = asyncio.Event()
        self.crash: tuple[str, BaseException] | None = None

    def start(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` until it ends; the caller need not keep the task."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel what still runs and wait for its end; a calling task of its own is left running."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("task crashed", task=task.get_name(), exc_info=error)
        if self.crash is None:
            self.crash = (task.get_name(), error)
        self.crashed.set()


def forget_answered_cancels() -> None:
    """Behind a TaskGroup whose task failed: take back the cancel by which it woke its owner.

    Python before 3.11.4, as Debian 12's, forgets that; the next `asyncio.timeout` of this task would then
    raise CancelledError where it should raise TimeoutError, and end the task without a word.
    """
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


class Lifecycle:
    """What is open, in order, and the word to stop."""

    def __init__(self, *, close_within_s: float = CLOSE_WITHIN_S) -> None:
        self.tasks = Tasks()
        self.health = Health()
        self.stopping = asyncio.Event()
        """Set by a signal, by `stop`, or by a crash."""
        self._close_within_s = close_within_s
        self._hurried = False
        self._hurrying: list[Callable[[], None]] = []
        self._open: list[tuple[str, Closing, bool]] = []
        """Name, how it is closed, and whether its opening was told."""

    async def open(self, name: str, opening: Awaitable[T], close: Callable[[T], Awaitable[None]]) -> T:
        """Open a part; it is closed with `close` after everything that was opened later."""
        opened = await opening
        self._open.append((name, lambda: close(opened), True))
        log.info("opened", part=name)
        return opened

    def work(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background; it is cancelled at the end, before what was opened earlier closes."""
        task = self.tasks.start(name, work)

        async def end() -> None:
            task.cancel()
            await asyncio.wait({task})

        self.closing(name, end)

    def closing(self, name: str, close: Closing) -> None:
        """Have something done at the end, after what is registered later."""
        self._open.append((name, close, False))

    def stop(self) -> None:
        """Begin the end; returns at once."""
        self.health.draining = True
        self.stopping.set()

    def on_hurry(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the process is told to stop a second time: what takes its time at the
        end takes less of it. At once where that was before: the word may come while parts still open.
        """
        self._hurrying.append(callback)
        if self._hurried:
            callback()

    def hurry(self) -> bool:
        """Hurry the end; False when that was done before."""
        if self._hurried:
            return False
        self._hurried = True
        for callback in self._hurrying:
            callback()
        return True

    async def until_stopping(self) -> None:
        """Wait for `stop` or for a crash, which stops too."""
        async with asyncio.TaskGroup() as waiting:
            word = waiting.create_task(self.stopping.wait())
            crash = waiting.create_task(self.tasks.crashed.wait())
            await asyncio.wait({word, crash}, return_when=asyncio.FIRST_COMPLETED)
            word.cancel()
            crash.cancel()
        if self.tasks.crash:
            self.health.crash = self.tasks.crash[0]
        self.stop()

    async def close(self) -> bool:
        """Close everything in reverse; True if all of it closed without an error before the deadline."""
        well = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._close_within_s
        while self._open:
            name, close, told = self._open.pop()
            well = await self._close_one(name, close, deadline, told=told) and well
        try:
            async with asyncio.timeout_at(deadline):
                await self.tasks.close()
        except TimeoutError:
            log.error("tasks outlived the deadline")  # noqa: TRY400 - where it hung is not where it was waited for
            return False
        return well

    async def _close_one(self, name: str, close: Closing, deadline: float, *, told: bool) -> bool:
        try:
            async with asyncio.timeout_at(deadline):
                await close()
        except TimeoutError:
            log.error("part outlived the deadline", part=name)  # noqa: TRY400
            return False
        except Exception:  # one part's fault must not keep the others open
            log.exception("part did not close well", part=name)
            return False
        if told:
            log.info("closed", part=name)
        else:
            log.debug("done", part=name)
        return True


async def live(start: Callable[[Lifecycle], Awaitable[None]], life: Lifecycle) -> int:
    """Start, work, end. The exit code: 0 after a clean end, 1 after a crash or an end that went wrong."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, life, number)
    try:
        await start(life)
        life.health.started = True
        log.info("started")
        await life.until_stopping()
    finally:
        well = await life.close()
    log.info("ended", crash=life.health.crash)
    return 0 if well and life.health.crash is None else EXIT_CRASHED


def run(
    name: str,
    start: Callable[[Lifecycle], Awaitable[None]],
    *,
    close_within_s: float = CLOSE_WITHIN_S,
    leave_within_s: float | None = None,
) -> int:
    """Be the process `name`: the whole of a service's `__main__`. Returns the exit code.

    leave_within_s: where other people's code runs: so long behind its end the process leaves, whatever its
    threads still do.
    """

    async def whole() -> int:
        code = await _lived(name, start, Lifecycle(close_within_s=close_within_s))
        if leave_within_s is not None:
            leave_soon(code, leave_within_s)  # in here: the loop, too, waits for its threads
        return code

    hear_python()
    return uvloop.run(whole())


async def _lived(name: str, start: Callable[[Lifecycle], Awaitable[None]], life: Lifecycle) -> int:
    try:
        return await live(start, life)
    except SettingsError as refused:
        for fault in refused.faults:
            log.error("setting refused", fault=fault)  # noqa: TRY400 - the sentence says it all
        return EXIT_MISCONFIGURED
    except Exception:  # the process's root: say it and end
        log.exception("process could not start or went down", process=name)
        return EXIT_CRASHED


def _on_signal(life: Lifecycle, number: signal.Signals) -> None:
    if not life.stopping.is_set():
        log.info("told to stop", signal=number.name)
        life.stop()
    elif life.hurry():
        log.warning("told to stop twice, hurrying", signal=number.name)
    else:
        log.warning("told to stop three times, ending at once", signal=number.name)
        os._exit(128 + number)
