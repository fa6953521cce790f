"""A real model's client against a server that stalls, refuses, is busy or breaks off: each turn ends as its
user would expect, with a reason that names the cause; the next one works.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool

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
    "breaks off amid its answer, then answers": Case(
        (Answer(tokens=["Half", " an", " answer"], cut_after=2), OK), "", WHOLE
    ),
    "breaks off each time": Case(
        (Answer(tokens=["Half", " an", " answer"], cut_after=2),) * 2,
        "the language model could not be reached (",
        FAILED,
        {"attempts": 2},
    ),
}


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
