"""Agents of plain functions, which run in threads that nobody can cancel: what a worker does about them. Real
processes.
"""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import AgentName, ConversationId, MessageId, TurnId
from tests.support.model_server import Answer, ModelServer
from tests.support.open_bus import fresh_id
from tests.support.plain_graph import FOR_EVER, MODEL, NOTES, STUBBORN, TOOLS, WAIT, notes
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk, WorkerProcess

pytestmark = pytest.mark.slow

PACE_S = 0.01
A_SECOND = round(1 / PACE_S)
"""What a slow model says in a second, in tokens."""
AGENTS = ("node", "entry")


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest.fixture
async def worker(redis: EmbeddedRedis, server: ModelServer, tmp_path: Path) -> AsyncIterator[WorkerProcess]:
    variables = {
        "CONTINUO_GRAPHS": "node=tests.support.plain_graph:graph,entry=tests.support.plain_graph:entry",
        "CONTINUO_DRAIN_S": "1",
        "OPENAI_API_KEY": "not-a-key",
        "OPENAI_BASE_URL": server.base_url,
        NOTES: str(tmp_path),
    }
    async with WorkerProcess(redis, tmp_path, **variables) as worker:
        yield worker


async def talk_with(bus: Bus, agent: str) -> Talk:
    talk = await Talk.new(bus)
    talk.id = ConversationId(fresh_id())
    await bus.conversations.create(talk.id, ANN, agents=[AgentName(agent)])
    return talk


async def asked(talk: Talk, text: str) -> TurnId:
    accepted = await talk.bus.messages.accept(talk.id, ANN, MessageId(fresh_id()), text)
    [turn] = accepted.turns
    return turn


async def cancelled(talk: Talk, turn: TurnId) -> None:
    await talk.bus.turns.cancel(talk.id, ANN, turn)
    assert (await talk.finished(turn))["outcome"] == "cancelled"


async def noted(folder: Path, what: str, times: int = 1) -> None:
    await eventually(lambda: notes(folder).count(what) >= times, within_s=30.0)


@pytest.mark.parametrize("agent", AGENTS)
async def test_a_cancel_ends_the_call_of_a_model_within_its_next_words(
    bus: Bus, server: ModelServer, worker: WorkerProcess, tmp_path: Path, agent: str
) -> None:
    server.answers.append(Answer(("word ",) * 10 * A_SECOND, pace_s=PACE_S))
    talk = await talk_with(bus, agent)
    turn = await asked(talk, MODEL)
    await eventually(lambda: server.written > 10, within_s=30.0)
    await cancelled(talk, turn)
    before = server.written
    await noted(tmp_path, f"left {MODEL}")
    assert server.written - before <= A_SECOND, "the model worked on for nobody"
    assert await talk.answer("hello") == "Heard: hello."


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("what", [TOOLS, STUBBORN])
async def test_behind_a_cancel_no_tool_is_called_any_more(
    bus: Bus, worker: WorkerProcess, tmp_path: Path, agent: str, what: str
) -> None:
    talk = await talk_with(bus, agent)
    turn = await asked(talk, what)
    await noted(tmp_path, "first")
    await cancelled(talk, turn)
    (tmp_path / "go").touch()
    await noted(tmp_path, f"left {what}")
    assert "second" not in notes(tmp_path)
    assert await talk.answer("hello") == "Heard: hello."
    assert "second" not in notes(tmp_path)


async def test_many_plain_functions_that_take_their_time_keep_nobody_waiting(
    bus: Bus, worker: WorkerProcess, tmp_path: Path
) -> None:
    waiting = [await talk_with(bus, "node") for _ in range(24)]
    turns = [await asked(talk, WAIT) for talk in waiting]
    await noted(tmp_path, f"began {WAIT}", len(waiting))
    other = await talk_with(bus, "node")
    assert await other.answer("hello") == "Heard: hello."
    (tmp_path / "go").touch()
    for talk, turn in zip(waiting, turns, strict=True):
        assert (await talk.finished(turn))["outcome"] == "completed"


@pytest.mark.parametrize("agent", AGENTS)
async def test_a_worker_that_is_told_to_stop_ends_whatever_plain_functions_do(
    bus: Bus, worker: WorkerProcess, tmp_path: Path, agent: str
) -> None:
    talks = [await talk_with(bus, agent) for _ in range(8)]
    for talk in talks:
        await asked(talk, FOR_EVER)
    await noted(tmp_path, f"began {FOR_EVER}", len(talks))
    worker.signal(signal.SIGTERM)
    assert await worker.child.ended(60.0), worker.log.read_text()
    said = worker.log.read_text()
    assert worker.child.exit_code == 0, said
    assert [said.count(f'"{line}"') for line in ("ended", "threads left behind")] == [1, 1], said
    assert "outlived" not in said
