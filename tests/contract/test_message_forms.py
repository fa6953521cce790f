"""Graphs of users keep messages in more forms than one: each is heard, once, and by the same id."""

import operator
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import _messages_delta_reducer, add_messages
from langgraph.runtime import Runtime
from pydantic import BaseModel, ConfigDict

from services.conversation.core.retry import FaultKind
from services.conversation.graph.agent import MOST_STEPS, Agent, AgentError
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import AttemptId, NodeId
from services.shared.model.turn import Lease, Ready, Turn
from tests.support.open_bus import fresh_id, open_bus
from tests.support.thread_faults_turns import Right
from tests.support.workers import Talk


class Added(TypedDict):
    messages: Annotated[list[Any], add_messages]


class Joined(TypedDict):
    messages: Annotated[list[Any], operator.add]


class Changed(TypedDict):
    messages: Annotated[list[Any], DeltaChannel(_messages_delta_reducer)]


class Replaced(TypedDict):
    messages: list[Any]


class Modelled(BaseModel):
    model_config = ConfigDict(extra="forbid")
    messages: Annotated[list[Any], add_messages] = []


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


@pytest.fixture
async def talk(bus: Bus) -> Talk:
    return await Talk.new(bus)


async def begun(talk: Talk, text: str) -> tuple[Lease, Turn]:
    await talk.say(text)
    ready = Ready(talk.bus.floor.keys.conversation(talk.id).partition, talk.id)
    attempt = AttemptId(fresh_id())
    lease = await talk.bus.leases.claim(ready, worker=NodeId("w"), attempt=attempt, lease_ms=60_000)
    assert lease is not None
    turn = await talk.bus.turns.begin(lease)
    assert turn is not None
    return lease, turn


async def answers(talk: Talk, agent: Agent, text: str) -> list[str]:
    """What is said to a text, by a run and by whoever looks at its thread then."""
    lease, turn = await begun(talk, text)
    look, ears = await agent.look(turn), Ears()
    ways = {"resume": look.entered, "anew": look.passed, "restless": look.restless}
    await agent.run(turn, **ways, guard=Right(lease), hearer=ears)
    later = await agent.look(turn)
    assert (later.entered, later.unfinished, list(later.said)) == (True, False, ears.said)
    assert len({one.source for one in ears.said}) == len(ears.said)
    await talk.bus.turns.finish(lease, turn, "completed", "", "")
    assert await talk.bus.leases.release(lease)
    return [one.text for one in ears.said]


def text_of(message: Any) -> str:
    return str(message["content"] if isinstance(message, dict) else message.text)


@pytest.mark.parametrize("state", [Added, Joined, Changed, Replaced, Modelled])
@pytest.mark.parametrize(
    "made",
    [
        lambda text: AIMessage(text),
        lambda text: {"role": "assistant", "content": text},
        lambda text: ("ai", text),
    ],
    ids=["message", "dict", "pair"],
)
async def test_an_answer_is_heard_in_whatever_form_it_is_kept(talk: Talk, state: Any, made: Any) -> None:
    def answer(values: Any) -> Any:
        said = values.messages if isinstance(values, BaseModel) else values["messages"]
        return {"messages": [made(f"re {text_of(said[-1])}")]}

    graph = StateGraph(state).add_node("answer", answer).add_edge(START, "answer").compile()
    agent = Agent(graph, talk.threads, None)
    assert await answers(talk, agent, "one") == ["re one"]
    assert await answers(talk, agent, "two") == ["re two"]


@dataclass
class Manner:
    greeting: str = "Hello"


@dataclass
class Demanding:
    greeting: str


@pytest.mark.parametrize(("schema", "said"), [(Manner, "Hello"), (Demanding, "None"), (None, "None")])
async def test_a_context_is_made_of_its_schema_where_that_needs_nothing(
    talk: Talk, schema: Any, said: str
) -> None:
    def answer(_: MessagesState, runtime: Runtime[Any]) -> Any:
        return {"messages": [AIMessage(str(getattr(runtime.context, "greeting", None)))]}

    graph = StateGraph(MessagesState, context_schema=schema).add_node(answer).add_edge(START, "answer")
    assert await answers(talk, Agent(graph.compile(), talk.threads, None), "hi") == [said]


@pytest.mark.parametrize(("own", "steps"), [(None, MOST_STEPS), (3, 3), (150, 150)])
async def test_a_graphs_own_limit_of_steps_holds(talk: Talk, own: int | None, steps: int) -> None:
    ran: list[int] = []

    def go(_: MessagesState) -> Any:
        ran.append(1)
        return {}

    loop = StateGraph(MessagesState).add_node(go).add_edge(START, "go").add_edge("go", "go").compile()
    graph = loop.with_config({"recursion_limit": own}) if own else loop
    lease, turn = await begun(talk, "hi")
    with pytest.raises(AgentError) as raised:
        await Agent(graph, talk.threads, None).run(turn, resume=False, guard=Right(lease), hearer=Ears())
    assert raised.value.fault.kind is FaultKind.BROKEN
    assert len(ran) == steps


async def test_what_a_graph_is_told_of_its_turn_is_not_kept_with_its_checkpoints(talk: Talk) -> None:
    seen: dict[str, Any] = {}

    def answer(_: MessagesState, config: RunnableConfig) -> Any:
        seen.update(config["configurable"])
        return {"messages": [AIMessage("yes")]}

    graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile()
    await answers(talk, Agent(graph, talk.threads, None), "hi")
    told = {"conversation", "user_id", "langgraph_user_id", "langgraph_auth_user_id", "graph_id"}
    assert told <= set(seen)
    assert (seen["conversation"], seen["user_id"], seen["graph_id"]) == (talk.id, "ann", "assistant")
    at: Any = {"configurable": {"thread_id": talk.threads.thread_of(talk.id, "assistant")}}  # type: ignore[arg-type]
    async for each in talk.threads.reader().alist(at):
        assert not told & set(each.metadata)
