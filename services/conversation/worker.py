"""Executes one turn: carries out what core/turn decides, with the graph, the speaker and the journal.

Called by intake for each turn of a conversation it holds. Whatever happens arrives in one mailbox (the
graph's end, a cancel, a lost lease, the order to hand over) and is handled in order. Must never write once
the lease is gone, and never let a graph take the worker down: a graph that does not stop within a second
of being told to is left behind, unable to write.

A cancelled turn keeps what the thread durably holds and takes back the rest: half a sentence that is in no
thread would be a final text that the agent does not know of.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import TypeVar

from services.conversation.core.effects import (
    Effect,
    Finish,
    Leave,
    PauseGraph,
    ReadThread,
    RunGraph,
    SettleThread,
    StopGraph,
    TryAgain,
)
from services.conversation.core.happenings import (
    Begun,
    CancelAsked,
    DrainAsked,
    GraphEnded,
    GraphFailed,
    GraphPaused,
    GraphStopped,
    HandOverAsked,
    Happening,
    LeaseGone,
    ThreadRead,
)
from services.conversation.core.overdue import Overdue
from services.conversation.core.retry import POISONED, Fault, FaultKind
from services.conversation.core.turn import Execution
from services.conversation.graph.agent import Agent, AgentError, Boundary, Look, PausedError
from services.conversation.graph.agents import Agents
from services.conversation.keeper import Hold
from services.conversation.passage import Passage
from services.conversation.settings import WorkerSettings
from services.conversation.speaker import AGAIN_S, Speaker, persist
from services.conversation.trail import Trail
from services.conversation.trail_parts import Instruments
from services.shared.bus.turns import Back, Turns
from services.shared.model.asking import Ask
from services.shared.model.errors import LeaseLost, RollBackFirst
from services.shared.model.ids import TurnId
from services.shared.model.turn import TurnState
from services.shared.runtime.clock import Clock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing
from services.shared.runtime.trouble import Trouble
from services.shared.runtime.whereabouts import whereabouts

STOPS_WITHIN_S = 1.0
"""What a graph gets to end after it was cancelled."""

Done = TypeVar("Done")
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tools:
    """What every execution in this process works with. failovers: how many of Redis it has seen."""

    turns: Turns
    agent: Agent | Agents
    tasks: Tasks
    clock: Clock
    metrics: Metrics
    settings: WorkerSettings
    tracing: Tracing = field(default_factory=Tracing.off)
    failovers: Callable[[], int] = lambda: 0

    def instruments(self) -> Instruments:
        """What its trails are told by."""
        slow_s = self.settings.tracing.traces_slow_s
        return Instruments(self.tracing, self.metrics, self.clock, slow_s, self.failovers)


class TurnRun:
    """One execution. `run` returns its last effect: Finish, TryAgain or Leave."""

    def __init__(self, tools: Tools, hold: Hold, trail: Trail) -> None:
        self._tools = tools
        self._hold = hold
        self._trail = trail
        self.turn = turn = trail.turn
        self._passage = Passage(hold, tools.tasks)
        self._execution = Execution(tools.settings.patience())
        self._inbox: asyncio.Queue[Happening] = asyncio.Queue()
        #: Signals in the mailbox, each at most once: members may cancel again and again.
        self._signals: set[Happening] = set()
        self._graph: asyncio.Task[None] | None = None
        self._boundary = Boundary()
        self._silenced = False
        self._unsaid: Fault | None = None
        self._watching: asyncio.Task[None] | None = None
        trail.overdue = Overdue(tools.settings.turn_s, tools.settings.turn_idle_s)
        self._restless = False
        self._look: Look | None = None
        self._asks: tuple[Ask, ...] = ()
        self._speaker = Speaker(
            tools.turns,
            hold.lease,
            turn,
            interval_s=tools.settings.delta_ms / 1000,
            clock=tools.clock,
            trail=trail,
            cancelling=self.cancel,
        )

    def cancel(self) -> None:
        """A member wants the turn to stop; may be heard on several roads."""
        self._signal(CancelAsked())

    def drain(self) -> None:
        """The worker has to go soon: behind the step under way the turn is another's."""
        self._signal(DrainAsked())

    def hand_over(self) -> None:
        """The worker has to go now."""
        self._signal(HandOverAsked())

    async def run(self) -> Finish | TryAgain | Leave:
        """Carry the execution to its end; nothing of it runs on afterwards, but a graph that does not
        listen.
        """
        self._hold.on_lost = partial(self._signal, LeaseGone())
        self._hold.on_cancel = self._cancel_named
        speaking = self._tools.tasks.start(f"speak {self.turn.id}", self._speak())
        try:
            tried = self.turn.attempts - self.turn.handed_over
            back = self.turn.stop == "rollback"
            self._inbox.put_nowait(Begun(tried, self.turn.state is TurnState.CANCELLING, back))
            return await self._live(speaking)
        finally:
            self._hold.on_lost = self._hold.on_cancel = None
            self._passage.closed = True
            speaking.cancel()
            self._trail.hush()
            await self._stop_graph()

    async def _live(self, speaking: asyncio.Task[None]) -> Finish | TryAgain | Leave:
        while True:
            happening = await self._inbox.get()
            if _is_signal(happening):
                self._signals.discard(happening)
            for effect in self._execution.handle(happening):
                if isinstance(effect, Finish | TryAgain | Leave):
                    return await self._end(effect, speaking)
                await self._begin_effect(effect)

    async def _begin_effect(self, effect: Effect) -> None:
        match effect:
            case ReadThread():
                self._start(self._read)
            case SettleThread():
                self._start(self._settle)
            case RunGraph():
                self._start(partial(self._run_graph, effect))
            case PauseGraph():
                self._boundary.ask()
            case StopGraph():
                await self._stop_graph()
                self._inbox.put_nowait(GraphStopped())

    async def _end(
        self, effect: Finish | TryAgain | Leave, speaking: asyncio.Task[None]
    ) -> Finish | TryAgain | Leave:
        """Carry the last effect out. A lease lost meanwhile turns it into leaving."""
        if isinstance(effect, Leave):
            if effect.whole:
                self._speaker.end()
                await asyncio.wait({speaking}, timeout=STOPS_WITHIN_S)  # another would say it anew
            return effect
        await self._stop_graph()
        try:
            self._speaker.end()
            await speaking
            if self._hold.lost or self._silenced:
                return Leave()
            if self._unsaid is not None:
                effect = self._execution.unsaid(effect, self._unsaid, _noise())
            if isinstance(effect, TryAgain):
                await self._speaker.retract_unfinished("retry")
            else:
                effect = await self._finish(effect)
        except LeaseLost:
            return Leave()
        return effect

    async def _finish(self, end: Finish) -> Finish:
        """Tell the turn's end; of one that is to be rolled back only once its thread stands before it."""
        try:
            await self._tell_end(end)
        except RollBackFirst:
            end, back = await self._rolled_back()
            await self._tell_end(end, back=back)
        return end

    async def _tell_end(self, end: Finish, *, back: Back = "") -> None:
        kept = self._trail.noteworthy(end.outcome)
        asks = await self._still_asked(end)
        finish = partial(
            self._tools.turns.finish, self._hold.lease, self.turn, end.outcome, end.reason, end.kind
        )
        told = {"back": back, "unheard": end.unheard, "usage": self._speaker.usage}
        with self._trail.finishing(end.outcome, kept):
            await persist(partial(finish, keep=kept, asks=asks, **told))
        self._trail.hush("retracted")  # by the script
        self._trail.keep(kept)

    async def _still_asked(self, end: Finish) -> tuple[Ask, ...] | None:
        """What people are asked when the turn has ended. An answer that failed may not have come to the
        thread: then it waits for one still. None: whoever would look dies of it, or nothing can be read.
        """
        if end.outcome == "interrupted":
            return self._asks
        if end.outcome != "failed" or not self.turn.resumes:
            return ()
        if end.kind == POISONED:
            return None
        try:
            return (await self._tools.agent.look(self.turn)).waits
        except AgentError:
            return None

    async def _rolled_back(self) -> tuple[Finish, Back]:
        """Bring the thread to where it stood before the turn. Raises LeaseLost."""
        self._passage = Passage(self._hold, self._tools.tasks)  # the graph's own is closed
        try:
            await self._answered(partial(self._tools.agent.roll_back, self.turn, guard=self._passage))
        except AgentError as error:
            log.error("turn not rolled back", turn=self.turn.id, **whereabouts(error.__cause__))  # noqa: TRY400
            return Finish("failed", f"not rolled back: {error.fault.detail}", error.fault.kind), "0"
        return Finish("cancelled"), "1"

    def _signal(self, happening: CancelAsked | DrainAsked | HandOverAsked | LeaseGone) -> None:
        if happening not in self._signals:
            self._signals.add(happening)
            self._inbox.put_nowait(happening)

    # -- tasks: each ends by putting what happened into the mailbox

    def _start(self, work: Callable[[], Awaitable[Happening]]) -> None:
        self._graph = self._tools.tasks.start(f"graph {self.turn.id}", self._guarded(work))

    async def _guarded(self, work: Callable[[], Awaitable[Happening]]) -> None:
        try:
            self._inbox.put_nowait(await work())
        except LeaseLost:
            self._signal(LeaseGone())
        except Exception as error:  # noqa: BLE001 - the task's root: a turn's end, not the worker's
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        fault = (
            error.fault if isinstance(error, AgentError) else Fault(FaultKind.BROKEN, type(error).__name__)
        )
        self._note(fault, error.__cause__ if isinstance(error, AgentError) else error)

    def _note(self, fault: Fault, cause: BaseException | None) -> None:
        facts = whereabouts(cause)
        log.warning("execution failed", fault=fault.kind, detail=fault.detail, **facts)
        self._tools.metrics.model_errors.labels(kind=fault.kind).inc()
        self._inbox.put_nowait(GraphFailed(fault, _noise()))

    async def _read(self) -> Happening:
        with self._trail.reading() as reading:
            look = await self._answered(partial(self._tools.agent.look, self.turn))
            self._trail.read(reading, look.at, _standing(look), look.waited)
        self._speaker.kept(look.said)
        self._restless, self._asks, self._look = look.restless, look.waits, look
        return ThreadRead(
            look.entered,
            look.unfinished,
            look.passed,
            bool(look.waits),
            due=look.due,
            void=look.void,
            heard=look.heard,
            gone=self.turn.gone,
        )

    async def _settle(self) -> Happening:
        self._passage = Passage(self._hold, self._tools.tasks)  # the graph's own is closed
        await self._answered(
            partial(self._tools.agent.settle, self.turn, guard=self._passage, watcher=self._trail)
        )
        return await self._read()

    async def _answered(self, ask: Callable[[], Awaitable[Done]]) -> Done:
        """Ask the thread until Redis has answered: no turn ends before it is known what that holds."""
        unread = Trouble(log, "thread not read yet", "thread read at last")
        while True:
            try:
                done = await ask()
            except AgentError as error:
                if error.fault.kind is not FaultKind.STORE:
                    raise
                unread.met(detail=error.fault.detail)
                await asyncio.sleep(AGAIN_S)
            else:
                unread.over()
                return done

    async def _run_graph(self, wanted: RunGraph) -> Happening:
        agent, trail = self._tools.agent, self._trail
        look, self._look = self._look, None
        trail.overdue.begin(self._tools.clock.monotonic())
        self._watching = self._tools.tasks.start(f"watch {self.turn.id}", self._watch())
        try:
            self._asks = await agent.run(
                self.turn,
                resume=wanted.resume,
                anew=wanted.anew,
                answering=wanted.answering,
                restless=self._restless,
                guard=self._passage,
                hearer=self._speaker,
                doer=self._speaker,
                watcher=trail,
                boundary=self._boundary,
                courtesy=trail.start,
                look=look,
            )
        except PausedError:
            return GraphPaused()
        return GraphEnded(interrupted=bool(self._asks))

    async def _watch(self) -> None:
        """End the execution when it is overdue: also one whose graph does not listen."""
        overdue, now = self._trail.overdue, self._tools.clock.monotonic
        while (fault := overdue.fault(now())) is None:
            if (due := overdue.due(now())) == inf:
                return
            await asyncio.sleep(max(0.0, due - now()))
        self._note(fault, None)

    async def _speak(self) -> None:
        try:
            await self._speaker.run()
        except LeaseLost:
            self._silenced = True
            self._signal(LeaseGone())
        except Exception as error:  # noqa: BLE001 - the task's root: a turn's end, not the worker's
            self._unsaid = Fault(FaultKind.UNSAID, type(error).__name__)
            self._note(self._unsaid, error)

    async def _stop_graph(self) -> None:
        self._passage.closed = True
        if self._watching is not None:
            self._watching.cancel()
        if self._graph is not None and not self._graph.done():
            self._graph.cancel()
            await asyncio.wait({self._graph}, timeout=STOPS_WITHIN_S)
            if not self._graph.done():
                log.warning("graph does not stop", agent=self.turn.agent)
        await self._passage.close()

    def _cancel_named(self, turn: TurnId) -> None:
        if turn == self.turn.id:
            self.cancel()


def _standing(look: Look) -> str:
    """Where a thread stands with a turn, in one word."""
    if not look.entered:
        return "fresh"
    return "unfinished" if look.unfinished else "answered"


def _is_signal(happening: Happening) -> bool:
    return isinstance(happening, CancelAsked | DrainAsked | HandOverAsked | LeaseGone)


def _noise() -> float:
    return random.random()  # noqa: S311 - spreads retries
