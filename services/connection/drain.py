"""Empties this process: on the operator's word, which can be taken back, and for good when it has to end.

Composed by app.py. `run` is its task; words come from the admin port and from the lifecycle. What follows of
a word is decided by core/drain.py, how fast connections go by core/pacing.py; here the fleet's budget is
asked and the reception told. Must never wait long for Redis: the deadline always wins.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from services.connection.core.drain import (
    CLOSING,
    ENDING,
    SHOWN,
    Hurried,
    Looked,
    Ordered,
    Standing,
    State,
    Terms,
    Told,
    Withdrawn,
    Word,
    after,
)
from services.connection.core.pacing import Due, Pace, Rates
from services.connection.reception import Closed
from services.shared.model.errors import ContinuoError
from services.shared.runtime.clock import Clock
from services.shared.runtime.health import Finding
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.trouble import Trouble

STEP_S = 0.05
"""Between two looks while connections are closed."""
BUDGET_WITHIN_S = 0.2
"""What Redis gets to answer for the fleet's budget."""
ALONE_S = 1.0
"""Pause before Redis is asked again after it did not answer."""
CORDONED = Closed("cordoned", "This server is being emptied.")
ENDS = Closed("ending", "This server is shutting down.")

log = get_logger(__name__)


class Crowd(Protocol):
    """What is needed of the reception."""

    @property
    def staying(self) -> int: ...
    def __len__(self) -> int: ...
    def part(self, most: int) -> int: ...
    def cut(self) -> int: ...


