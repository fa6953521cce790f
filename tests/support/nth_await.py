"""Cancels a coroutine at its n-th await, for n = 0, 1, 2 ... until a run comes through uncancelled.

An await is counted when the coroutine suspends, that is each time it yields to the event loop, at whatever
depth. The cancellation is a real `task.cancel()`, so timeouts, shields and task groups behave as in life. How
many awaits there are may differ from run to run; whoever looks at what is left behind need not know.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

MOST = 400
"""A coroutine with more awaits than this is no subject: it never comes to its end."""
ENDS_WITHIN_S = 5.0
"""What a cancelled coroutine gets to clean up."""


class Moment(StrEnum):
    """When, seen from the await that is cut."""

    AT_ONCE = "at once"  # as it suspends: what it waits for never comes
    A_TURN_LATER = "a turn later"  # one iteration of the loop on: what it asked for is on its way
    WITH_THE_REPLY = "with the reply"  # what it waits for is done, and never seen: the lost result
    AS_IT_GOES_ON = (
        "as it goes on"  # it has the reply; the next await is cut, or, behind the last, its result
    )
    TWICE = "twice"  # at once, and again at the first await of the cleaning up


HARDEST = (Moment.AT_ONCE, Moment.WITH_THE_REPLY, Moment.AS_IT_GOES_ON)
"""Where a second pass over the same subjects is to be short."""


class NeverEndsError(AssertionError):
    """A coroutine went on after its cancellation."""


class SwallowedError(AssertionError):
    """A coroutine that was cancelled returned as if it had not been, or raised something else."""


class Cut:
    """One cancellation, at await `n` of the one coroutine it drives; 0: before it has begun."""

    def __init__(self, n: int, moment: Moment = Moment.AT_ONCE) -> None:
        self.n = n
        self.moment = moment
        self.awaits = 0
        self.struck = False
        self._task: asyncio.Task[Any] | None = None
        self._again = False

    def __str__(self) -> str:
        return f"await {self.n}, {self.moment}"

    async def drive(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await `work`; the running task is the one that is cancelled."""
        self._task = asyncio.current_task()
        return await _Driven(self, work)

    def strike(self, task: asyncio.Task[Any] | None = None) -> None:
        """Cancel, once. task: the one to be driven, where it has not begun."""
        self._task = self._task or task
        assert self._task is not None
        if not self.struck and not self._task.done():
            self.struck = True
            self._again = self.moment is Moment.TWICE
            self._task.cancel()

    def suspends(self, upon: Any) -> None:
        """The coroutine is about to wait, for a future or (None) for its next turn."""
        self.awaits += 1
        if self._again:
            self._again = False
            assert self._task is not None
            self._task.cancel()
        elif self.awaits == self.n:
            self._strike_upon(upon)

    def goes_on(self) -> None:
        """What it waited for is there."""
        if self.awaits == self.n and self.moment is Moment.AS_IT_GOES_ON:
            self.strike()

    def _strike_upon(self, upon: Any) -> None:
        loop = asyncio.get_running_loop()
        match self.moment:
            case Moment.AT_ONCE | Moment.TWICE:
                self.strike()
            case Moment.A_TURN_LATER:
                loop.call_soon(self.strike)
            case Moment.WITH_THE_REPLY if upon is None:
                loop.call_soon(self.strike)
            case Moment.WITH_THE_REPLY:
                # Before the task's own callback, which is added after this: it wakes up cancelled.
                upon.add_done_callback(lambda _: self.strike())


class _Driven:
    """Hands everything through between a coroutine and its task, and counts."""

    def __init__(self, cut: Cut, work: Coroutine[Any, Any, Any]) -> None:
        self._cut = cut
        self._work = work

    def __await__(self) -> Generator[Any, Any, Any]:
        resume: Callable[[], Any] = partial(self._work.send, None)
        while True:
            try:
                upon = resume()
            except StopIteration as end:
                return end.value
            self._cut.suspends(upon)
            try:
                sent = yield upon
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                resume = partial(self._work.throw, error)
            else:
                self._cut.goes_on()
                resume = partial(self._work.send, sent)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is cut, and all that must hold afterwards, cut or whole.

    enough: for work that never ends by itself: whether an uncancelled run has done all it is there for.
    """

    work: Coroutine[Any, Any, Any]
    holds: Callable[[], Awaitable[object]]
    enough: Callable[[], Awaitable[bool]] | None = None


async def run_cut(subject: Subject, cut: Cut) -> bool:
    """Run with one cut; True when the work came through before it. Raises SwallowedError, NeverEndsError, and
    what an uncancelled run raised.
    """
    task = asyncio.create_task(cut.drive(subject.work))
    if cut.n == 0:
        cut.strike(task)
    ended = await _ended_or_enough(task, subject, cut)
    if not task.done():
        await _put_down(task)
    if not ended:
        raise NeverEndsError(f"goes on for ever: {cut}, cancelled: {cut.struck}")
    subject.work.close()
    if not cut.struck:
        if subject.enough is None:
            task.result()
        return True
    if not task.cancelled():
        raise SwallowedError(f"was cancelled and ended otherwise: {cut}") from task.exception()
    return False


async def cut_everywhere(make: Callable[[], Awaitable[Subject]], moment: Moment) -> int:
    """Cut one fresh subject after the other at its n-th await; how many awaits the last, whole run had."""
    for n in range(MOST):
        subject, cut = await make(), Cut(n, moment)
        try:
            whole = await run_cut(subject, cut)
            await subject.holds()
        except BaseException as error:
            error.add_note(f"cut: {cut}")
            raise
        if whole:
            return cut.awaits
    raise NeverEndsError(f"more than {MOST} awaits")


async def _ended_or_enough(task: asyncio.Task[Any], subject: Subject, cut: Cut) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ENDS_WITHIN_S
    while not task.done() and loop.time() < deadline:
        await asyncio.wait({task}, timeout=0.01 if subject.enough else ENDS_WITHIN_S)
        if subject.enough and not cut.struck and await subject.enough() and not cut.struck:
            await _put_down(task)
            return True
    return task.done()


async def _put_down(task: asyncio.Task[Any]) -> None:
    """End a task that swallows cancellations, so that the test can."""
    for _ in range(MOST):
        task.cancel()
        await asyncio.wait({task}, timeout=0.01)
        if task.done():
            return
