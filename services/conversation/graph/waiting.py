"""What a thread waits for: the interrupts of its graph that nobody has answered, as devices are to be asked.

Called by `agent` when a run stopped, and when a thread is looked at: who takes a turn up from a dead worker
must ask what that one was about to ask, not run the nodes once more that had come so far. LangGraph's static
breakpoints (`interrupt_before`, `interrupt_after`) are interrupts without a value, told by where the thread
stands: a run that goes on passes the breakpoint it stands at.
"""

from collections.abc import Collection, Iterator
from hashlib import blake2b
from typing import Any

import msgspec
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel
from langgraph.types import Command, Interrupt, StateSnapshot
from pydantic import BaseModel

from services.conversation.core.retry import Fault, FaultKind
from services.shared.model.asking import ASKED_BYTES, MOST_ASKED, VALUE_BYTES, Ask
from services.shared.model.turn import Turn

STRICT = "__pregel_strict_resume"
"""Of a run's `configurable`: refuse an answer to what the thread does not wait for (LangGraph has no public
name for it)."""
SEEN = "__interrupt__"
"""In a checkpoint's `versions_seen`: what stood in the channels when a run last went past a breakpoint."""

_ALL = "*"
_BESIDE = "|"
"""Between the names of a graph's node and of its subgraph's."""


class UnaskableError(Exception):
    """What a graph asks can't be shown to people; the fault says why, and quotes nothing of it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.fault = Fault(FaultKind.BROKEN, detail)


async def waits_for(
    graph: Pregel[Any, Any, Any, Any], state: StateSnapshot, saver: BaseCheckpointSaver[str]
) -> tuple[Ask, ...]:
    """All that a thread waits for; empty where a run would go on by itself. state: the thread's latest, with
    its subgraphs' if the graph has breakpoints (`has_breakpoints`). Raises UnaskableError.
    """
    breakpoints = _Breakpoints(graph, saver)
    if not await breakpoints.are_waiting(state, ""):
        return ()
    asks = [_ask(each) for each in state.interrupts]
    if breakpoints.stops:
        asks.append(_stop(state, breakpoints.stops))
    if len(asks) > MOST_ASKED:
        raise UnaskableError(f"it asks {len(asks)} things at a time, at most {MOST_ASKED} are allowed")
    if (size := sum(len(ask.value) + len(ask.schema) for ask in asks)) > ASKED_BYTES:
        raise UnaskableError(f"what it asks has {size} bytes in all, at most {ASKED_BYTES} are allowed")
    return tuple(asks)


def has_breakpoints(graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Whether the graph or a graph in it stops at nodes by itself."""
    return any(each.interrupt_before_nodes or each.interrupt_after_nodes for _, each in _graphs(graph))


def resumption(turn: Turn, state: StateSnapshot) -> Command[Any] | None:
    """The input of a run that takes the turn's answer to the thread; None for a breakpoint: it is passed."""
    if any(each.id == turn.resumes for each in state.interrupts):
        return Command(resume={turn.resumes: msgspec.json.decode(turn.answer)})
    return None


class _Breakpoints:
    """Whether a thread stands at breakpoints, and at which. `stops`: their places."""

    def __init__(self, graph: Pregel[Any, Any, Any, Any], saver: BaseCheckpointSaver[str]) -> None:
        self._saver = saver
        self._graphs = dict(_graphs(graph)) if has_breakpoints(graph) else {}
        self.stops: list[str] = []

    async def are_waiting(self, state: StateSnapshot, path: str) -> bool:
        """Whether each task that is still to be done waits for people: then nothing is left to run."""
        if not state.next:
            return False
        if await self._stands_at(state, path):
            configurable = state.config["configurable"]
            self.stops.append(f"{configurable.get('checkpoint_ns', '')} {configurable['checkpoint_id']}")
            return True
        waiting = [await self._waits(task, path) for task in state.tasks]
        return sum(waiting) == len(state.next)

    async def _waits(self, task: Any, path: str) -> bool:
        if task.interrupts:
            return True
        inner = task.state
        return isinstance(inner, StateSnapshot) and await self.are_waiting(inner, _within(path, task.name))

    async def _stands_at(self, state: StateSnapshot, path: str) -> bool:
        graph = self._graphs.get(path)
        if graph is None or not (graph.interrupt_before_nodes or graph.interrupt_after_nodes):
            return False
        if not await self._moved(state):
            return False
        if _among(graph.interrupt_before_nodes, state.next):
            return True
        return _among(graph.interrupt_after_nodes, await self._ran(graph, state))

    async def _moved(self, state: StateSnapshot) -> bool:
        """Whether anything has changed since a run last went past a breakpoint."""
        saved = await self._saver.aget_tuple(state.config)
        if saved is None:
            return False
        seen = saved.checkpoint["versions_seen"].get(SEEN, {})
        versions: dict[str, Any] = saved.checkpoint["channel_versions"]
        return any(name not in seen or version > seen[name] for name, version in versions.items())

    async def _ran(self, graph: Pregel[Any, Any, Any, Any], state: StateSnapshot) -> Collection[str]:
        """The nodes of the step that made this checkpoint."""
        if not graph.interrupt_after_nodes or state.parent_config is None:
            return ()
        before = graph.copy(update={"checkpointer": self._saver})
        return (await before.aget_state(state.parent_config)).next


def _graphs(graph: Pregel[Any, Any, Any, Any]) -> Iterator[tuple[str, Pregel[Any, Any, Any, Any]]]:
    yield "", graph
    for path, inner in graph.get_subgraphs(recurse=True):
        if isinstance(inner, Pregel):
            yield path, inner


def _within(path: str, name: str) -> str:
    return f"{path}{_BESIDE}{name}" if path else name


def _among(nodes: str | Collection[str], names: Collection[str]) -> bool:
    return bool(names) if nodes == _ALL else any(name in nodes for name in names)


def _stop(state: StateSnapshot, stops: list[str]) -> Ask:
    """A breakpoint as a question: which nodes come next. Its id is that of the place."""
    name = blake2b("\n".join(sorted(stops)).encode(), digest_size=16).hexdigest()
    return Ask(name, msgspec.json.encode({"next": list(state.next)}))


def _ask(interrupt: Interrupt[Any]) -> Ask:
    value = _json(interrupt.value, "what it asks")
    schema = interrupt.response_schema
    return Ask(interrupt.id, value, _json(schema, "its schema") if isinstance(schema, dict) else b"")


def _json(value: object, what: str) -> bytes:
    try:
        encoded = msgspec.json.encode(value, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise UnaskableError(f"{what} is no JSON: {type(error).__name__}") from error
    if len(encoded) > VALUE_BYTES:
        raise UnaskableError(f"{what} has {len(encoded)} bytes as JSON, at most {VALUE_BYTES} are allowed")
    return encoded


def _plain(value: object) -> object:
    """Messages and other models of pydantic are the one foreign kind that graphs ask with."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(type(value).__name__)
