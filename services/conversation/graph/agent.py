"""The room's door: one agent, its graph and its threads. Called by the worker; knows no journal and no
queue.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.store.base import BaseStore

from services.conversation.core.retry import Fault
from services.conversation.graph.build import Graph
from services.conversation.graph.callbacks import RunCallbacks
from services.conversation.graph.caller import Access, configurable_of
from services.conversation.graph.doings import Doer, DoingCallbacks
from services.conversation.graph.faults import classify
from services.conversation.graph.heard import as_messages, messages_of, said_by
from services.conversation.graph.look import Look as Look
from services.conversation.graph.look import look_at, waits_at
from services.conversation.graph.narrate import Hearer, narrate
from services.conversation.graph.rest import rest
from services.conversation.graph.sources import Source, as_source, context_of, is_entrypoint
from services.conversation.graph.state import asked_anew, input_of, standing_in
from services.conversation.graph.threads import ATTEMPT, TRACE, TURN, Guard, Threads
from services.conversation.graph.waiting import STRICT, UnaskableError, resumption
from services.conversation.graph.watch import UNWATCHED, Courtesy, Watcher
from services.conversation.graph.whole_answers import WholeAnswers
from services.shared.model.asking import Ask
from services.shared.model.errors import ContinuoError, LeaseLost
from services.shared.model.turn import Lease, Turn

MOST_STEPS = 100
"""Supersteps of one run before LangGraph calls it a loop that does not end, where the graph does not say."""


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


class Agent:
    """A graph that takes part in conversations. speaking: the nodes that are heard while they stream;
    None: all. memory: what the graph's nodes find as `runtime.store`; None: the graph's own.
    """

    def __init__(
        self,
        graph: Graph | Source,
        threads: Threads,
        speaking: Collection[str] | None,
        memory: BaseStore | None = None,
    ) -> None:
        self._source = as_source(graph)
        self._threads = threads
        self._speaking = speaking
        self._memory = memory

    async def look(self, turn: Turn) -> Look:
        """Read where the thread stands with this turn. Raises AgentError."""
        with _faults():
            reader = self._threads.reader()
            async with self._opened(turn, "threads.read", reader) as (graph, config):
                return replace(await look_at(graph, config, turn), reader=reader)

    async def settle(self, turn: Turn, *, guard: Guard, watcher: Watcher = UNWATCHED) -> None:
        """Close the step that the thread is amid of: what its nodes have written stays, what they still had
        to do is dropped, and told to be where a tool was called. Raises AgentError, LeaseLost.
        """
        await self._rest(turn, turn.id, guard, watcher)

    async def roll_back(self, turn: Turn, *, guard: Guard) -> None:
        """Bring the thread back to where it stood before the turn, or before those that it `rewinds`. A
        repeat is harmless. Raises AgentError, LeaseLost.
        """
        thread = self._threads.thread_of(turn.conversation, turn.agent)
        with _faults():  # what is kept may be damaged in any way
            await self._threads.forget(guard, thread, {turn.id, *turn.rewinds})

    async def forget(self, turn: Turn, *, guard: Guard) -> None:
        """Forget the whole thread. A repeat is harmless. Raises LeaseLost, BusUnavailable."""
        await self._threads.delete(guard, self._threads.thread_of(turn.conversation, turn.agent))

    async def run(
        self,
        turn: Turn,
        *,
        resume: bool,
        guard: Guard,
        hearer: Hearer,
        doer: Doer | None = None,
        anew: bool = False,
        restless: bool = False,
        answering: bool = False,
        boundary: Boundary | None = None,
        watcher: Watcher = UNWATCHED,
        courtesy: Courtesy | None = None,
        look: Look | None = None,
    ) -> tuple[Ask, ...]:
        """Run the turn to its end, or go on with it where the thread stands; what it waits for then. anew:
        its messages are in the thread of old, and are asked once more. restless: as the look found the
        thread; it is brought to rest before. answering: go on with its answer. doer: hears what it does
        beside speaking, watcher: how it goes. courtesy: to other runs, between two tokens. look: the
        one right before.

        Cancel the task to stop it. Raises AgentError, LeaseLost, and PausedError where `boundary` asked.
        """
        if restless:
            # Under no turn's mark: who looks at the thread now must not take this one for entered.
            await self._rest(turn, "", guard, watcher)
            look = None
        run = _Run(turn, anew, hearer)
        marks = self._marks(turn, turn.id, watcher)
        saver = self._threads.writer(guard, marks, run.kept, watcher, look.reader if look else None)
        callbacks, asks = RunCallbacks(watcher, courtesy, guard), tuple[Ask, ...]()
        told = [callbacks, *([DoingCallbacks(doer, self._speaking)] if doer else [])]
        try:
            with _faults(callbacks.of_model):
                async with self._opened(turn, "threads.create_run", saver) as (graph, config):
                    run.graph = graph
                    given = None if resume else input_of(turn, graph, anew=anew)
                    parts = graph.astream(
                        resumption(turn, await graph.aget_state(config)) if answering else given,
                        {**config, "callbacks": [WholeAnswers(*told), *told]},
                        context=context_of(graph),
                        stream_mode=["messages", "updates", "custom"],
                        subgraphs=True,
                        version="v2",
                        durability="async",
                        control=boundary.control if boundary else None,
                    )
                    await run.narrated(parts, self._speaking)
                    await saver.settle()
                    if run.untold:
                        run.kept(messages_of((await graph.aget_state(config)).values))
                    if run.waits:
                        asks = await waits_at(graph, config, await graph.aget_state(config))
            callbacks.done()
        finally:
            callbacks.close()
        if run.paused:
            raise PausedError
        return asks

    async def trim(self, lease: Lease, turn: Turn) -> None:
        """Forget the thread's old checkpoints. Raises LeaseLost, BusUnavailable."""
        await self._threads.trim(lease, self._threads.thread_of(turn.conversation, turn.agent))

    @asynccontextmanager
    async def _opened(
        self, turn: Turn, access: Access, saver: BaseCheckpointSaver[str]
    ) -> AsyncIterator[tuple[Graph, RunnableConfig]]:
        """Hold the graph open, with our saver and memory in place of its own, and the config of its use."""
        config: RunnableConfig = {
            "configurable": configurable_of(turn, self._threads.thread_of(turn.conversation, turn.agent))
            | {STRICT: True},
            "metadata": {TURN: turn.id, ATTEMPT: turn.attempt},
            "recursion_limit": MOST_STEPS,
        }
        async with self._source.opened(config, access, self._memory) as graph:
            limit = (graph.config or {}).get("recursion_limit", MOST_STEPS)
            store = graph.store if self._memory is None else self._memory
            yield (
                graph.copy(update={"checkpointer": saver, "store": store}),
                {**config, "recursion_limit": limit},
            )

    async def _rest(self, turn: Turn, mark: str, guard: Guard, watcher: Watcher) -> None:
        saver = self._threads.writer(guard, self._marks(turn, mark, watcher), lambda _: None, watcher)
        with _faults():
            async with self._opened(turn, "threads.update", saver) as (graph, config):
                await rest(graph, config)
                await saver.settle()

    def _marks(self, turn: Turn, mark: str, watcher: Watcher) -> dict[str, str]:
        """What checkpoints are marked with: the turn, the attempt, and where that is traced."""
        marks = {TURN: mark, ATTEMPT: turn.attempt}
        return marks | {TRACE: watcher.context} if watcher.context else marks


