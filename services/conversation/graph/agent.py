"""The room's door: one agent, its graph and its threads. Called by the worker; knows no journal and no
queue.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.store.base import BaseStore
from langgraph.types import StateSnapshot

from services.conversation.core.retry import Fault
from services.conversation.graph.build import Graph
from services.conversation.graph.callbacks import RunCallbacks
from services.conversation.graph.faults import classify
from services.conversation.graph.narrate import Hearer, Said, narrate, said_in
from services.conversation.graph.records import place_of
from services.conversation.graph.rest import rest, unanswered
from services.conversation.graph.state import asked_anew, input_of, standing_in
from services.conversation.graph.threads import (
    ATTEMPT,
    MESSAGES,
    TRACE,
    TURN,
    ExecutionSaver,
    Guard,
    Kept,
    Threads,
)
from services.conversation.graph.waiting import (
    STRICT,
    UnaskableError,
    has_breakpoints,
    resumption,
    waits_for,
)
from services.conversation.graph.watch import UNWATCHED, Watcher
from services.shared.model.asking import Ask
from services.shared.model.errors import ContinuoError, LeaseLost
from services.shared.model.thread import Place
from services.shared.model.turn import Lease, Turn

MOST_STEPS = 100
"""Supersteps of one run before LangGraph calls it a loop that does not end."""


class AgentError(ContinuoError):
    """A run or a look ended with a fault; the cause is the foreign exception."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.kind}: {fault.detail}")
        self.fault = fault


class PausedError(Exception):
    """A run stopped between two steps, because its `Boundary` asked; the thread holds all that was done."""


class Boundary:
    """Asks one run, from any place, to stop behind the step under way."""

    def __init__(self) -> None:
        self.control = RunControl()

    def ask(self) -> None:
        """Have the run stop at its next boundary; one that was on its last step just ends."""
        self.control.request_drain()


@dataclass(frozen=True, slots=True)
class Look:
    """A thread before a run. entered: the turn is in it. unfinished: the graph has steps left. said: what
    it holds. passed: of a replayed turn, its messages are in it and other turns behind them: what follows
    them was not said to them. at: the checkpoint. waited: traceparent of another turn, after which the graph
    waits for a person. restless: another turn left it amid a step, or with a tool call that nobody answered,
    and this one is fresh. waits: all that the thread waits for. due: the turn's own answer is among it. void:
    it is not, and no attempt can have brought it.
    """

    entered: bool
    unfinished: bool
    said: tuple[Said, ...]
    at: Place
    passed: bool = False
    waited: str = ""
    restless: bool = False
    waits: tuple[Ask, ...] = ()
    due: bool = False
    void: bool = False


