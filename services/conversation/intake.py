"""Finds conversations with waiting turns, claims them and drains them, a bounded number at a time.

Started by app. Each claimed conversation is one task: begin, execute, begin again, until letting go
succeeds, which Redis grants only when nothing waits. `drain` is the worker's end: nothing new is claimed,
running turns stop behind the step under way and are handed over; a step that is not done by the deadline is
cut.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from services.conversation.core.effects import Finish, Leave, TryAgain
from services.conversation.core.retry import unreadable
from services.conversation.counting import count_begin, count_end, word
from services.conversation.keeper import Hold, Keeper
from services.conversation.precedence import Precedence, Start
from services.conversation.rewinding import go_back
from services.conversation.speaker import persist
from services.conversation.trail import Trail
from services.conversation.trails import Claim, Trails
from services.conversation.worker import Tools, TurnRun
from services.shared.bus.house import Bus
from services.shared.model.errors import Broken, ContinuoError, LeaseLost, Temporary, UnreadableTurn
from services.shared.model.ids import AttemptId, ConversationId, NodeId, TurnId
from services.shared.model.turn import UNCLAIMED, Lease, Ready, Turn
from services.shared.runtime.health import Finding
from services.shared.runtime.logging import bind, bound, get_logger
from services.shared.runtime.trouble import Trouble
from services.shared.runtime.whereabouts import whereabouts

BLOCK_MS = 1000
"""Of one wait for ready conversations; the order to drain is noticed in between."""
SWEEP_S = 1.0
"""Between two looks for conversations whose worker fell silent."""
SWEEP_ON_S = 0.1
"""The same after a look that found more of them than there were hands."""
AGAIN_S = 0.5
"""Pause after Redis did not answer."""

log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Held:
    """A conversation in our hands. again: word that came for it meanwhile, looked after once it is let go."""

    again: Ready | None = None


@dataclass(frozen=True, slots=True)
class _Begun:
    """An attempt. execution: its id, one for all repeats: a lost reply is no attempt. turn: where it is begun
    already.
    """

    execution: AttemptId
    asked_ns: int
    turn: Turn | None = None


class Intake:
    """One worker's hands: `serve`, `sweep` and `obey` are its tasks."""

    def __init__(
        self, bus: Bus, keeper: Keeper, tools: Tools, worker: NodeId, fresh_id: Callable[[], str]
    ) -> None:
        self._bus = bus
        self._keeper = keeper
        self._tools = tools
        self._worker = worker
        self._fresh_id = fresh_id
        self._free = asyncio.Semaphore(tools.settings.conversations)
        self._precedence = Precedence()
        self._held: dict[ConversationId, _Held] = {}
        self._runs: dict[ConversationId, TurnRun] = {}
        self._waiting: dict[ConversationId, asyncio.Event] = {}
        self._vacant = asyncio.Event()
        self._served = asyncio.Event()
        self._looked = asyncio.Event()
        """Cleared while the sweep may bring something."""
        self._looked.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending: asyncio.Timeout | None = None
        self._hurried = False
        self._unheard = Trouble(log, "ready streams unreadable", "ready streams readable again")
        self._unseen = Trouble(log, "orphans not looked for", "orphans looked for again")
        self._unreadable = Trouble(log, "orphans unreadable", "orphans readable again", severe=True)
        self.draining = False

    # -- the three tasks

    async def serve(self) -> None:
        """Take up what is ready, until `drain`."""
        try:
            while not self.draining:
                await self._serve_once()
        finally:
            self._served.set()

    async def sweep(self) -> None:
        """Take over what others left, until `drain`."""
        pause_s = SWEEP_S
        while await self._goes_on_for(pause_s):
            self._looked.clear()
            try:
                pause_s = SWEEP_ON_S if await self._sweep_once() else SWEEP_S
            finally:
                self._looked.set()

    async def obey(self) -> None:
        """Hear cancels from the control stream; renewals and deltas tell of them too."""
        while True:
            try:
                async for entry in self._bus.control.follow():
                    if entry.kind == "turn.cancel":
                        self.cancel(ConversationId(entry.conversation), TurnId(entry.turn))
            except Temporary as error:
                log.debug("control not followed", error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)

    def cancel(self, conversation: ConversationId, turn: TurnId) -> None:
        """Stop a turn if it runs here."""
        if (run := self._runs.get(conversation)) and run.turn.id == turn:
            self._tools.metrics.control_entries.labels(kind="turn.cancel").inc()
            run.cancel()
        elif waiting := self._waiting.get(conversation):
            waiting.set()  # begin tells that it is to stop

    async def drain(self) -> None:
        """Claim no more; let running turns come to the end of a step until the deadline, then cut the rest
        and hand it over at once.
        """
        self.draining = True
        self._vacant.set()
        for waiting in self._waiting.values():
            waiting.set()
        for run in list(self._runs.values()):
            run.drain()
        within_s = self._tools.settings.drain_s / (2 if self._hurried else 1)
        try:
            async with asyncio.timeout(within_s) as self._ending:
                await self._served.wait()
                await self._looked.wait()
                await self._idle.wait()
        except TimeoutError:
            log.info("turns handed over", turns=len(self._runs))
            for run in list(self._runs.values()):
                run.hand_over()
            await self._idle.wait()
        finally:
            self._ending = None

    def hurry(self) -> None:
        """Half of the time that is left to a drain must do; of one that did not begin yet, half of it all."""
        self._hurried = True
        if self._ending is None or self._ending.expired() or (deadline := self._ending.when()) is None:
            return
        now = asyncio.get_running_loop().time()
        self._ending.reschedule(now + max(0.0, deadline - now) / 2)

    def finding(self) -> Finding:
        """What /health shows."""
        return Finding.of(True, conversations=len(self._held), turns=len(self._runs), draining=self.draining)

    # -- one look

    async def _goes_on_for(self, pause_s: float) -> bool:
        """Pause; whether to look again then: what a worker takes up behind its drain, nobody gives back."""
        if not self.draining:
            await asyncio.sleep(pause_s)
        return not self.draining

    async def _sweep_once(self) -> bool:
        """Whether there may be more to find."""
        try:
            self._tools.metrics.turn_queue_oldest_seconds.set(await self._bus.turns.oldest_s())
            if (room := self._room()) <= 0:
                return False
            found = await self._bus.turns.orphans(self._worker, count=room)
            self._take_up(found, takeover=True)
        except Temporary as error:
            self._unseen.met(error=type(error).__name__)
        except Broken as error:
            self._unreadable.met(**whereabouts(error))
        else:
            self._unseen.over()
            self._unreadable.over()
            return len(found) >= room
        return False

    # -- one conversation

    def _room(self) -> int:
        return self._tools.settings.conversations - len(self._held)

    async def _serve_once(self) -> None:
        if (room := self._room()) <= 0:  # an entry read is no other worker's: none more than can be claimed
            self._vacant.clear()
            await self._vacant.wait()
            return
        try:
            found = await self._bus.turns.ready(self._worker, block_ms=BLOCK_MS, count=room)
        except Temporary as error:
            self._unheard.met(error=type(error).__name__)
            await asyncio.sleep(AGAIN_S)
            return
        self._unheard.over()
        self._take_up(found)

    def _take_up(self, found: list[Ready], *, takeover: bool = False) -> None:
        """Hold what was found, at once: the sweep and the ready streams may bring the same."""
        for ready in found:
            if held := self._held.get(ready.conversation):
                held.again = ready
                continue
            held = self._held[ready.conversation] = _Held()
            self._idle.clear()
            owning = self._own(ready, held, takeover=takeover)
            task = self._tools.tasks.start(f"conversation {ready.conversation}", owning)
            # A task that is cancelled before its first step never comes to its own `finally`.
            task.add_done_callback(partial(self._put_down, ready, held))

    async def _own(self, ready: Ready, held: _Held, *, takeover: bool) -> None:
        bind(conversation=ready.conversation)
        try:
            async with self._free:
                again: Ready | None = ready
                while again is not None:
                    await self._claim_and_drain(again, takeover=takeover)
                    again, held.again = held.again, None
                    takeover = False  # from here on nobody else held it
        except LeaseLost:
            self._tools.metrics.leases_lost.inc()
            log.info("lease lost")
        except ContinuoError as error:
            log.warning("conversation left", **whereabouts(error))
        except Exception as error:  # noqa: BLE001 - the task's root: one conversation's end, not the worker's
            log.error("conversation failed", **whereabouts(error))  # noqa: TRY400 - its text may quote people
        finally:
            self._put_down(ready, held)

    def _put_down(self, ready: Ready, held: _Held, _task: object = None) -> None:
        """Have it in our hands no more; harmless once it is another task's."""
        if self._held.get(ready.conversation) is held:
            del self._held[ready.conversation]
        self._vacant.set()
        if not self._held:
            self._idle.set()

    async def _claim_and_drain(self, ready: Ready, *, takeover: bool) -> None:
        start = await self._precedence.start()
        try:
            await self._claim_and_drain_from(start, ready, takeover=takeover)
        finally:
            start.leave()

    async def _claim_and_drain_from(self, start: Start, ready: Ready, *, takeover: bool) -> None:
        settings, metrics, clock = self._tools.settings, self._tools.metrics, self._tools.clock
        asked_at, asked_ns = clock.monotonic(), clock.now_ns()
        attempt, execution = AttemptId(self._fresh_id()), AttemptId(self._fresh_id())
        claim = partial(self._bus.leases.claim, ready, worker=self._worker, attempt=attempt)
        coming = Lease(ready.conversation, UNCLAIMED, attempt, self._worker)
        lease, turn = await asyncio.gather(  # they leave in one round trip, in this order
            persist(lambda: claim(lease_ms=int(settings.lease_s * 1000))),
            self._begun_at_once(coming, execution),
        )
        metrics.claims.labels(outcome="taken" if lease else "refused").inc()
        if lease is None:
            return
        if takeover:
            metrics.takeovers.inc()
        hold = self._keeper.hold(lease, asked_at)
        claimed = Claim(asked_ns, clock.now_ns(), ready.partition, takeover)
        metrics.leases_held.inc()
        log.info("lease taken over" if takeover else "lease taken", partition=ready.partition)
        try:
            with Trails(self._tools.instruments(), claimed) as trails:
                await self._drain(hold, trails, start, _Begun(execution, asked_ns, turn))
        finally:
            self._keeper.drop(hold)
            metrics.leases_held.dec()

    async def _begun_at_once(self, lease: Lease, execution: AttemptId) -> Turn | None:
        """Begin the first turn together with the claim. Whatever comes between, it is begun again with the
        same id, which counts once.
        """
        if self.draining:
            return None
        try:
            return await self._bus.turns.begin(lease, execution, back=self._tools.settings.turns_back())
        except ContinuoError:
            return None

    async def _drain(self, hold: Hold, trails: Trails, start: Start, begun: _Begun | None) -> None:
        """Execute turns until letting go succeeds, the lease is lost or the worker has to go. begun: the
        first one.
        """
        lease = hold.lease
        while not self.draining:
            if start.over:
                start = await self._precedence.start()
            attempt = begun or _Begun(AttemptId(self._fresh_id()), self._tools.clock.now_ns())
            begun = None
            try:
                turn = attempt.turn or await self._begin(lease, attempt.execution)
            except UnreadableTurn as error:
                await self._give_up(lease, error)
                continue
            if turn is None:
                start.leave()
                if await self._let_go(lease):
                    return
                continue
            if turn.rewinds:
                if not await self._go_back(hold, turn):
                    break
                continue
            match await self._execute(hold, trails, trails.begun(turn, attempt.asked_ns), start):
                case Finish() if await self._let_go(lease):
                    return
                case TryAgain(delay_s=delay_s):
                    await self._pause(lease.conversation, delay_s)
                case Leave() if not await self._begins_anew(hold):
                    break
        if hold.lost:
            raise LeaseLost(f"the lease on {lease.conversation} is another worker's now")
        await persist(partial(self._bus.leases.hand_over, lease))
        log.info("lease handed over")

    async def _go_back(self, hold: Hold, turn: Turn) -> bool:
        """Bring a thread back; False: another worker is to do it."""
        with bound(turn=turn.id, attempt=turn.attempt):
            return await go_back(self._tools, hold, turn, leaving=lambda: self.draining)

    async def _begin(self, lease: Lease, execution: AttemptId) -> Turn | None:
        back = self._tools.settings.turns_back()
        return await persist(partial(self._bus.turns.begin, lease, execution, back=back))

    async def _let_go(self, lease: Lease) -> bool:
        """Unless turns wait."""
        let_go = await persist(partial(self._bus.leases.release, lease))
        if let_go:
            log.info("lease let go")
        return let_go

    async def _give_up(self, lease: Lease, turn: UnreadableTurn) -> None:
        """End a turn that makes no sense: it would stand at the head of its queue for good."""
        end = unreadable()
        await persist(partial(self._bus.turns.give_up, lease, turn, end.reason, end.kind))
        self._tools.metrics.turns.labels(outcome="failed").inc()
        self._tools.metrics.turns_failed.labels(kind=end.kind).inc()
        log.error("turn unreadable", turn=turn.turn, **whereabouts(turn))

    async def _begins_anew(self, hold: Hold) -> bool:
        """Ask Redis whether only the attempt is void, not the lease: a failover may take back the one and
        not the other. Then the turn is begun again; nobody else would before the lease runs out.
        """
        if self.draining or hold.lost:
            return False
        renewal = await persist(partial(self._bus.leases.renew, [hold.lease]))
        hold.lost = hold.lease.attempt in renewal.lost
        if not hold.lost:
            log.info("attempt void, begun anew")
            await self._pause(hold.lease.conversation, AGAIN_S)
        return not hold.lost

    async def _execute(
        self, hold: Hold, trails: Trails, trail: Trail, start: Start
    ) -> Finish | TryAgain | Leave:
        trail.start = start
        turn, run = trail.turn, TurnRun(self._tools, hold, trail)
        self._runs[turn.conversation] = run
        if self.draining:  # it was just being begun when the word came
            run.drain()
        with trail.inside(), bound(turn=turn.id, attempt=turn.attempt):
            count_begin(self._tools.metrics, self._tools.clock, trail)
            began = self._tools.clock.monotonic()
            try:
                end = await run.run()
            finally:
                start.leave()
                del self._runs[turn.conversation]
                self._tools.metrics.turns_running.dec()
            count_end(self._tools.metrics, trail, end, self._tools.clock.monotonic() - began)
            trails.ended(end, word(end))
        if isinstance(end, Leave) and self.draining and not hold.lost:
            self._tools.metrics.turns_handed_over.labels(where="step" if end.whole else "within").inc()
        if isinstance(end, Finish):
            with bound(turn=turn.id, attempt=turn.attempt):
                await start.give_way()
                await self._trim(hold.lease, turn)
        return end

    async def _pause(self, conversation: ConversationId, delay_s: float) -> None:
        """Wait before another try; a cancel or the worker's end cuts it short."""
        waiting = self._waiting[conversation] = asyncio.Event()
        try:
            async with asyncio.timeout(delay_s):
                await waiting.wait()
        except TimeoutError:
            return
        finally:
            del self._waiting[conversation]

    async def _trim(self, lease: Lease, turn: Turn) -> None:
        try:
            await self._tools.agent.trim(lease, turn)
        except ContinuoError as error:
            log.warning("thread not trimmed", error=type(error).__name__)
