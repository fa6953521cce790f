"""A real model's client against a server that stalls, refuses, is busy or breaks off, in words or amid a
tool's arguments: each turn ends as its user would expect, with a reason that names the cause; the next works.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy

from services.conversation.graph.build import build_assistant
from services.conversation.graph.models import open_model
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from tests.support.model_server import Answer, ModelServer
from tests.support.open_bus import open_bus
from tests.support.workers import Talk, graph_of, worker_in_process

WHOLE = ["turn.started", "message.started", "message.completed", "turn.finished"]
FAILED = ["turn.started", "turn.finished"]
TAKEN_BACK = ["turn.started", "message.started", "message.retracted", "turn.finished"]
OK = Answer(tokens=["All", " is", " well."])
HALF = Answer(tokens=["Half", " an", " answer"], cut_after=2)
CARD = Answer(tokens=(), calls=[("charge", {"card": "1234567890"})], cut_after=4)
"""Breaks off behind `{"card": "1234`: its pieces are of five characters."""


@dataclass(frozen=True)
class Case:
    """What the server does, and what becomes of the turn. reason: what its end says, empty when completed."""

    answers: tuple[Answer, ...]
    reason: str
    types: list[str]
    settings: dict[str, Any] = field(default_factory=dict)


CASES = {
    "streams": Case((OK,), "", WHOLE),
    "is silent from the first": Case(
        (Answer(hold_after=0),),
        "the agent took too long (nothing came of it for 1 s)",
        FAILED,
        {"turn_idle_s": 1.0},
    ),
    "falls silent amid its answer": Case(
        (Answer(tokens=["Half", " an", " answer"], hold_after=2),),
        "the agent took too long (nothing came of it for 1 s)",
        TAKEN_BACK,
        {"turn_idle_s": 1.0},
    ),
    "takes longer than a turn may": Case(
        (Answer(tokens=["Half", " an", " answer"], hold_after=2),),
        "the agent took too long (it lasted more than 1 s)",
        TAKEN_BACK,
        {"turn_s": 1.0},
    ),
    "is busy, then answers": Case((Answer(status=429), OK), "", WHOLE),
    "stays busy": Case(
        (Answer(status=429),) * 8,
        "the language model is overloaded (status 429, tried 2 times)",
        [FAILED[0], *FAILED],
        {"attempts": 2},
    ),
    "is down": Case(
        (Answer(status=503),) * 8,
        "the language model could not be reached (status 503, tried 2 times)",
        [FAILED[0], *FAILED],
        {"attempts": 2},
    ),
    "does not take the key": Case(
        (Answer(status=401),), "the language model refused the request (status 401)", FAILED
    ),
    "does not take the request": Case(
        (Answer(status=400),), "the language model refused the request (status 400)", FAILED
    ),
    "breaks off amid its answer, then answers": Case((HALF, OK), "", WHOLE),
    "breaks off each time": Case(
        (HALF,) * 2, "the language model could not be reached (", FAILED, {"attempts": 2}
    ),
    "breaks off by an error, then answers": Case((replace(HALF, breaks="error"), OK), "", WHOLE),
    "breaks off by an error each time": Case(
        (replace(HALF, breaks="error", error="overloaded"),) * 2,
        "the language model is overloaded (APIError overloaded, tried 2 times)",
        FAILED,
        {"attempts": 2},
    ),
    "breaks off by an error of its own": Case(
        (replace(HALF, breaks="error", error="server_error"),) * 2,
        "the language model could not be reached (APIError server_error, tried 2 times)",
        FAILED,
        {"attempts": 2},
    ),
    "breaks off as if that were all, then answers": Case((replace(HALF, breaks="end"), OK), "", WHOLE),
    "breaks off as if that were all": Case(
        (replace(HALF, breaks="end"),) * 2,
        "the language model could not be reached (its answer broke off, tried 2 times)",
        FAILED,
        {"attempts": 2},
    ),
}


CALLS = {
    "pays": Case((replace(CARD, cut_after=None), OK), "", []),
    "falls silent": Case(
        (replace(CARD, cut_after=None, hold_after=4),),
        "the agent took too long (nothing came of it for 1 s)",
        [],
        {"turn_idle_s": 1.0},
    ),
    "is cut": Case((CARD, replace(CARD, cut_after=None), OK), "", []),
    "tells an error": Case(
        (replace(CARD, breaks="error", error="overloaded"),) * 2,
        "the language model is overloaded (APIError overloaded, tried 2 times)",
        [],
        {"attempts": 2},
    ),
    "ends without saying why": Case(
        (replace(CARD, breaks="end"),) * 2,
        "the language model could not be reached (its answer broke off, tried 2 times)",
        [],
        {"attempts": 2},
    ),
    "may write no more": Case(
        (replace(CARD, finish="length"),),
        "the language model's answer is not whole (it ended amid the arguments of a tool: length)",
        [],
    ),
    "says it was done": Case(
        (replace(CARD, finish="tool_calls"),),
        "the language model's answer is not whole (it ended amid the arguments of a tool)",
        [],
    ),
    "may not even begin": Case(
        (replace(CARD, cut_after=1, finish="length"),),
        "the language model's answer is not whole (it ended amid the arguments of a tool: length)",
        [],
    ),
}
"""What becomes of a call of a tool that its server writes."""


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
        yield server


@pytest.mark.parametrize("name", CASES)
async def test_each_thing_a_models_server_does_ends_as_its_user_would_expect(
    workers_redis: EmbeddedRedis, bus: Bus, server: ModelServer, name: str
) -> None:
    case = CASES[name]
    server.answers.extend(case.answers)
    graph = build_assistant(open_model("openai:gpt-4o-mini", token_s=0.0))
    async with worker_in_process(workers_redis, graph, delta_ms=0.0, **case.settings):
        talk = await Talk.new(bus)
        turn = await talk.say("Is all well?")
        end = await talk.finished(turn, within_s=60.0)
        assert end.get("reason", "").startswith(case.reason)
        assert end["outcome"] == ("failed" if case.reason else "completed")
        assert not await bus.floor.commands.exists(bus.floor.keys.conversation(talk.id).open)
        types = [event["type"] for event in await talk.events(turn=turn)]
        if "breaks off" not in name:  # how much of it was told before is a race
            assert types == case.types
        finals = await talk.events("message.completed", turn)
        assert [each["text"] for each in finals] == ([] if case.reason else ["All is well."])
        server.go_on.set()
        server.answers.clear()
        assert await talk.answer("And now?") == "Hello there."
        assert [message.type for message in await talk.thread()][-2:] == ["human", "ai"]


@pytest.mark.parametrize("name", CALLS)
async def test_no_tool_runs_with_half_of_what_it_was_to_be_given(
    workers_redis: EmbeddedRedis, bus: Bus, server: ModelServer, name: str
) -> None:
    charged: list[str] = []

    @tool
    async def charge(card: str = "") -> str:
        """Charge a card."""
        charged.append(card)
        return "done"

    case = CALLS[name]
    server.answers.extend(case.answers)
    graph = create_agent(open_model("openai:gpt-4o-mini", token_s=0.0), [charge])
    async with worker_in_process(workers_redis, graph, speaking=None, delta_ms=0.0, **case.settings):
        talk = await Talk.new(bus)
        turn = await talk.say("Is all well?")
        end = await talk.finished(turn, within_s=60.0)
        assert end.get("reason", "") == case.reason
        assert charged == ([] if case.reason else ["1234567890"])
        told = await talk.events("tool.finished", turn)
        assert [each["outcome"] for each in told if each["outcome"] != "cancelled"] == ["completed"] * len(
            charged
        )
        server.go_on.set()
        server.answers.clear()
        assert await talk.answer("And now?") == "Hello there."


@pytest.mark.parametrize("fault", [ConnectionRefusedError, TimeoutError])
async def test_a_tools_own_broken_connection_is_its_own_and_it_is_called_once(
    workers_redis: EmbeddedRedis, bus: Bus, server: ModelServer, fault: type[Exception]
) -> None:
    charged: list[str] = []

    @tool
    async def charge(card: str) -> str:
        """Charge a card."""
        charged.append(card)
        raise fault(f"the bank does not answer for {card}")

    server.answers.append(replace(CARD, cut_after=None))
    graph = create_agent(open_model("openai:gpt-4o-mini", token_s=0.0), [charge])
    async with worker_in_process(workers_redis, graph, speaking=None):
        talk = await Talk.new(bus)
        end = await talk.finished(await talk.say("I pay by card"))
    assert (end["outcome"], end["reason"]) == ("failed", f"the agent failed ({fault.__name__})")
    assert charged == ["1234567890"]


@pytest.mark.parametrize("patient", [False, True])
async def test_a_node_is_tried_as_often_as_its_policy_says(
    workers_redis: EmbeddedRedis, bus: Bus, patient: bool
) -> None:
    tries: list[str] = []

    async def call(_: ThreadState) -> dict[str, Any]:
        tries.append("")
        if patient:
            raise ConnectionError("the line is busy")
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
        return {}

    policy = RetryPolicy(initial_interval=0.01, max_attempts=3, retry_on=ConnectionError)
    graph: Any = StateGraph(ThreadState)
    graph.add_node("call", call, retry_policy=policy).add_edge(START, "call")
    async with worker_in_process(workers_redis, graph.compile()):
        talk = await Talk.new(bus)
        end = await talk.finished(await talk.say("Call them"))
    reason = "the agent failed (ConnectionError)" if patient else "the agent failed (TimeoutError)"
    assert (end["reason"], len(tries)) == (reason, 3 if patient else 1)


async def test_a_tool_may_work_in_silence_for_longer_than_a_model_may_be_silent(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    done = asyncio.Event()

    @tool
    async def slow() -> str:
        """Take as long as three silences."""
        await asyncio.sleep(1.5)
        done.set()
        return "done"

    async def answer(state: ThreadState, config: RunnableConfig) -> ThreadState:
        return {"messages": [AIMessage(await slow.ainvoke({}, config))]}

    async with worker_in_process(workers_redis, graph_of(answer=answer), turn_idle_s=0.5):
        assert await (await Talk.new(bus)).answer("Take your time") == "done"
    assert done.is_set()