class _Run:
    """What is known of one run while it goes on."""

    def __init__(self, turn: Turn, anew: bool, hearer: Hearer) -> None:
        self._turn = turn
        self._anew = anew
        self._hearer = hearer
        self.graph: Graph | None = None
        self.waits = self.paused = self.untold = False

    def kept(self, value: Any) -> None:
        """Hear what the thread holds now where things are said; None: it has to be read to know that."""
        assert self.graph is not None, "who keeps something was opened"
        self.untold = value is None and not is_entrypoint(self.graph)
        if value:
            asked = (
                frozenset(asked_anew(self._turn, self._turn.id))
                if self._anew
                else standing_in([] if is_entrypoint(self.graph) else as_messages(value), self._turn)
            )
            self._hearer.kept(said_by(self.graph, value, self._turn, asked))

    async def narrated(self, parts: AsyncIterator[Any], speaking: Collection[str] | None) -> None:
        """Follow the run to its end, or to where it was asked to pause."""
        async with aclosing(parts):  # type: ignore[type-var] # an async generator: nothing of it outlives its graph
            try:
                self.waits = await narrate(parts, self._hearer, speaking)
            except GraphDrained:
                self.paused = True


@contextmanager
def _faults(of_model: Callable[[BaseException], bool] = lambda _: False) -> Iterator[None]:
    """A block of a graph's own code. of_model: whether a call of a model failed with an error. Raises
    AgentError, LeaseLost.
    """
    try:
        yield
    except (LeaseLost, AgentError):
        raise
    except UnaskableError as error:
        raise AgentError(error.fault) from error
    except Exception as error:  # a graph's code may raise anything
        raise AgentError(classify(error, of_model(error))) from error
