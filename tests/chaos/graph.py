"""The campaign's agent: two nodes beside each other, then recall and an answer, each noting that it ran.

One of the two uses a tool; now and then the other asks a graph of its own, and the answer is thought over.
Used by `launched` in place of the default graph. What it notes lets the checker see a node that ran again
although its writes were durably stored.
"""

import asyncio
import operator
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from services.conversation.graph.build import Graph
from services.conversation.graph.models import open_model
from services.conversation.graph.nodes import Answering, recall
from services.conversation.graph.state import ThreadState
from services.conversation.graph.threads import ATTEMPT, TURN
from services.shared.bus.checkpoints import Checkpoints
from services.shared.bus.confirm import Confirmer
from services.shared.bus.house import Bus
from services.shared.model.errors import Temporary
from services.shared.model.thread import Place
from services.shared.model.turn import Lease
from tests.chaos import doings
from tests.chaos.journaling import Notes

PAUSE_S = 0.05


class CampaignState(ThreadState, total=False):
    """The default state, and what the two nodes beside each other add."""

    weights: Annotated[list[str], operator.add]


def build(notes: Notes, token_s: float) -> Graph:
    """The graph, its nodes noting each run."""
    counting, helper = doings.counting(3 * PAUSE_S), doings.helper(PAUSE_S)

    async def weigh(state: CampaignState, runtime: Runtime, config: RunnableConfig) -> CampaignState:
        _note(notes, "weigh", runtime, config)
        await asyncio.sleep(PAUSE_S)
        await doings.ask(helper, state)
        return {"weights": [str(len(state["messages"]))]}

    async def ponder(state: CampaignState, runtime: Runtime, config: RunnableConfig) -> CampaignState:
        _note(notes, "ponder", runtime, config)
        return {"weights": [await doings.count_with(counting, state)]}

    async def answer(state: CampaignState, runtime: Runtime, config: RunnableConfig) -> ThreadState:
        _note(notes, "answer", runtime, config)
        await doings.think(state, token_s)
        return await Answering(open_model("", token_s=token_s))(state)

    graph = StateGraph(CampaignState)
    for name, node in (("weigh", weigh), ("ponder", ponder), ("recall", recall), ("answer", answer)):
        graph.add_node(name, node)
    graph.add_edge(START, "weigh")
    graph.add_edge(START, "ponder")
    graph.add_edge(["weigh", "ponder"], "recall")
    graph.add_edge("recall", "answer")
    graph.add_edge("answer", END)
    return graph.compile()


def _note(notes: Notes, node: str, runtime: Runtime, config: RunnableConfig) -> None:
    info, metadata = runtime.execution_info, config["metadata"]
    assert info is not None
    _TURNS[info.task_id] = metadata[TURN]
    notes.write(
        "ran",
        conversation=str(info.thread_id).split(".", maxsplit=1)[0],
        turn=metadata[TURN],
        attempt=metadata[ATTEMPT],
        node=node,
        task=info.task_id,
    )


_TURNS: dict[str, str] = {}
"""The turn of each task that ran in this process."""


def note_what_is_stored(notes: Notes, confirmers: dict[int, Confirmer]) -> None:
    """Have every task noted whose writes a replica surely holds: ticks before and after them were confirmed
    under the same master. confirmers: by the id of a bus's checkpoints.
    """
    honest = Checkpoints.put_writes
    background: set[asyncio.Task[None]] = set()

    async def confirm(confirmer: Confirmer, before: str, lease: Lease, tasks: set[str]) -> None:
        if not before or before != await _ticked(confirmer):
            return
        for task in tasks & _TURNS.keys():
            facts = {"conversation": lease.conversation, "turn": _TURNS[task], "task": task}
            notes.write("stored", attempt=lease.attempt, **facts)

    async def put_writes(self: Checkpoints, lease: Lease, place: Place, writes: Any, **more: Any) -> None:
        confirmer = confirmers[id(self)]
        before = await _ticked(confirmer)
        await honest(self, lease, place, writes, **more)
        tasks = {write.task for write in writes if write.index >= 0}
        confirming = asyncio.create_task(confirm(confirmer, before, lease, tasks))
        background.add(confirming)
        confirming.add_done_callback(background.discard)

    Checkpoints.put_writes = put_writes  # type: ignore[method-assign]


def confirmers_by_checkpoints() -> dict[int, Confirmer]:
    """The confirmer of each bus that is opened from now on, by the id of its checkpoints."""
    found: dict[int, Confirmer] = {}
    honest = Bus.__init__

    def made(self: Bus, *args: Any, **kwargs: Any) -> None:
        honest(self, *args, **kwargs)
        found[id(self.checkpoints)] = self.confirmer

    Bus.__init__ = made  # type: ignore[method-assign]
    return found


async def _ticked(confirmer: Confirmer) -> str:
    try:
        return await confirmer.tick()
    except Temporary:
        return ""
