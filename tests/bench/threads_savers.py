"""The savers that are compared, the graphs they serve, and what is said in them. Nothing here measures."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.redis.aio import AsyncRedisSaver
from redis.asyncio import Redis

from services.conversation.graph.build import Graph
from services.conversation.graph.keeping import open_threads
from services.conversation.graph.narrate import said_in
from services.conversation.graph.state import STATE_VERSION, ThreadState, standing_in
from services.conversation.graph.threads import ATTEMPT, TURN
from services.conversation.settings import WorkerSettings
from services.shared.bus.house import Bus
from services.shared.model.ids import AgentName, AttemptId, TurnId
from services.shared.model.turn import Lease, TurnState
from services.shared.model.turn import Turn as WorkersTurn
from tests.bench.threads_figures import MEMORY, OURS, STOCK
from tests.support.open_bus import fresh_id
from tests.support.savers import GrantedRights, conversation_of, fresh_thread
from tests.support.workers import graph_of

LETTERS = 300
_WORDS = ("checkpoint", "replica", "lease", "journal", "offset", "partition", "worker", "graph", "turn")


@dataclass(frozen=True)
class Thread:
    """A thread of its own. seeding: the saver it is filled by; running: the one that serves its turn.
    trim: what a worker does after a turn.
    """

    config: RunnableConfig
    seeding: BaseCheckpointSaver[Any]
    running: BaseCheckpointSaver[Any]
    trim: Callable[[], Awaitable[None]] | None = None

    @property
    def id(self) -> str:
        """What every key of it has in its name: its conversation."""
        return conversation_of(self.config["configurable"]["thread_id"])


FreshThread = Callable[[], Awaitable[Thread]]


async def contenders(bus: Bus, plain: "Redis") -> dict[str, FreshThread]:
    """Each saver's way to a fresh thread. plain: a client as anybody would make it."""
    stock = AsyncRedisSaver(redis_client=plain)
    await stock.setup()
    threads = await open_threads(bus, row_of(1), WorkerSettings())

    async def in_memory() -> Thread:
        saver = InMemorySaver()
        return Thread(_config(fresh_thread()), saver, saver)

    async def as_shipped() -> Thread:
        return Thread(_config(fresh_thread()), stock, stock)

    async def as_a_worker_does() -> Thread:
        thread = fresh_thread()
        guard = Granted(await GrantedRights(bus).lease(thread))
        turn = _turn_of(guard.lease)
        marks = {TURN: turn.id, ATTEMPT: turn.attempt}

        def kept(messages: Sequence[Any] | None) -> None:
            said_in(messages or (), standing_in(messages or (), turn))

        seeding, running = (threads.writer(guard, marks, kept) for _ in range(2))
        trim = partial(threads.trim, guard.lease, thread)
        return Thread({**_config(thread), "metadata": marks}, seeding, running, trim)

    return {MEMORY: in_memory, STOCK: as_shipped, OURS: as_a_worker_does}


@dataclass(frozen=True)
class Granted:
    """A lease nobody contests. A worker's guard answers as quickly while its lease is fresh."""

    lease: Lease
    closed: bool = False

    async def passage(self) -> None:
        """Return at once."""

    async def through(self, write: Callable[[Lease], Awaitable[Any]]) -> Any:
        """Write at once."""
        return await write(self.lease)


def _turn_of(lease: Lease) -> WorkersTurn:
    """The turn a worker would hold, in which what the graph said is looked for."""
    ids = TurnId(fresh_id()), lease.conversation, AgentName("assistant")
    return WorkersTurn(*ids, (), TurnState.RUNNING, AttemptId(fresh_id()), 1, {}, "", 0)


def _config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}}


def row_of(nodes: int, speaking: int = 0) -> Graph:
    """Nodes in a row, of which the last `speaking` answer (0: all of them)."""

    async def silent(_: ThreadState) -> ThreadState:
        return {"version": STATE_VERSION}

    async def speaks(_: ThreadState) -> ThreadState:
        return {"messages": [answer()]}

    quiet = nodes - speaking if speaking else 0
    return graph_of(**{f"node{number}": silent if number < quiet else speaks for number in range(nodes)})


def question() -> HumanMessage:
    """What a person said."""
    return HumanMessage(content=_text(), id=fresh_id(), name="ann")


def answer() -> AIMessage:
    """What a model said, with what models tell beside it."""
    told = {
        "finish_reason": "stop",
        "model_name": "some-model-2026-01-01",
        "system_fingerprint": "fp_0123456789",
    }
    usage: UsageMetadata = {"input_tokens": 1234, "output_tokens": 56, "total_tokens": 1290}
    return AIMessage(content=_text(), id=fresh_id(), response_metadata=told, usage_metadata=usage)


def talk(messages: int) -> list[AnyMessage]:
    """A conversation so far; a model had the last word."""
    return [question() if (messages - number) % 2 == 0 else answer() for number in range(messages)]


def _text() -> str:
    words = random.choices(_WORDS, k=LETTERS // 4)
    return " ".join(words)[:LETTERS]
