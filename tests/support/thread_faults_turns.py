"""A turn of a hurt graph, attempted by workers one after the other, and what its thread must be then."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from services.conversation.core.retry import FaultKind
from services.conversation.graph.agent import Agent, AgentError
from services.conversation.graph.narrate import Said
from services.conversation.graph.serde import ThreadSerializer
from services.conversation.graph.state import input_of
from services.conversation.graph.threads import ContinuoThreads
from services.conversation.settings import WorkerSettings
from services.shared.bus.house import Bus
from services.shared.model.ids import AttemptId, NodeId
from services.shared.model.turn import Lease, Ready, Turn
from tests.support.open_bus import fresh_id
from tests.support.saver_twins import differences
from tests.support.thread_faults_graphs import Hurt, Kind
from tests.support.thread_types import ALLOWED
from tests.support.workers import ANN, ASSISTANT, Talk


@dataclass
class Right:
    """A right to write that this process believes in, whatever Redis says."""

    lease: Lease
    closed: bool = False

    async def passage(self) -> None:
        pass

    async def through(self, write: Callable[[Lease], Awaitable[Any]]) -> Any:
        await self.passage()
        return await write(self.lease)


@dataclass
class Ears:
    """What was heard of a run."""

    said: list[Said] = field(default_factory=list)

    def token(self, _: str, text: str) -> None:
        pass

    def kept(self, said: Any) -> None:
        self.said = list(said)


@dataclass
class Asked:
    """A turn to be answered, in a conversation of its own."""

    talk: Talk
    question: str = "what is there?"

    @classmethod
    async def new(cls, bus: Bus) -> "Asked":
        asked = cls(await Talk.new(bus))
        await asked.talk.say(asked.question, ANN)
        return asked

    @property
    def thread(self) -> str:
        return f"{self.talk.id}.{ASSISTANT}"

    async def claimed(self, lease_ms: int = 1) -> Right:
        """The lease, from whoever has it; with one millisecond the next claim gets it at once."""
        bus = self.talk.bus
        ready = Ready(bus.floor.keys.conversation(self.talk.id).partition, self.talk.id)
        while True:
            attempt = AttemptId(fresh_id())
            lease = await bus.leases.claim(ready, worker=NodeId("w"), attempt=attempt, lease_ms=lease_ms)
            if lease is not None:
                return Right(lease)

    async def begun(self, right: Right) -> Turn:
        turn = await self.talk.bus.turns.begin(right.lease)
        assert turn is not None
        return turn

    async def attempt(self, hurt: Hurt, port: Any = None) -> Ears:
        """One worker's attempt: look, then begin or go on, as core/turn decides. Raises as Agent does."""
        right, ears = await self.claimed(), Ears()
        turn, agent = await self.begun(right), agent_of(hurt, port or self.talk.bus.checkpoints)
        look = await agent.look(turn)
        ears.kept(look.said)
        if not look.entered or look.unfinished:
            await agent.run(turn, resume=look.entered, guard=right, hearer=ears)
        return ears

    async def attempts(self, hurt: Hurt, port: Any = None) -> Ears:
        """Attempts of one worker, until one is not ended by the store."""
        for _ in range(WorkerSettings().attempts):
            try:
                return await self.attempt(hurt, port)
            except AgentError as error:
                if error.fault.kind is not FaultKind.STORE:
                    raise
        raise AssertionError("given up")

    async def kept(self) -> dict[str, Any]:
        """The thread's values, by a reader that knows nothing of it."""
        reader = threads_of(self.talk.bus.checkpoints).reader()
        found = await reader.aget_tuple({"configurable": {"thread_id": self.thread}})
        return found.checkpoint["channel_values"] if found else {}

    async def state(self, hurt: Hurt) -> dict[str, Any]:
        """What the graph makes of the thread."""
        reader = threads_of(self.talk.bus.checkpoints).reader()
        graph = hurt.graph.copy(update={"checkpointer": reader})
        found = await graph.aget_state({"configurable": {"thread_id": self.thread}})
        assert not found.next, found.next
        return dict(found.values)

    async def undisturbed(self, kind: Kind) -> dict[str, Any]:
        """What LangGraph's in-memory saver has after the same turn, run in peace."""
        turn = await self.begun(await self.claimed())
        hurt = kind()
        return await in_memory(hurt, input_of(turn, hurt.graph))


async def in_memory(hurt: Hurt, asked: Any) -> dict[str, Any]:
    """The state after a turn with LangGraph's own saver; asked: the graph's input."""
    saver = InMemorySaver(serde=AnyInteger(allowed_msgpack_modules=ALLOWED))
    graph = hurt.graph.copy(update={"checkpointer": saver})
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke(asked, config)
    return dict((await graph.aget_state(config)).values)


class AnyInteger(JsonPlusSerializer):
    """LangGraph's serialiser for states with an integer it refuses as a channel of its own."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        if type(obj) is int and obj.bit_length() > 64:
            return "integer", str(obj).encode()
        return super().dumps_typed(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        return int(data[1]) if data[0] == "integer" else super().loads_typed(data)


def threads_of(port: Any, keep: int = WorkerSettings().thread_checkpoints) -> ContinuoThreads:
    """Threads over a port."""
    return ContinuoThreads(port, ThreadSerializer(ALLOWED), ttl_s=0, keep=keep)


def assert_state(one: dict[str, Any], other: dict[str, Any], what: str) -> None:
    """Fail, showing where they differ, unless two states are the same in type and content."""
    found = differences(one, other)
    assert not found, "\n".join([what, *found])


def agent_of(hurt: Hurt, port: Any) -> Agent:
    """An agent whose threads are kept through a port."""
    return Agent(hurt.graph, threads_of(port), None)
