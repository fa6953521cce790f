"""Threads in Redis, by either saver: who may write them, what stands in them, how a successor goes on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from redis.crc import key_slot

from services.conversation.core.retry import FaultKind
from services.conversation.graph.agent import Agent, AgentError
from services.conversation.graph.build import Graph, build_assistant
from services.conversation.graph.models import open_model
from services.conversation.graph.narrate import Said
from services.conversation.graph.state import ThreadState
from services.conversation.graph.stock import StockThreads
from services.conversation.graph.threads import Threads
from services.conversation.settings import WorkerSettings
from services.local.embedded import EmbeddedRedis
from services.shared.bus.checkpoints import Checkpoints
from services.shared.bus.house import Bus
from services.shared.model.errors import LeaseLost
from services.shared.model.ids import AttemptId, NodeId
from services.shared.model.thread import Place
from services.shared.model.turn import Lease, Ready, Turn
from tests.support.open_bus import fresh_id, open_bus
from tests.support.workers import Talk


@dataclass
class Right:
    """A right to write that this process believes in, whatever Redis says."""

    lease: Lease
    before: Callable[[], None] = lambda: None
    closed: bool = False

    async def passage(self) -> None:
        self.before()

    async def through(self, write: Callable[[Lease], Awaitable[Any]]) -> Any:
        await self.passage()
        return await write(self.lease)


@dataclass
class Ears:
    """What was heard of a run."""

    tokens: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    def token(self, _: str, text: str) -> None:
        self.tokens.append(text)

    def kept(self, said: Any) -> None:
        self.said = list(said)


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as bus:
        yield bus


@pytest.fixture(params=["continuo", "redis"])
async def talk(request: pytest.FixtureRequest, bus: Bus) -> Talk:
    return await Talk.new(bus, checkpointer=request.param)


async def claimed(talk: Talk, lease_ms: int = 60_000) -> Lease:
    at = talk.bus.floor.keys.conversation(talk.id)
    ready = Ready(at.partition, talk.id)
    attempt = AttemptId(fresh_id())
    lease = await talk.bus.leases.claim(ready, worker=NodeId("w"), attempt=attempt, lease_ms=lease_ms)
    assert lease is not None
    return lease


async def begun(talk: Talk, lease: Lease) -> Turn:
    turn = await talk.bus.turns.begin(lease)
    assert turn is not None
    return turn


def steps(*nodes: Callable[[ThreadState], ThreadState]) -> Graph:
    graph = StateGraph(ThreadState)
    graph.add_sequence([(f"step_{number}", node) for number, node in enumerate(nodes)])
    graph.add_edge(START, "step_0")
    graph.add_edge(f"step_{len(nodes) - 1}", END)
    return graph.compile()


def assistant(talk: Talk) -> Agent:
    return Agent(build_assistant(open_model("", token_s=0.0)), talk.threads, None)


async def test_a_run_leaves_its_marks_and_its_answer_in_the_thread(talk: Talk) -> None:
    ears = Ears()
    await talk.say("count to 3")
    lease = await claimed(talk)
    turn, agent = await begun(talk, lease), assistant(talk)
    assert not (await agent.look(turn)).entered
    assert await agent.run(turn, resume=False, guard=Right(lease), hearer=ears) == ()
    look = await agent.look(turn)
    assert (look.entered, look.unfinished) == (True, False)
    assert [said.text for said in look.said] == ["Counting: 1, 2, 3. Done."] == ["".join(ears.tokens)]
    assert list(look.said) == ears.said


async def test_a_worker_that_was_replaced_cannot_write_the_thread(talk: Talk) -> None:
    """It still believes in its lease, as one does that slept through the takeover between a look and a
    write.
    """
    await talk.say("count to 3")
    old = await claimed(talk, lease_ms=1)
    turn, agent = await begun(talk, old), assistant(talk)
    new = await claimed(talk)
    again = await begun(talk, new)
    await agent.run(again, resume=False, guard=Right(new), hearer=Ears())
    before = await talk.thread()
    with pytest.raises(LeaseLost):
        await agent.run(turn, resume=False, guard=Right(old), hearer=Ears())
    assert await talk.thread() == before


async def test_steps_whose_writes_are_kept_do_not_run_again(talk: Talk) -> None:
    ran, fails = list[str](), [True]

    def first(_: ThreadState) -> ThreadState:
        ran.append("first")
        return {"messages": [AIMessage("One.")]}

    def second(_: ThreadState) -> ThreadState:
        ran.append("second")
        if fails:
            fails.clear()
            raise ConnectionError
        return {"messages": [AIMessage("Two.")]}

    await talk.say("both")
    lease = await claimed(talk)
    agent = Agent(steps(first, second), talk.threads, None)
    turn = await begun(talk, lease)
    with pytest.raises(AgentError) as raised:
        await agent.run(turn, resume=False, guard=Right(lease), hearer=Ears())
    assert raised.value.fault.kind is FaultKind.BROKEN
    look = await agent.look(turn)
    assert (look.entered, look.unfinished, [said.text for said in look.said]) == (True, True, ["One."])
    await agent.run(turn, resume=True, guard=Right(lease), hearer=Ears())
    assert ran == ["first", "second", "second"]
    assert [message.text for message in await talk.thread()] == ["both", "One.", "Two."]


async def test_a_step_whose_writes_are_kept_without_their_checkpoint_is_gone_on_from(talk: Talk) -> None:
    """The worker died between a node's writes and the checkpoint behind them: nothing is `next`, yet steps
    are left.
    """
    ran = list[str]()

    def first(_: ThreadState) -> ThreadState:
        ran.append("first")
        return {"messages": [AIMessage("One.")]}

    def second(_: ThreadState) -> ThreadState:
        ran.append("second")
        return {"messages": [AIMessage("Two.")]}

    await talk.say("both")
    lease = await claimed(talk)
    turn = await begun(talk, lease)
    with pytest.raises(LeaseLost):
        await Agent(steps(first, second), Dying(talk.threads, survives=2), None).run(
            turn, resume=False, guard=Right(lease), hearer=Ears()
        )
    agent = Agent(steps(first, second), talk.threads, None)
    look = await agent.look(turn)
    assert (look.entered, look.unfinished) == (True, True)
    ran.clear()
    await agent.run(turn, resume=True, guard=Right(lease), hearer=Ears())
    assert ran == ["second"]
    assert [message.text for message in await talk.thread()] == ["both", "One.", "Two."]


class Dying:
    """Threads of a process that keeps so many checkpoints, and every pending write, and then no checkpoint
    more.
    """

    def __init__(self, threads: Threads, survives: int) -> None:
        self._threads = threads
        self._left = survives

    def __getattr__(self, name: str) -> Any:
        return getattr(self._threads, name)

    def writer(self, *args: Any) -> Any:
        saver = self._threads.writer(*args)
        put = saver.aput

        async def aput(*args: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise LeaseLost("the process is gone")
            return await put(*args)

        saver.aput = aput  # type: ignore[method-assign]
        return saver


async def test_entering_a_turn_twice_leaves_its_question_once(talk: Talk) -> None:
    await talk.say("hello")
    lease = await claimed(talk)
    turn, agent = await begun(talk, lease), assistant(talk)
    for _ in range(2):
        await agent.run(turn, resume=False, guard=Right(lease), hearer=Ears())
    kinds = [message.type for message in await talk.thread()]
    assert kinds.count("human") == 1


async def test_a_threads_history_can_be_read_and_has_no_stubs(talk: Talk) -> None:
    await talk.say("hello")
    lease = await claimed(talk)
    turn = await begun(talk, lease)
    await assistant(talk).run(turn, resume=False, guard=Right(lease), hearer=Ears())
    thread = talk.threads.thread_of(talk.id, turn.agent)
    history = [each async for each in talk.threads.reader().alist({"configurable": {"thread_id": thread}})]
    assert [each.metadata["source"] for each in history] == ["loop", "loop", "loop", "input"]
    assert {each.metadata["turn"] for each in history} == {turn.id}
    assert {each.metadata["attempt"] for each in history} == {turn.attempt}


async def test_a_thread_takes_two_keys_in_its_conversations_partition(bus: Bus) -> None:
    """So that a partition can move to another master with all that belongs to it."""
    talk = await Talk.new(bus)
    await talk.say("hello")
    lease = await claimed(talk)
    turn, agent = await begun(talk, lease), assistant(talk)
    for _ in range(3):
        await agent.run(turn, resume=False, guard=Right(lease), hearer=Ears())
    found = [key async for key in bus.floor.commands.scan_iter(f"*{talk.id}:thread:*", count=10_000)]
    assert len(found) == 2
    lease_key = bus.floor.keys.conversation(talk.id).lease
    assert {key_slot(key) for key in found} == {key_slot(lease_key.encode())}


async def test_old_checkpoints_are_forgotten_and_the_thread_stays_what_it_is(bus: Bus) -> None:
    talk = await Talk.new(bus)
    await talk.say("hello")
    lease = await claimed(talk)
    turn, agent = await begun(talk, lease), assistant(talk)
    for _ in range(6):
        await agent.run(turn, resume=False, guard=Right(lease), hearer=Ears())
    thread, reader = talk.threads.thread_of(talk.id, turn.agent), talk.threads.reader()
    config: Any = {"configurable": {"thread_id": thread}}
    before = [each async for each in reader.alist(config)]
    await agent.trim(lease, turn)
    after = [each async for each in reader.alist(config)]
    assert len(before) > len(after) == WorkerSettings().thread_checkpoints
    assert after == before[: len(after)]


async def test_all_keys_of_a_stock_thread_lie_in_their_conversations_partition(bus: Bus) -> None:
    """So that a partition can move to another master with all that belongs to it; and what the saver searches
    by is still found under such a name.
    """
    talk = await Talk.new(bus, checkpointer="redis")
    talk.threads = threads = StockThreads(bus.foreign, keep=4)
    await threads.open()
    await talk.say("hello")
    lease = await claimed(talk)
    turn, agent = await begun(talk, lease), assistant(talk)
    for _ in range(3):
        await agent.run(turn, resume=False, guard=Right(lease), hearer=Ears())
    lease_key = bus.floor.keys.conversation(talk.id).lease
    found = [key async for key in bus.floor.commands.scan_iter(f"*{talk.id}*", count=10_000)]
    kinds = {key.split(b":")[0] for key in found}
    assert {b"checkpoint", b"checkpoint_latest", b"checkpoint_write", b"write_keys_zset"} <= kinds
    assert {key_slot(key) for key in found} == {key_slot(lease_key.encode())}
    config: Any = {"configurable": {"thread_id": talk.threads.thread_of(talk.id, turn.agent)}}
    reader = talk.threads.reader()
    latest = await reader.aget_tuple(config)
    listed = [each async for each in reader.alist(config)]
    assert latest
    assert len(listed) > 4
    assert listed[0].checkpoint["id"] == latest.checkpoint["id"]
    assert any(each.pending_writes for each in listed)
    await agent.trim(lease, turn)
    assert len([each async for each in reader.alist(config)]) == 4
    left = [key async for key in bus.floor.commands.scan_iter(f"checkpoint_write:*{talk.id}*", count=10_000)]
    assert {key.split(b":")[3].decode() for key in left} <= {each.checkpoint["id"] for each in listed[:4]}


async def test_indices_that_vanished_are_made_anew(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis) as bus:
        store = StockThreads(bus.foreign, keep=4)
        await store.open()
        assert await store.mend() is False
        await bus.floor.commands.flushall()
        assert await store.mend() is True
        talk = await Talk.new(bus, checkpointer="redis")
        await talk.say("hello")
        lease = await claimed(talk)
        turn = await begun(talk, lease)
        await assistant(talk).run(turn, resume=False, guard=Right(lease), hearer=Ears())
        await Agent(build_assistant(open_model("", token_s=0.0)), store, None).trim(lease, turn)
        assert [message.type for message in await talk.thread()] == ["human", "ai"]


async def test_a_run_does_not_read_again_what_the_look_before_it_has_read(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, reads, honest = await Talk.new(bus), list[Place](), Checkpoints.read

    async def read(self: Checkpoints, place: Place) -> Any:
        reads.append(place)
        return await honest(self, place)

    monkeypatch.setattr(Checkpoints, "read", read)
    agent = assistant(talk)
    for turns, words in enumerate(("hello", "and again"), 1):
        await talk.say(words)
        lease = await claimed(talk)
        turn = await begun(talk, lease)
        look = await agent.look(turn)
        await agent.run(turn, resume=False, guard=Right(lease), hearer=Ears(), look=look)
        assert len(reads) == 1
        assert [message.type for message in await talk.thread()] == ["human", "ai"] * turns
        await bus.turns.finish(lease, turn, "completed")
        assert await bus.leases.release(lease)
        reads.clear()
