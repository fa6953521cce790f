"""Turns that end amid a tool: a real model's client is never refused for it by the next turn.

The graph is an unchanged project, in a real worker; the model's server refuses, as OpenAI's does, messages in
which a tool call has no answer.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.conversation.graph.rest import STOPPED
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from tests.support.model_server import Answer, ModelServer
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk, WorkerProcess

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[1] / "gallery/tools"
CHAIR, LAMP = ("reserve", {"item": "chair"}), ("reserve", {"item": "lamp"})
CARD = ("charge", {"card": "1234"})


class Shop:
    """The folder in which the project and a test meet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ledger(self) -> list[str]:
        """What tools have begun to do, in order, without the order's number."""
        file = self.folder / "ledger"
        lines = file.read_text().splitlines() if file.exists() else []
        return [" ".join(line.split()[:2]) for line in lines]

    async def begun(self, *lines: str) -> None:
        await eventually(lambda: sorted(self.ledger()) == sorted(lines), within_s=20.0)

    def slip(self, item: str) -> None:
        """The warehouse answers."""
        (self.folder / f"{item}.slip").write_text(f"{item} is yours")


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def worker(redis: EmbeddedRedis, shop: Shop, server: ModelServer, **more: str) -> WorkerProcess:
    variables = {
        "CONTINUO_GRAPHS": "assistant=shop.agent:agent",
        "PYTHONPATH": str(PROJECT),
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_API_KEY": "not-a-key",
        "SHOP": str(shop.folder),
    }
    return WorkerProcess(redis, shop.folder, **variables, **more)


def answers(server: ModelServer) -> dict[str, str]:
    """What the model was shown last of its calls: what answers each."""
    shown: list[dict[str, Any]] = server.requests[-1]["messages"]
    return {each["tool_call_id"]: each["content"] for each in shown if each["role"] == "tool"}


async def cancelled(talk: Talk, turn: Any) -> None:
    await talk.bus.turns.cancel(talk.id, ANN, turn)
    assert (await talk.finished(turn))["outcome"] == "cancelled"


async def test_a_turn_cancelled_amid_a_tool_leaves_a_thread_that_the_next_one_can_use(
    workers_redis: EmbeddedRedis, bus: Bus, shop: Shop, server: ModelServer
) -> None:
    talk = await Talk.new(bus)
    async with worker(workers_redis, shop, server):
        server.answers.append(Answer((), calls=[CHAIR]))
        turn = await talk.say("a chair, please")
        await shop.begun("reserve chair")
        await cancelled(talk, turn)
        kinds = [message.type for message in await talk.thread()]
        assert kinds == ["human", "ai", "tool"]
        [_, called, closing] = await talk.thread()
        [call] = called.tool_calls
        assert (closing.id, closing.status) == (f"closed:{call['id']}", "error")
        assert await talk.answer("never mind") == "Hello there."
    assert answers(server) == {call["id"]: STOPPED}
    assert server.refused == []


async def test_what_other_tools_of_the_cancelled_step_have_answered_is_kept(
    workers_redis: EmbeddedRedis, bus: Bus, shop: Shop, server: ModelServer
) -> None:
    talk = await Talk.new(bus)
    shop.slip("lamp")
    async with worker(workers_redis, shop, server):
        server.answers.append(Answer((), calls=[CHAIR, LAMP]))
        turn = await talk.say("a chair and a lamp, please")
        await shop.begun("reserve chair", "reserve lamp")
        await cancelled(talk, turn)
        assert await talk.answer("never mind") == "Hello there."
    assert sorted(answers(server).values()) == [STOPPED, "lamp is yours"]
    assert server.refused == []


async def test_a_failed_tools_call_is_closed_when_the_next_turn_begins_and_a_done_one_is_not_forgotten(
    workers_redis: EmbeddedRedis, bus: Bus, shop: Shop, server: ModelServer
) -> None:
    talk = await Talk.new(bus)
    shop.slip("lamp")
    async with worker(workers_redis, shop, server, CONTINUO_ATTEMPTS="1"):
        server.answers.append(Answer((), calls=[LAMP, CARD]))
        end = await talk.finished(await talk.say("a lamp, I pay by card"))
        assert end["outcome"] == "failed"
        assert await talk.answer("and now?") == "Hello there."
    assert shop.ledger().count("reserve lamp") == 1
    assert sorted(answers(server).values()) == [STOPPED, "lamp is yours"]
    assert server.refused == []
