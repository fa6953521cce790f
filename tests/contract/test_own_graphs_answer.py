"""A worker with agents of the user's own, as a process: each answers by its name, nobody for another."""

import os
from pathlib import Path
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.local.processes import Child
from services.shared.model.ids import AgentName, ConversationId, MessageId
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk, WorkerProcess

EXAMPLE = Path(__file__).parents[2] / "k8s/examples/own-agents"
GRAPHS = "assistant=my_agents.graphs:counter,echo=my_agents.graphs:echo"


def environ(graphs: str = GRAPHS) -> dict[str, str]:
    path = os.pathsep.join(part for part in (str(EXAMPLE), os.environ.get("PYTHONPATH", "")) if part)
    return {"CONTINUO_GRAPHS": graphs, "PYTHONPATH": path}


async def ends(talk: Talk, text: str) -> dict[str, dict[str, Any]]:
    """Say something to all agents; the end of each one's turn, by its name."""
    accepted = await talk.bus.messages.accept(talk.id, ANN, MessageId(fresh_id()), text)
    begun = {event["turn"]: event["agent"] for turn in accepted.turns for event in await told(talk, turn)}
    return {begun[turn]: await talk.finished(turn) for turn in accepted.turns}


async def told(talk: Talk, turn: Any) -> list[dict[str, Any]]:
    return await eventually(lambda: talk.events("turn.started", turn), within_s=20.0)


async def test_agents_of_ones_own_answer_by_name_and_a_strangers_turn_fails_with_a_reason(
    workers_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with open_bus(workers_redis) as bus, WorkerProcess(workers_redis, tmp_path, **environ()):
        talk = await Talk.new(bus)
        talk.id = ConversationId(fresh_id())
        agents = [AgentName(name) for name in ("assistant", "echo", "stranger")]
        await bus.conversations.create(talk.id, ANN, members=(), agents=agents)
        first = await ends(talk, "good morning to you")
        assert first["assistant"]["outcome"] == first["echo"]["outcome"] == "completed"
        assert first["stranger"]["outcome"] == "failed"
        assert first["stranger"]["reason"] == "there is no such agent (CONTINUO_GRAPHS has no stranger)"
        await ends(talk, "and again")
        said = [(event["agent"], event["text"]) for event in await talk.events("message.completed")]
        assert sorted(said) == [
            ("assistant", "4 words in 1 messages so far"),
            ("assistant", "6 words in 2 messages so far"),
            ("echo", "AND AGAIN"),
            ("echo", "GOOD MORNING TO YOU"),
        ]


async def test_a_worker_that_can_not_have_its_graphs_ends_at_once_and_says_why(
    workers_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    worker = WorkerProcess(workers_redis, tmp_path, **environ("assistant=my_agents.graphs:nobody"))
    child: Child = worker.child
    child.start()
    assert await child.ended(within_s=30.0)
    assert child.exit_code == 2
    assert "is not there: my_agents.graphs has no nobody" in worker.log.read_text()


@pytest.mark.parametrize("agent", ["assistant", "whoever"])
async def test_without_any_named_the_built_in_agent_answers_under_every_name(
    workers_redis: EmbeddedRedis, tmp_path: Path, agent: str
) -> None:
    async with open_bus(workers_redis) as bus, WorkerProcess(workers_redis, tmp_path):
        talk = await Talk.new(bus)
        talk.id = ConversationId(fresh_id())
        await bus.conversations.create(talk.id, ANN, members=(), agents=[AgentName(agent)])
        assert (await ends(talk, "hello"))[agent]["outcome"] == "completed"
