"""Where a thread stands with a turn, read before anything is done for it.

Called by `agent`, with the graph whose thread it is.
"""

from dataclasses import dataclass, field

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import StateSnapshot

from services.conversation.graph.build import Graph
from services.conversation.graph.heard import messages_of, said_by
from services.conversation.graph.narrate import Said
from services.conversation.graph.records import place_of
from services.conversation.graph.rest import unanswered
from services.conversation.graph.sources import is_entrypoint
from services.conversation.graph.state import asked_anew, standing_in
from services.conversation.graph.threads import MESSAGES, TRACE, TURN
from services.conversation.graph.waiting import UnaskableError, has_breakpoints, waits_for
from services.shared.model.asking import Ask
from services.shared.model.thread import Place
from services.shared.model.turn import Turn


@dataclass(frozen=True, slots=True)
class Look:
    """A thread before a run. entered: the turn is in it. unfinished: the graph has steps left. said: what
    it holds. passed: of a replayed turn, its messages are in it and other turns behind them: what follows
    them was not said to them. at: the checkpoint. waited: traceparent of another turn, after which the graph
    waits for a person. restless: another turn left it amid a step, or with a tool call that nobody answered,
    and this one is fresh. waits: all that the thread waits for. due: the turn's own answer is among it. void:
    it is not, and no attempt can have brought it. heard: the turn's messages are in the state, not only on
    their way into it.
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
    heard: bool = False
    reader: BaseCheckpointSaver[str] | None = field(default=None, compare=False, repr=False)
    """With what it was read: the run that follows under the same lease need not read it once more."""


async def look_at(graph: Graph, config: RunnableConfig, turn: Turn) -> Look:
    """Read the thread. May raise anything."""
    state = await graph.aget_state(config)
    asked = standing_in(messages_of(state.values), turn)
    marks, at = state.metadata or {}, place_of(state.config)
    marked = marks.get(TURN) in {turn.id, *turn.replays}
    own = marked or bool(asked) or bool(turn.resumes)
    waits = await _waits(graph, config, state, own=own)
    waited = str(marks.get(TRACE, "")) if waits and not marked else ""
    # `next` is empty as well when a node's writes are kept and the step behind it is not: `tasks` is not.
    unfinished = bool(state.next or state.tasks)
    restless = unfinished or unanswered(messages_of(state.values))
    again = bool(turn.replays and asked and not marked and not turn.resumes)
    if again and not asked.issubset(asked_anew(turn, turn.id)):
        # Only the question of the turn that failed is there, and the thread has gone on with other
        # turns: where it ends is not where this one stands, and what follows was not said to it.
        return Look(entered=False, unfinished=False, said=(), passed=True, at=at, restless=restless)
    if not own:
        return Look(False, unfinished, (), at, waited=waited, restless=restless)
    said = await _said(graph, state, turn, unfinished, asked)
    due = any(ask.interrupt == turn.resumes for ask in waits)
    void = bool(turn.resumes) and not due and not marked and turn.attempts == 1
    # Its first checkpoint holds a turn's input before any channel has it.
    heard = bool(asked) or (marked and marks.get("source") == "loop")
    return Look(True, unfinished, said, at, waited=waited, waits=waits, due=due, void=void, heard=heard)


async def _waits(graph: Graph, config: RunnableConfig, state: StateSnapshot, *, own: bool) -> tuple[Ask, ...]:
    """What another turn could not ask does not concern this one, which starts anew."""
    try:
        return await waits_at(graph, config, state)
    except UnaskableError:
        if own:
            raise
        return ()


async def waits_at(graph: Graph, config: RunnableConfig, state: StateSnapshot) -> tuple[Ask, ...]:
    """Return what the thread waits for. May raise anything."""
    if not state.next:
        return ()
    if not state.interrupts and has_breakpoints(graph):
        state = await graph.aget_state(config, subgraphs=True)
    assert isinstance(graph.checkpointer, BaseCheckpointSaver), "a graph in use has ours"
    return await waits_for(graph, state, graph.checkpointer)


async def _said(
    graph: Graph, state: StateSnapshot, turn: Turn, unfinished: bool, asked: frozenset[str]
) -> tuple[Said, ...]:
    if is_entrypoint(graph):
        # Amid a run, what it returned stands there of the turn before.
        return () if unfinished else tuple(said_by(graph, state.values, turn, asked))
    if unfinished and asked:
        # What nodes of the step under way have written is shown with the state, and is not yet in it.
        state = await graph.aget_state(state.config)
    values = state.values or {}
    return tuple(said_by(graph, values.get(MESSAGES), turn, asked))
