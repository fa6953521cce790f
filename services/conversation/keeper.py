"""Keeps leases alive from a thread of its own, with a loop and a bus of its own.

A graph is other people's code: one node that computes for five seconds without a pause stops this
process's main loop, but must not cost it the conversation. So nothing here waits for that loop. What the
thread learns (a lease is gone, a turn is to stop) it leaves in the lease's `Hold` and tells the loop when
that listens again.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from services.shared.bus.house import Bus
from services.shared.model.errors import ContinuoError, LeaseLost
from services.shared.model.ids import AttemptId, TurnId
from services.shared.model.turn import Lease
from services.shared.runtime.clock import Clock
from services.shared.runtime.logging import get_logger
from services.shared.runtime.own_threads import joined
from services.shared.runtime.trouble import Trouble

RENEWALS_PER_LEASE = 3
SAFE_SHARE = 0.9
"""Of a lease's length, in which this machine believes it: clocks of two machines do not run equally fast."""
AGAIN_S = 0.2
"""Pause after a renewal that Redis did not answer."""
OPENS_WITHIN_S = 30.0

log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class Hold:
    """A lease in this process's hands. Read on the main loop; `lost` and `fresh_until` are set by the
    keeper's thread.

    on_lost, on_cancel: called on the main loop, at most once each per cause; the worker sets them for its
    turn.
    """

    lease: Lease
    clock: Clock
    fresh_until: float
    lost: bool = False
    on_lost: Callable[[], None] | None = None
    on_cancel: Callable[[TurnId], None] | None = None
    renewed: asyncio.Event = field(default_factory=asyncio.Event)

    def fresh(self) -> bool:
        """Tell whether nobody else can hold the conversation now."""
        return not self.lost and self.clock.monotonic() < self.fresh_until

    async def until_fresh(self) -> None:
        """Return once the lease is surely held: after a pause of this machine, once Redis has said so again.

        Raises LeaseLost when it says otherwise.
        """
        while not self.fresh():
            if self.lost:
                raise LeaseLost(f"the lease on {self.lease.conversation} is another worker's now")
            self.renewed.clear()
            await self.renewed.wait()


class Keeper:
    """The thread. `start` before the first `hold`; `stop` after the last `drop`."""

    def __init__(self, open_bus: Callable[[], Awaitable[Bus]], *, lease_s: float, clock: Clock) -> None:
        self._open_bus = open_bus
        self._lease_s = lease_s
        self._clock = clock
        self._holds: dict[AttemptId, Hold] = {}
        self._lock = threading.Lock()
        self._main: asyncio.AbstractEventLoop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._opened: asyncio.Future[None] | None = None
        self._ended = asyncio.Event()
        self._error: BaseException | None = None
        self._ending = False
        self._unrenewed = Trouble(log, "leases not renewed", "leases renewed again")
        self._thread = threading.Thread(target=self._live, name="keeper", daemon=True)

    async def start(self) -> None:
        """Start the thread; returns when its bus is open. Raises what opening raised."""
        self._main = asyncio.get_running_loop()
        self._opened = self._main.create_future()
        self._thread.start()
        # not `wait_for`: up to Python 3.11 it drops a cancellation that comes with the word
        async with asyncio.timeout(OPENS_WITHIN_S):
            await self._opened

    async def mind(self) -> None:
        """Work for the process's lifecycle: raise once the thread has ended by an error. Without it the
        worker would go on and lose every conversation it takes.
        """
        await self._ended.wait()
        if self._error is not None:
            raise RuntimeError("the keeper's thread ended") from self._error

    async def stop(self) -> None:
        """End the thread, also one whose start was given up; leases still held run out by themselves."""
        self._ending = True
        if self._loop is not None and self._stopping is not None:
            with suppress(RuntimeError):  # its loop is closed: the thread is at its end already
                self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.ident is not None:
            await joined(self._thread, OPENS_WITHIN_S)

    def hold(self, lease: Lease, claimed_at: float) -> Hold:
        """Keep a lease that was asked for at `claimed_at` (monotonic)."""
        hold = Hold(lease, self._clock, claimed_at + self._lease_s * SAFE_SHARE)
        with self._lock:
            self._holds[lease.attempt] = hold
        return hold

    def drop(self, hold: Hold) -> None:
        """Keep it no longer."""
        with self._lock:
            self._holds.pop(hold.lease.attempt, None)

    def _live(self) -> None:
        try:
            asyncio.run(self._keep())
        except BaseException as error:  # noqa: BLE001 - the thread's root: told to the process, which ends
            self._error = error
            self._tell(self._settle_opening, error)
        finally:
            self._tell(self._ended.set)

    def _settle_opening(self, error: BaseException | None) -> None:
        if self._opened is None or self._opened.done():
            return
        if error is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(error)

    async def _keep(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        if self._ending:  # told before there was a loop to tell
            self._stopping.set()
        bus = await self._open_bus()
        self._tell(self._settle_opening, None)
        try:
            async with asyncio.TaskGroup() as tasks:
                minding = tasks.create_task(bus.mind())
                await self._renew_until_stopped(bus, self._stopping)
                minding.cancel()
        finally:
            await bus.close()

    async def _renew_until_stopped(self, bus: Bus, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            pause_s = self._lease_s / RENEWALS_PER_LEASE if await self._renew(bus) else AGAIN_S
            try:
                async with asyncio.timeout(pause_s):
                    await stopping.wait()
            except TimeoutError:
                continue

    async def _renew(self, bus: Bus) -> bool:
        with self._lock:
            holds = list(self._holds.values())
        if not holds:
            return True
        asked_at = self._clock.monotonic()
        try:
            renewal = await bus.leases.renew([hold.lease for hold in holds])
        except ContinuoError as error:
            self._unrenewed.met(leases=len(holds), error=type(error).__name__)
            return False
        self._unrenewed.over()
        for hold in holds:
            if hold.lease.attempt in renewal.lost:
                hold.lost = True
            else:
                hold.fresh_until = asked_at + self._lease_s * SAFE_SHARE
            self._tell(_wake, hold, renewal.cancelling)
        return True

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        assert self._main is not None
        try:
            self._main.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            log.debug("main loop is closed")


def _wake(hold: Hold, cancelling: frozenset[TurnId]) -> None:
    """On the main loop: pass on what a renewal said."""
    hold.renewed.set()
    if hold.lost and hold.on_lost is not None:
        hold.on_lost()
    elif hold.on_cancel is not None:
        for turn in cancelling:
            hold.on_cancel(turn)