class Agent:
    """A graph that takes part in conversations. speaking: the nodes that are heard while they stream;
    None: all. memory: what the graph's nodes find as `runtime.store`; None: the graph's own.
    """

    def __init__(
        self,
        graph: Graph,
        threads: Threads,
        speaking: Collection[str] | None,
        memory: BaseStore | None = None,
    ) -> None:
        self._graph = graph if memory is None else graph.copy(update={"store": memory})
        self._threads = threads
        self._speaking = speaking

    async def look(self, turn: Turn) -> Look:
        """Read where the thread stands with this turn. Raises AgentError."""
        state = await self._state(turn)
        messages: Sequence[AnyMessage] = state.values.get(MESSAGES, ()) if state.values else ()
        asked = standing_in(messages, turn)
        marks, at = state.metadata or {}, place_of(state.config)
        marked = marks.get(TURN) in {turn.id, *turn.replays}
        waits = await self._waits(turn, state)
        waited = str(marks.get(TRACE, "")) if waits and not marked else ""
        again = bool(turn.replays and asked and not marked and not turn.resumes)
        if again and not asked.issubset(asked_anew(turn, turn.id)):
            # Only the question of the turn that failed is there, and the thread has gone on with other
            # turns: where it ends is not where this one stands, and what follows was not said to it.
            return Look(
                entered=False, unfinished=False, said=(), passed=True, at=at, restless=_restless(state)
            )
        # `next` is empty as well when a node's writes are kept and the step behind it is not: `tasks` is not.
        unfinished = bool(state.next or state.tasks)
        if not marked and not asked and not turn.resumes:
            return Look(False, unfinished, (), at, waited=waited, restless=_restless(state))
        if unfinished and asked:
            # What nodes of the step under way have written is shown with the state, and is not yet in it.
            messages = (await self._state(turn, state.config)).values.get(MESSAGES, ())
        said = tuple(said_in(messages, asked))
        if turn.resumes:
            due = any(ask.interrupt == turn.resumes for ask in waits)
            void = not due and not marked and turn.attempts == 1
            return Look(True, unfinished, said, at, waited=waited, waits=waits, due=due, void=void)
        return Look(True, unfinished, said, at=at, waited=waited, waits=waits)

    async def settle(self, turn: Turn, *, guard: Guard, watcher: Watcher = UNWATCHED) -> None:
        """Close the step that the thread is amid of: what its nodes have written stays, what they still had
        to do is dropped, and told to be where a tool was called. Raises AgentError, LeaseLost.
        """
        await self._rest(turn, self._writer(turn, guard, lambda _: None, watcher))

    async def _rest(self, turn: Turn, saver: ExecutionSaver) -> None:
        try:
            await rest(self._graph.copy(update={"checkpointer": saver}), self._config(turn))
            await saver.settle()
        except LeaseLost:
            raise
        except Exception as error:  # a graph's code may raise anything
            raise AgentError(classify(error)) from error

    async def run(
        self,
        turn: Turn,
        *,
        resume: bool,
        guard: Guard,
        hearer: Hearer,
        anew: bool = False,
        restless: bool = False,
        answering: bool = False,
        boundary: Boundary | None = None,
        watcher: Watcher = UNWATCHED,
    ) -> tuple[Ask, ...]:
        """Run the turn to its end, or go on with it where the thread stands; what it waits for then. anew:
        its messages are in the thread of old, and are asked once more. restless: as the look found the
        thread; it is brought to rest before. answering: go on with its answer. watcher: hears what it does.

        Cancel the task to stop it. Raises AgentError, LeaseLost, and PausedError where `boundary` asked.
        """

        untold = False

        def kept(messages: Sequence[Any] | None) -> None:
            nonlocal untold
            untold = messages is None
            if messages:
                asked = asked_anew(turn, turn.id) if anew else standing_in(messages, turn)
                hearer.kept(said_in(messages, asked))

        if restless:
            # Not this turn's mark: who looks at the thread now must not take the turn for entered.
            marks = {TURN: "", ATTEMPT: turn.attempt}
            await self._rest(turn, self._threads.writer(guard, marks, lambda _: None, watcher))
        saver, callbacks = self._writer(turn, guard, kept, watcher), RunCallbacks(watcher)
        graph = self._graph.copy(update={"checkpointer": saver})
        given = None if resume else input_of(turn, anew=anew)
        parts = graph.astream(
            resumption(turn, await self._state(turn)) if answering else given,
            {**self._config(turn), "callbacks": [callbacks]},
            stream_mode=["messages", "updates"],
            version="v2",
            durability="async",
            control=boundary.control if boundary else None,
        )
        waits = paused = False
        try:
            try:
                waits = await narrate(parts, hearer, self._speaking)
            except GraphDrained:
                paused = True
            await saver.settle()
        except LeaseLost:
            raise
        except Exception as error:  # a graph's code may raise anything
            raise AgentError(classify(error)) from error
        finally:
            callbacks.close()
        if untold:
            kept((await self._state(turn)).values.get(MESSAGES, ()))
        if paused:
            raise PausedError
        return await self._waits(turn, await self._state(turn)) if waits else ()

    async def trim(self, lease: Lease, turn: Turn) -> None:
        """Forget the thread's old checkpoints. Raises LeaseLost, BusUnavailable."""
        await self._threads.trim(lease, self._threads.thread_of(turn.conversation, turn.agent))

    async def _state(self, turn: Turn, at: RunnableConfig | None = None) -> StateSnapshot:
        """The thread's state with what its step under way has written; `at` a checkpoint: without."""
        try:
            graph = self._graph.copy(update={"checkpointer": self._threads.reader()})
            return await graph.aget_state(at or self._config(turn))
        except Exception as error:  # a graph's code may raise anything
            raise AgentError(classify(error)) from error

    async def _waits(self, turn: Turn, state: StateSnapshot) -> tuple[Ask, ...]:
        if not state.next:
            return ()
        try:
            saver = self._threads.reader()
            if not state.interrupts and has_breakpoints(self._graph):
                graph = self._graph.copy(update={"checkpointer": saver})
                state = await graph.aget_state(self._config(turn), subgraphs=True)
            return await waits_for(self._graph, state, saver)
        except UnaskableError as error:
            raise AgentError(error.fault) from error
        except Exception as error:  # a graph's code may raise anything
            raise AgentError(classify(error)) from error

    def _writer(self, turn: Turn, guard: Guard, kept: Kept, watcher: Watcher) -> ExecutionSaver:
        """A saver that marks what it keeps with the turn, the attempt, and where that is traced."""
        marks = {TURN: turn.id, ATTEMPT: turn.attempt}
        if watcher.context:
            marks[TRACE] = watcher.context
        return self._threads.writer(guard, marks, kept, watcher)

    def _config(self, turn: Turn) -> RunnableConfig:
        return {
            "configurable": {
                "thread_id": self._threads.thread_of(turn.conversation, turn.agent),
                STRICT: True,
            },
            "metadata": {TURN: turn.id, ATTEMPT: turn.attempt},
            "recursion_limit": MOST_STEPS,
        }


def _restless(state: StateSnapshot) -> bool:
    """Whether a thread is amid a step, or has a tool call that nobody answered."""
    return bool(state.next or state.tasks) or unanswered(state.values.get(MESSAGES) or ())
