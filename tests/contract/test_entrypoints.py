"""Entrypoints in conversation: what they return is said, what they remember is there, tasks run once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.func import entrypoint, task
from langgraph.types import interrupt

from services.conversation.graph.agent import Agent, AgentError
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import AttemptId, NodeId
from services.shared.model.turn import Lease, Ready, Turn
from tests.support.open_bus import fresh_id, open_bus
from tests.support.thread_faults_turns import Right
from tests.support.workers import Talk


class Ears:
    """What was said, as the thread has it."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def token(self, _: str, __: str) -> None: ...

    def kept(self, said: Any) -> None:
        self.said = list(said)


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as bus:
        yield bus


@pytest.fixture(params=["continuo", "redis"])
async def talk(request: pytest.FixtureRequest, bus: Bus) -> Talk:
    return await Talk.new(bus, checkpointer=request.param)


async def begun(talk: Talk, text: str) -> tuple[Lease, Turn]:
    await talk.say(text)
    ready = Ready(talk.bus.floor.keys.conversation(talk.id).partition, talk.id)
    attempt = AttemptId(fresh_id())
    lease = await talk.bus.leases.claim(ready, worker=NodeId("w"), attempt=attempt, lease_ms=60_000)
    assert lease is not None
    turn = await talk.bus.turns.begin(lease)
    assert turn is not None
    return lease, turn


async def ended(talk: Talk, lease: Lease, turn: Turn) -> None:
    await talk.bus.turns.finish(lease, turn, "completed", "", "")
    assert await talk.bus.leases.release(lease)


async def run(agent: Agent, lease: Lease, turn: Turn) -> Ears:
    """As a worker does: look, then run as the look says."""
    ears, look = Ears(), await agent.look(turn)
    ears.kept(look.said)
    if not look.entered or look.unfinished:
        ways = {"resume": look.entered, "anew": look.passed, "restless": look.restless}
        await agent.run(turn, **ways, guard=Right(lease), hearer=ears)
    return ears


async def answer(talk: Talk, agent: Agent, text: str) -> list[str]:
    lease, turn = await begun(talk, text)
    ears = await run(agent, lease, turn)
    again = await run(agent, lease, turn)
    assert again.said == ears.said  # who takes over says the same under the same ids
    await ended(talk, lease, turn)
    return [one.text for one in ears.said]


@pytest.mark.parametrize(
    ("returns", "said"),
    [
        (lambda said: f"heard {said}", ["heard hi"]),
        (lambda said: AIMessage(f"heard {said}"), ["heard hi"]),
        (lambda _: [AIMessage("one", id="x"), "two"], ["one", "two"]),
        (lambda _: {"messages": [HumanMessage("old"), AIMessage("new")]}, ["new"]),
        (lambda _: {"role": "assistant", "content": "as a dict"}, ["as a dict"]),
        (lambda _: None, []),
        (lambda _: entrypoint.final(value="told", save=7), ["told"]),
    ],
)
async def test_what_an_entrypoint_returns_is_said(talk: Talk, returns: Any, said: list[str]) -> None:
    @entrypoint()
    def graph(given: dict[str, Any]) -> Any:
        return returns(given["messages"][-1].text)

    agent = Agent(graph, talk.threads, None)
    assert await answer(talk, agent, "hi") == said
    assert await answer(talk, agent, "hi") == said


async def test_what_it_returned_before_is_not_said_again_and_previous_has_it(talk: Talk) -> None:
    @entrypoint()
    async def graph(given: dict[str, Any], *, previous: Any = None) -> Any:
        told = [*(previous or []), given["messages"][-1].text]
        return entrypoint.final(value=" ".join(told), save=told)

    agent = Agent(graph, talk.threads, None)
    assert [await answer(talk, agent, text) for text in ("a", "b", "c")] == [["a"], ["a b"], ["a b c"]]


async def test_a_task_whose_result_is_stored_does_not_run_again(talk: Talk) -> None:
    ran: list[str] = []

    @task
    async def first(text: str) -> str:
        ran.append("first")
        return text.upper()

    @task
    async def second(text: str) -> str:
        ran.append("second")
        if ran.count("second") == 1:
            raise ConnectionError
        return f"{text}!"

    @entrypoint()
    async def graph(given: dict[str, Any]) -> str:
        return await second(await first(given["messages"][-1].text))

    agent = Agent(graph, talk.threads, None)
    lease, turn = await begun(talk, "hello")
    with pytest.raises(AgentError):
        await run(agent, lease, turn)
    look = await agent.look(turn)
    assert (look.entered, look.unfinished, look.said) == (True, True, ())
    assert [one.text for one in (await run(agent, lease, turn)).said] == ["HELLO!"]
    assert ran == ["first", "second", "second"]


async def test_a_turn_behind_one_that_was_stopped_begins_afresh(talk: Talk) -> None:
    @entrypoint()
    async def graph(given: dict[str, Any], *, previous: Any = None) -> str:
        text = str(given["messages"][-1].text)
        if text == "fail":
            raise ValueError
        return f"{text} after {previous}"

    agent = Agent(graph, talk.threads, None)
    assert await answer(talk, agent, "one") == ["one after None"]
    lease, turn = await begun(talk, "fail")
    with pytest.raises(AgentError):
        await run(agent, lease, turn)
    await talk.bus.turns.finish(lease, turn, "failed", "", "broken")
    assert await talk.bus.leases.release(lease)
    assert await answer(talk, agent, "two") == ["two after one after None"]


async def test_a_cancelled_one_settles(talk: Talk) -> None:
    @entrypoint()
    async def graph(given: dict[str, Any]) -> str:
        return str(interrupt("who?"))

    agent = Agent(graph, talk.threads, None)
    lease, turn = await begun(talk, "hello")
    assert await agent.run(turn, resume=False, guard=Right(lease), hearer=Ears())
    await agent.settle(turn, guard=Right(lease))
    look = await agent.look(turn)
    assert (look.entered, look.unfinished, look.said) == (True, False, ())