class Budget(Protocol):
    """What is needed of the bus. Raises Temporary."""

    async def take(self, fleet: str, rate: float, *, wanted: int, must: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How this process drains: the times, the rates, and whose budget."""

    terms: Terms
    rates: Rates
    fleet: str


class Drain:
    """Where this process stands, and what empties it."""

    def __init__(self, manner: Manner, crowd: Crowd, budget: Budget, clock: Clock, metrics: Metrics) -> None:
        self._manner = manner
        self._crowd = crowd
        self._budget = budget
        self._clock = clock
        self._metrics = metrics
        self._standing = Standing()
        self._pace: Pace | None = None
        self._alone_until = 0.0
        self._alone = Trouble(log, "drains alone", "drains with the fleet again")
        self._news = asyncio.Event()
        self._gone = asyncio.Event()
        self.closed = 0
        """Connections that this drain told to go, or cut."""
        self._show()

    # ------------------------------------------------------------------------------------ what is asked of it

    @property
    def standing(self) -> Standing:
        """Where this process stands."""
        return self._standing

    @property
    def closing(self) -> bool:
        """Whether connections are being closed, so that those there are will go."""
        return self._standing.state in CLOSING

    def left_s(self) -> float | None:
        """Seconds until everybody has to be gone; None when nobody has to go."""
        return self._standing.left_s(self._clock.monotonic())

    def refuses(self) -> Closed | None:
        """Why nobody is let in; None while all may come."""
        if not self._standing.closed:
            return None
        return ENDS if self._standing.state in ENDING else CORDONED

    def finding(self) -> Finding:
        """For readiness: a cordoned process that is empty takes part no more."""
        standing = self._standing
        return Finding.of(not standing.empty, state=standing.state.shown, plan=standing.plan)

    async def to_the_end(self, *, crashed: bool) -> None:
        """The process has to end: return when nobody is left. Its task may have ended by an error, or do so
        meanwhile; whoever is left then is cut.
        """
        self.told(crashed=crashed)
        await self.gone()
        self.told(
            crashed=True
        )  # a lame duck that nobody empties any more lets nobody in; else it changes nothing
        self._cut()

    async def gone(self) -> None:
        """Wait until it was told to end and nobody is left, or until its task has ended."""
        await self._gone.wait()

    # -------------------------------------------------------------------------------------------------- words

    def order(self, plan: str, within_s: float) -> None:
        """The operator wants this process empty within so many seconds."""
        self._hear(Ordered(self._clock.monotonic(), plan, within_s))

    def withdraw(self, plan: str) -> None:
        """The operator takes its plan back. Raises RefusedError when it is too late, or another's."""
        self._hear(Withdrawn(self._clock.monotonic(), plan))

    def told(self, *, crashed: bool = False) -> None:
        """The process has to end."""
        self._hear(Told(self._clock.monotonic(), crashed))

    def hurry(self) -> None:
        """Told once more."""
        self._hear(Hurried(self._clock.monotonic()))

    # ----------------------------------------------------------------------------------------------- its task

    async def run(self) -> None:
        """Close what has to be closed, until cancelled."""
        try:
            while True:
                self._news.clear()
                self._hear(Looked(self._clock.monotonic(), len(self._crowd)))
                if self._standing.state in CLOSING:
                    await self._step()
                await self._pause()
        finally:
            self._gone.set()  # nobody is sent away any more: who waits for it must not wait for ever

    async def _step(self) -> None:
        now, deadline = self._clock.monotonic(), self._standing.deadline
        assert deadline is not None, "who closes has a deadline"
        if now >= deadline:
            self._cut()
            return
        pace = self._pace = self._pace or Pace(self._manner.rates, now)
        due = pace.due(now, self._crowd.staying, deadline)
        since_ms = self._clock.now_ms()
        granted, by = await self._granted(due, now)
        # The word may have been taken back meanwhile, and another given: that one has a pace of its own.
        if granted and self._pace is pace:
            told = self._crowd.part(granted)
            pace.closed(told)
            self._metrics.drain_closes.labels(pace=by).inc(told)
            self._count(told, by, since_ms)

    async def _granted(self, due: Due, now: float) -> tuple[int, str]:
        """How many may go now, and by what. Redis is asked only where it could change that."""
        if not self._manner.rates.fleet:
            return due.may, "pod"
        if not due.may:
            return 0, "budget"
        if now < self._alone_until:
            return due.must, "alone"
        try:
            async with asyncio.timeout(BUDGET_WITHIN_S):
                fleet, rate = self._manner.fleet, self._manner.rates.fleet
                granted = await self._budget.take(fleet, rate, wanted=due.may, must=due.must)
        except (ContinuoError, TimeoutError) as error:
            self._metrics.drain_alone.inc()
            self._alone.met(error=type(error).__name__)
            self._alone_until = self._clock.monotonic() + ALONE_S
            return due.must, "alone"
        self._alone.over()
        if granted < due.may:
            self._metrics.drain_waits.inc()
        return granted, "budget" if granted > due.must else "least"

    def _cut(self) -> None:
        since_ms = self._clock.now_ms()
        if cut := self._crowd.cut():
            self._metrics.drain_forced.inc(cut)
            log.warning("cut", connections=cut, state=self._standing.state.value)
            self._count(cut, "deadline", since_ms)

    def _count(self, told: int, by: str, since_ms: int) -> None:
        """So many were sent away since then. The lines of all pods together show the fleet's pace."""
        self.closed += told
        log.debug(
            "sent away",
            connections=told,
            by=by,
            since_ms=since_ms,
            until_ms=self._clock.now_ms(),
            left=self._crowd.staying,
            left_s=self.left_s(),
        )

    async def _pause(self) -> None:
        """Until the next look: a step, the end of the lame duck, or the next word."""
        standing, pause_s = self._standing, None
        if standing.state in CLOSING:
            pause_s = STEP_S
        elif standing.until is not None:
            pause_s = max(0.0, standing.until - self._clock.monotonic())
        try:
            async with asyncio.timeout(pause_s):
                await self._news.wait()
        except TimeoutError:
            return

    def _hear(self, word: Word) -> None:
        before, self._standing = self._standing, after(self._standing, word, self._manner.terms)
        if self._standing == before:
            return
        if before.state is State.SERVING:
            self.closed = 0
        if self._standing.state not in CLOSING:
            self._pace = None
        self._news.set()
        self._show()
        log.info(
            "drain moved",
            state=self._standing.state.value,
            plan=self._standing.plan,
            connections=len(self._crowd),
            closed=self.closed,
            left_s=self.left_s(),
        )
        if self._standing.state is State.GONE:
            self._gone.set()

    def _show(self) -> None:
        shown = self._standing.state.shown
        for state in SHOWN:
            self._metrics.drain_state.labels(state=state).set(state == shown)
        self._metrics.draining.set(self._standing.state in CLOSING)
