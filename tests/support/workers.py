"""Workers for tests: as processes that can be killed and frozen, or in this process around any graph."""

import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec
from langgraph.graph import END, START, StateGraph

from services.conversation.graph.agent import Agent
from services.conversation.graph.build import SPEAKING, Graph, build_assistant
from services.conversation.graph.keeping import open_threads
from services.conversation.graph.memory import Memory
from services.conversation.graph.models import open_model
from services.conversation.graph.state import ThreadState
from services.conversation.graph.threads import Threads
from services.conversation.intake import Intake
from services.conversation.keeper import Keeper
from services.conversation.settings import WorkerSettings
from services.conversation.worker import Tools
from services.local.embedded import EmbeddedRedis
from services.local.probe import status_of
from services.local.processes import Child
from services.local.servers import free_ports
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.model.ids import AgentName, ConversationId, MessageId, NodeId, TurnId, UserId
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing
from tests.support.open_bus import fresh_id
from tests.support.waiting import eventually

ASSISTANT = AgentName("assistant")
ANN = UserId("ann")
BOB = UserId("bob")
LEASE_S = 1.5
"""Short, so that takeovers are quick; long against what a busy machine adds."""


@dataclass
class Talk:
    """One conversation as a test sees it: say something, read the journal, read the thread."""

    bus: Bus
    threads: Threads
    id: ConversationId

    @classmethod
    async def new(cls, bus: Bus, *members: UserId, checkpointer: str = "continuo") -> "Talk":
        conversation = ConversationId(fresh_id())
        await bus.conversations.create(conversation, ANN, members=members)
        settings = WorkerSettings(checkpointer=checkpointer)
        threads = await open_threads(bus, build_assistant(open_model("", token_s=0.0)), settings)
        return cls(bus, threads, conversation)

    async def say(self, text: str, user: UserId = ANN, trace: str = "") -> TurnId:
        """Send a message; the turn that will answer it. trace: traceparent of who accepted it."""
        accepted = await self.bus.messages.accept(self.id, user, MessageId(fresh_id()), text, trace=trace)
        [turn] = accepted.turns
        return turn

    async def events(self, kind: str = "", turn: TurnId | None = None) -> list[dict[str, Any]]:
        """The journal's events in order, of one type or turn if asked for."""
        at = self.bus.floor.keys.conversation(self.id)
        entries: Any = await self.bus.floor.commands.xrange(at.journal)
        events = [msgspec.json.decode(fields[b"b"]) for _, fields in entries]
        wanted = [event for event in events if not kind or event["type"] == kind]
        return [event for event in wanted if turn is None or event.get("turn") == turn]

    async def finished(self, turn: TurnId, within_s: float = 20.0) -> dict[str, Any]:
        """The turn's end, once it has come."""

        async def end() -> list[dict[str, Any]]:
            return await self.events("turn.finished", turn)

        ends = await eventually(end, within_s=within_s, every_s=0.05)
        assert len(ends) == 1
        return ends[0]

    async def answer(self, text: str, user: UserId = ANN) -> str:
        """Say something and wait for the final of its answer."""
        turn = await self.say(text, user)
        end = await self.finished(turn)
        assert end["outcome"] == "completed", end
        [completed] = await self.events("message.completed", turn)
        return str(completed["text"])

    async def streaming(self, turn: TurnId, units: int = 20) -> str:
        """The attempt that is in the middle of its answer, once it has said some."""
        at = self.bus.floor.keys.conversation(self.id)

        async def spoken() -> str:
            said: Any = await self.bus.floor.commands.hgetall(at.spoken)
            open_headers: Any = await self.bus.floor.commands.hgetall(at.open)
            for message, header in open_headers.items():
                if int(said.get(message, 0)) >= units and msgspec.json.decode(header)["turn"] == turn:
                    return str(msgspec.json.decode(header)["attempt"])
            return ""

        return await eventually(spoken, within_s=20.0)

    async def thread(self) -> list[Any]:
        """The thread's messages, as its checkpoint has them."""
        thread = self.threads.thread_of(self.id, ASSISTANT)
        saved = await self.threads.reader().aget_tuple({"configurable": {"thread_id": thread}})
        return list(saved.checkpoint["channel_values"].get("messages", [])) if saved else []


class WorkerProcess:
    """`python -m services.conversation`, started and hurt by a test.

    dies: it is to die by itself, maybe before it was seen to be ready.
    """

    def __init__(
        self,
        redis: EmbeddedRedis,
        folder: Path,
        name: str = "worker",
        *,
        argv: list[str] | None = None,
        dies: bool = False,
        **variables: str,
    ) -> None:
        self._dies = dies
        [self.port] = free_ports(1)
        said = {
            "CONTINUO_REDIS_SENTINELS": redis.sentinels,
            "CONTINUO_PORT": str(self.port),
            "CONTINUO_HOST": "127.0.0.1",
            "CONTINUO_LEASE_S": str(LEASE_S),
            "CONTINUO_TOKEN_MS": "0",
        }
        argv = argv or [sys.executable, "-m", "services.conversation"]
        environ = {**os.environ, **said, **variables}
        self.log = folder / f"{name}-{self.port}.log"
        self.child = Child(name, argv, self.log, environ)

    async def __aenter__(self) -> Self:
        self.child.start()

        async def ready() -> bool:
            if self._dies and not self.child.alive:
                return True
            assert self.child.alive, self.log.read_text()
            return await status_of(self.port, "/readyz") == 200

        await eventually(ready, within_s=30.0, every_s=0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.child.thaw()
        self.child.kill()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.child.pid, number)


def graph_of(**nodes: Any) -> Graph:
    """A graph of these nodes, one after the other."""
    graph = StateGraph(ThreadState)
    for name, node in nodes.items():
        graph.add_node(name, node)
    names = [START, *nodes, END]
    for one, following in itertools.pairwise(names):
        graph.add_edge(one, following)
    return graph.compile()


@asynccontextmanager
async def worker_in_process(
    redis: EmbeddedRedis,
    graph: Graph,
    *,
    speaking: Collection[str] | None = SPEAKING,
    tracing: Tracing | None = None,
    metrics: Metrics | None = None,
    **changes: Any,
) -> AsyncIterator[Intake]:
    """A worker on this loop, around any graph."""
    reached = RedisSettings(redis_sentinels=tuple(redis.sentinels.split(",")))
    settings = WorkerSettings(**{"redis": reached, "lease_s": LEASE_S, "drain_s": 5.0, **changes})
    clock, tasks, name = SystemClock(), Tasks(), f"worker-{fresh_id()}"
    metrics = metrics or Metrics()
    open_bus = partial(Bus.open, reached, clock=clock, metrics=metrics)
    bus = await open_bus(process=name)
    threads = await open_threads(bus, graph, settings)
    memory = Memory(bus.documents)
    await memory.open()
    keeper = Keeper(partial(open_bus, process=f"{name}-keeper"), lease_s=settings.lease_s, clock=clock)
    await keeper.start()
    agent = Agent(graph, threads, speaking, memory.store)
    traced = (tracing or Tracing.off(), lambda: bus.failovers)
    tools = Tools(bus.turns, agent, tasks, clock, metrics, settings, *traced)
    intake = Intake(bus, keeper, tools, NodeId(fresh_id()), fresh_id)
    for work in (intake.serve, intake.sweep, intake.obey):
        tasks.start(work.__name__, work())
    try:
        yield intake
    finally:
        await intake.drain()
        await tasks.close()
        await keeper.stop()
        await bus.close()
