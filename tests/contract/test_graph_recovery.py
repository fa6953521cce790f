"""How a turn finds itself in its thread: by its id, else by its messages' ids; and how a replayed one does,
whose thread may have gone on without it.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage

from services.conversation.graph.agent import Agent, AgentError
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import LeaseLost
from services.shared.model.ids import AttemptId, MessageId, NodeId, TurnId
from services.shared.model.turn import Lease, Ready, Turn
from tests.support.open_bus import fresh_id, open_bus
from tests.support.thread_faults_turns import Right
from tests.support.workers import Talk, graph_of

Node = Callable[[ThreadState], ThreadState]


class Ears:
    """What was said, as the thread has it."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def token(self, _: str, __: str) -> None: ...

    def kept(self, said: Any) -> None:
        self.said = [each.text for each in said]


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as bus:
        yield bus


@pytest.fixture(params=["continuo", "redis"])
async def talk(request: pytest.FixtureRequest, bus: Bus) -> Talk:
    return await Talk.new(bus, checkpointer=request.param)


async def begun(talk: Talk, text: str) -> tuple[Lease, Turn]:
    await talk.say(text)
    return await taken(talk)


async def taken(talk: Talk) -> tuple[Lease, Turn]:
    """The next turn, begun under a lease of its own."""
    at = talk.bus.floor.keys.conversation(talk.id)
    ready = Ready(at.partition, talk.id)
    attempt = AttemptId(fresh_id())
    lease = await talk.bus.leases.claim(ready, worker=NodeId("w"), attempt=attempt, lease_ms=60_000)
    assert lease is not None
    turn = await talk.bus.turns.begin(lease)
    assert turn is not None
    return lease, turn


async def ended(talk: Talk, lease: Lease, turn: Turn, failed: bool = False) -> None:
    await talk.bus.turns.finish(lease, turn, "failed" if failed else "completed", "", "broken")
    assert await talk.bus.leases.release(lease)


async def replayed(talk: Talk, turn: Turn) -> tuple[Lease, Turn]:
    letter = await talk.bus.dead_letters.find(turn.id)
    assert letter is not None
    await talk.bus.dead_letters.replay(letter)
    return await taken(talk)


def echoes(state: ThreadState) -> ThreadState:
    """Answers the last message."""
    return {"messages": [AIMessage(f"re {state['messages'][-1].text}")]}


def never(_: ThreadState) -> ThreadState:
    raise AssertionError("this node is not to run")


def fails(_: ThreadState) -> ThreadState:
    raise ValueError


def agent_of(talk: Talk, **nodes: Node) -> Agent:
    return Agent(graph_of(**nodes), talk.threads, None)


async def run(agent: Agent, lease: Lease, turn: Turn) -> list[str]:
    """As a worker does: look, then run as the look says; what is said in the end."""
    ears, look = Ears(), await agent.look(turn)
    ears.kept(look.said)
    if not look.entered or look.unfinished:
        ways = {"resume": look.entered, "anew": look.passed, "restless": look.restless}
        await agent.run(turn, **ways, guard=Right(lease), hearer=ears)
    return ears.said


async def texts(talk: Talk) -> list[str]:
    return [message.text for message in await talk.thread()]


async def test_a_turn_is_known_by_its_id_when_its_question_is_no_longer_in_the_thread(talk: Talk) -> None:
    def forgets(state: ThreadState) -> ThreadState:
        return {"messages": [RemoveMessage(id=str(state["messages"][0].id))]}

    lease, turn = await begun(talk, "a secret")
    agent = agent_of(talk, forgets=forgets)
    await agent.run(turn, resume=False, guard=Right(lease), hearer=Ears())
    assert await texts(talk) == []
    assert (await agent.look(turn)).entered
    assert not (await agent.look(replace(turn, id=TurnId(fresh_id())))).entered


async def test_a_turn_is_known_by_its_messages_when_the_thread_has_no_mark_of_it(talk: Talk) -> None:
    lease, turn = await begun(talk, "hello")
    agent = agent_of(talk, answer=echoes)
    unmarked = replace(turn, id=TurnId(fresh_id()))
    await agent.run(unmarked, resume=False, guard=Right(lease), hearer=Ears())
    look = await agent.look(turn)
    assert (look.entered, look.unfinished, [said.text for said in look.said]) == (True, False, ["re hello"])
    elsewhere = (replace(turn.messages[0], id=MessageId(fresh_id())),)
    assert not (await agent.look(replace(turn, messages=elsewhere))).entered


async def test_a_replay_goes_on_from_where_the_failed_turn_stood(talk: Talk) -> None:
    lease, turn = await begun(talk, "hello")
    with pytest.raises(AgentError):
        await run(agent_of(talk, first=echoes, second=fails), lease, turn)
    await ended(talk, lease, turn, failed=True)
    lease, again = await replayed(talk, turn)
    assert await run(agent_of(talk, first=never, second=echoes), lease, again) == ["re hello", "re re hello"]
    assert await texts(talk) == ["hello", "re hello", "re re hello"]


async def test_a_replay_of_what_never_came_into_the_thread_enters_it(talk: Talk) -> None:
    lease, turn = await begun(talk, "hello")
    await ended(talk, lease, turn, failed=True)
    lease, again = await replayed(talk, turn)
    assert await run(agent_of(talk, answer=echoes), lease, again) == ["re hello"]
    [question, _] = await talk.thread()
    assert question.id == turn.messages[0].id


async def test_a_replay_of_a_turn_that_failed_behind_its_graphs_end_says_what_the_thread_holds(
    talk: Talk,
) -> None:
    lease, turn = await begun(talk, "hello")
    await run(agent_of(talk, answer=echoes), lease, turn)
    await ended(talk, lease, turn, failed=True)
    lease, again = await replayed(talk, turn)
    assert await run(agent_of(talk, answer=never), lease, again) == ["re hello"]


async def failed_and_passed(talk: Talk) -> Turn:
    """A turn that failed with its question in the thread, and another one completed behind it."""
    lease, turn = await begun(talk, "first")
    with pytest.raises(AgentError):
        await run(agent_of(talk, answer=fails), lease, turn)
    await ended(talk, lease, turn, failed=True)
    lease, other = await begun(talk, "second")
    assert await run(agent_of(talk, answer=echoes), lease, other) == ["re second"]
    await ended(talk, lease, other)
    return turn


async def test_a_replay_whose_thread_has_gone_on_asks_anew_and_repeats_no_other_answer(talk: Talk) -> None:
    turn = await failed_and_passed(talk)
    lease, again = await replayed(talk, turn)
    agent = agent_of(talk, answer=echoes)
    look = await agent.look(again)
    assert (look.entered, look.passed, look.said) == (False, True, ())
    assert await run(agent, lease, again) == ["re first"]
    assert await texts(talk) == ["first", "second", "re second", "first", "re first"]
    ids = [message.id for message in await talk.thread()]
    assert len(ids) == len(set(ids))


async def test_an_attempt_after_the_one_that_asked_anew_goes_on_with_it(talk: Talk) -> None:
    turn = await failed_and_passed(talk)
    lease, again = await replayed(talk, turn)
    with pytest.raises(AgentError):
        await run(agent_of(talk, answer=fails), lease, again)
    assert await run(agent_of(talk, answer=echoes), lease, again) == ["re first"]
    assert await texts(talk) == ["first", "second", "re second", "first", "re first"]


async def test_a_replay_of_a_replay_that_asked_anew_goes_on_with_what_that_asked(talk: Talk) -> None:
    turn = await failed_and_passed(talk)
    lease, again = await replayed(talk, turn)
    with pytest.raises(AgentError):
        await run(agent_of(talk, answer=fails), lease, again)
    await ended(talk, lease, again, failed=True)
    lease, third = await replayed(talk, again)
    assert await run(agent_of(talk, answer=echoes), lease, third) == ["re first"]
    assert [message.text for message in await talk.thread() if isinstance(message, HumanMessage)] == [
        "first",
        "second",
        "first",
    ]


class Second:
    """Threads of which the second writer is of a process that has died."""

    def __init__(self, talk: Talk) -> None:
        self._threads = talk.threads
        self._writers = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._threads, name)

    def writer(self, guard: Any, *args: Any) -> Any:
        async def gone(*_: Any) -> Any:
            raise LeaseLost("the process is gone")

        saver = self._threads.writer(guard, *args)
        self._writers += 1
        if self._writers == 2:
            saver.aput = gone  # type: ignore[method-assign]
        return saver


async def test_who_dies_when_the_thread_is_at_rest_and_before_its_question_is_in_it_has_not_entered(
    talk: Talk,
) -> None:
    lease, turn = await begun(talk, "first")
    with pytest.raises(AgentError):
        await run(agent_of(talk, answer=fails), lease, turn)
    await ended(talk, lease, turn, failed=True)
    lease, other = await begun(talk, "second")
    agent = agent_of(talk, answer=echoes)
    look = await agent.look(other)
    assert (look.entered, look.restless) == (False, True)
    dying = Agent(graph_of(answer=echoes), Second(talk), None)  # type: ignore[arg-type]
    with pytest.raises(LeaseLost):
        await dying.run(other, resume=False, restless=True, guard=Right(lease), hearer=Ears())
    assert await texts(talk) == ["first"]
    look = await agent.look(other)
    assert (look.entered, look.restless) == (False, False)
    assert await run(agent, lease, other) == ["re second"]
