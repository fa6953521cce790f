"""The gallery: LangGraph projects of every form, as their authors wrote them, run by a worker that is killed.

All of them at once: each agent is asked in a conversation of its own, begins something that has to wait, and
what it did before is stored by then. The worker is killed, another one goes on, and no stored node, task or
tool runs again.
"""

import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import AgentName, ConversationId, MessageId, TurnId, UserId
from services.shared.model.thread import Place
from tests.support.asking import AskingTalk, talk_of
from tests.support.model_server import Answer, ModelServer
from tests.support.open_bus import fresh_id
from tests.support.waiting import eventually
from tests.support.workers import ANN, WorkerProcess

pytestmark = pytest.mark.slow

GALLERY = Path(__file__).parents[1] / "gallery"
ANN_LEE = UserId("ann.lee@home")
RETURN = "__return__"
"""Where a task's result stands."""


@dataclass(frozen=True)
class Piece:
    """An agent of the gallery. stored: nodes whose end is in the thread when it has to wait; pending: writes
    of how many tasks of the step under way. once: what runs once. again: what was amid its work, on
    which of its own tries. said: last, when asked this.
    """

    stored: tuple[str, ...]
    once: tuple[str, ...]
    again: tuple[str, ...]
    said: str
    pending: int = 0
    tries: int = 1
    asked: str = "hello"


def workflow(name: str, user: str) -> Piece:
    return Piece(("greet",), (f"{name} greet",), (f"{name} fetch",), f"{user} has a slip.")


PIECES = {
    "compiled": Piece(("greet",), ("compiled greet", "compiled leave"), ("compiled fetch",), "Goodbye."),
    "builder": Piece(("file",), ("builder file",), ("builder ask",), "They say a slip. The Office"),
    "entry": Piece(
        (),
        ("entry find",),
        ("entry confirm",),
        "“hello” has 5 letters, says a slip. Question 1.",
        pending=1,
    ),
    "plain": workflow("plain", "stranger"),
    "configured": workflow("configured", ANN),
    "served": workflow("served", ANN),
    "both": workflow("both", ANN),
    "later": workflow("later", ANN),
    "held": workflow("held", ANN),
    "held_later": workflow("held_later", ANN),
    "shop": Piece(("model",), ("reserve lamp",), ("reserve chair",), "Both are reserved.", pending=1),
    "team": Piece(
        ("plan", "research"),
        ("team plan", "team research", "team publish"),
        ("team write",),
        "Published.",
    ),
    "fan": Piece(
        (),
        ("fan look north", "fan look south", "fan tell"),
        ("fan look attic",),
        "attic: a slip; north: dust; south: dust",
        pending=2,
    ),
    "retries": Piece(("greet",), ("retries greet",), ("retries call",), "They said a slip.", tries=3),
    "failing": Piece(("begin",), ("failing begin",), ("failing break_down",), "Works again."),
    "memory": Piece((), (), ("memory put",), "Noted.", asked="I like tea"),
    "diary": Piece((), (), ("diary put",), "tea", asked="I like tea"),
    "chatty": Piece((), (), ("chatty think",), "One two.", asked="count"),
}
ASKS = "approval"
"""Is killed in a test of its own: it ends a turn before it has to wait."""


class Desk:
    """Where the projects and a test meet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ledger(self) -> list[str]:
        """What was begun, in order, over all processes."""
        file = self.folder / "ledger"
        return file.read_text().splitlines() if file.exists() else []

    def begun(self, what: str) -> list[str]:
        return [line for line in self.ledger() if f"{line} ".startswith(f"{what} ")]

    def bring(self, name: str) -> None:
        (self.folder / f"{name}.slip").write_text("a slip")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


def worker(redis: EmbeddedRedis, desk: Desk, server: ModelServer | None = None) -> WorkerProcess:
    projects = sorted(GALLERY.glob("*/langgraph.json"))
    variables = {
        "CONTINUO_GRAPHS": ",".join(os.path.relpath(each) for each in projects),
        "CONTINUO_ATTEMPTS": "3",
        "CONTINUO_DRAIN_S": "1",
        "OPENAI_API_KEY": "not-a-key",
        "OPENAI_BASE_URL": server.base_url if server else "http://127.0.0.1:9/v1",
        "DESK": str(desk.folder),
        "SHOP": str(desk.folder),
    }
    return WorkerProcess(redis, desk.folder, **variables)


async def talk_with(bus: Bus, agent: str, *members: UserId) -> AskingTalk:
    talk = await talk_of(bus)
    talk.id = ConversationId(fresh_id())
    await bus.conversations.create(talk.id, ANN, members=members, agents=[AgentName(agent)])
    return talk


async def say(talk: AskingTalk, text: str, user: UserId = ANN) -> TurnId:
    accepted = await talk.bus.messages.accept(talk.id, user, MessageId(fresh_id()), text)
    [turn] = accepted.turns
    return turn


async def answer(talk: AskingTalk, text: str, user: UserId = ANN) -> str:
    turn = await say(talk, text, user)
    assert (await talk.finished(turn))["outcome"] == "completed"
    return str((await talk.events("message.completed", turn))[-1]["text"])


async def ended(talk: AskingTalk, agent: str) -> set[str]:
    """Nodes whose end is in a checkpoint of the thread, also of its subgraphs."""
    config: Any = {"configurable": {"thread_id": talk.threads.thread_of(talk.id, AgentName(agent))}}
    listed = talk.threads.reader().alist(config)
    return {node async for each in listed for node in each.checkpoint["versions_seen"]}


async def thread(talk: AskingTalk, agent: str) -> list[Any]:
    """The thread's messages."""
    config: Any = {"configurable": {"thread_id": talk.threads.thread_of(talk.id, AgentName(agent))}}
    saved = await talk.threads.reader().aget_tuple(config)
    return list(saved.checkpoint["channel_values"]["messages"]) if saved else []


async def pending(talk: AskingTalk, agent: str) -> int:
    """Tasks of the thread's last step whose results are in it."""
    kept = await talk.bus.checkpoints.read(Place(talk.threads.thread_of(talk.id, AgentName(agent)), "", ""))
    writes = kept.writes if kept else ()
    results = [write for write in writes if write.channel == RETURN or write.channel[:2] != "__"]
    return len({write.task for write in results})


async def waiting(desk: Desk, talk: AskingTalk, agent: str, piece: Piece) -> None:
    """Once the agent is amid what has to wait, and all it did before is in its thread."""

    async def so_far() -> bool:
        if any(len(desk.begun(each)) < piece.tries for each in piece.again):
            return False
        if piece.stored and not (await ended(talk, agent)).issuperset(piece.stored):
            return False
        return await pending(talk, agent) >= piece.pending

    await eventually(so_far, within_s=60.0, every_s=0.1)


def test_every_agent_of_the_gallery_is_killed_somewhere() -> None:
    projects = [json.loads(each.read_text()) for each in GALLERY.glob("*/langgraph.json")]
    assert {agent for each in projects for agent in each["graphs"]} == {*PIECES, ASKS}


async def test_every_project_goes_on_where_its_killed_worker_was_and_repeats_nothing_that_is_stored(
    redis: EmbeddedRedis, bus: Bus, desk: Desk, server: ModelServer
) -> None:
    both = Answer((), calls=[("reserve", {"item": "lamp"}), ("reserve", {"item": "chair"})])
    done = Answer(("Both", " are", " reserved."))
    counted = Answer(("One", " two."), hold_after=1)

    def decide(messages: Sequence[Mapping[str, Any]]) -> Answer:
        if messages[-1]["content"] == PIECES["chatty"].asked:
            return counted
        return done if messages[-1]["role"] == "tool" else both

    server.decide = decide
    desk.bring("lamp")
    talks = {agent: await talk_with(bus, agent) for agent in PIECES}
    async with worker(redis, desk, server) as first:
        turns = {agent: await say(talk, PIECES[agent].asked) for agent, talk in talks.items()}
        for agent, talk in talks.items():
            await waiting(desk, talk, agent, PIECES[agent])
        first.child.kill()
        server.go_on.set()
        (desk.folder / "mended").touch()
        async with worker(redis, desk, server):
            for agent in (*PIECES, "chair"):
                desk.bring(agent)
            for agent, talk in talks.items():
                end = await talk.finished(turns[agent], within_s=60.0)
                assert end["outcome"] == "completed", (agent, end)
                assert (await talk.events("message.completed"))[-1]["text"] == PIECES[agent].said
            assert await answer(talks["memory"], "what?") == f"{ANN} likes tea.", "once"
            assert await answer(talks["diary"], "what?") == "tea", "once"
    runs = Counter(" ".join(line.split()[:3]) for line in desk.ledger())
    for agent, piece in PIECES.items():
        assert {each: len(desk.begun(each)) for each in piece.once} == dict.fromkeys(piece.once, 1), agent
        again = {each: len(desk.begun(each)) for each in piece.again}
        assert again == dict.fromkeys(piece.again, 2 * piece.tries), "its policy begins anew with the attempt"
    for numbered in ("team write", "reserve chair"):
        assert len(set(desk.begun(numbered))) == 1, "both attempts had the same number"
    for held in ("held", "held_later"):
        killed = 1
        assert len(desk.begun(f"{held} opened")) == len(desk.begun(f"{held} closed")) + killed, runs


async def test_a_graph_that_asks_waits_over_the_death_of_its_worker_and_goes_on_with_the_answer(
    redis: EmbeddedRedis, bus: Bus, desk: Desk
) -> None:
    talk = await talk_with(bus, ASKS)
    async with worker(redis, desk) as first:
        turn = await say(talk, "write to them")
        assert (await talk.finished(turn, within_s=60.0))["outcome"] == "interrupted"
        first.child.kill()
    async with worker(redis, desk) as second:
        [question] = await talk.asked()
        taken = await talk.reply(question, "yes")
        await eventually(lambda: bool(desk.begun("approval send")), within_s=60.0)
        second.child.kill()
        desk.bring("approval")
        async with worker(redis, desk):
            assert (await talk.finished(taken.turn, within_s=60.0))["outcome"] == "completed"
    assert await talk.lines() == ["write to them", "Drafted.", "Sent: a slip."]
    assert len(desk.begun("approval draft")) == 1


async def test_a_failing_node_fails_its_turn_and_the_next_one_finds_what_went_before_it(
    redis: EmbeddedRedis, bus: Bus, desk: Desk
) -> None:
    talk = await talk_with(bus, "failing")
    desk.bring("failing")
    async with worker(redis, desk):
        end = await talk.finished(await say(talk, "hello"), within_s=60.0)
        assert end["outcome"] == "failed"
        assert "ValueError" in end["reason"]
        assert "out of order" not in end["reason"], "an exception's text may quote what was said"
        assert len(desk.begun("failing begin")) == 1
        (desk.folder / "mended").touch()
        assert await answer(talk, "and now?") == "Works again."
    kinds = [each.type for each in (await thread(talk, "failing"))]
    assert kinds == ["human", "ai", "human", "ai", "ai"]


@pytest.mark.parametrize("agent", ["held", "held_later"])
@pytest.mark.parametrize("way", ["cancelled", "drained"])
async def test_what_a_factory_opened_is_closed_when_its_turn_is_stopped(
    redis: EmbeddedRedis, bus: Bus, desk: Desk, agent: str, way: str
) -> None:
    talk = await talk_with(bus, agent)
    async with worker(redis, desk) as first:
        turn = await say(talk, "hello")
        await waiting(desk, talk, agent, PIECES[agent])
        if way == "cancelled":
            await bus.turns.cancel(talk.id, ANN, turn)
            assert (await talk.finished(turn))["outcome"] == "cancelled"
        first.signal(signal.SIGTERM)
        assert await first.child.ended(30.0)
    assert len(desk.begun(f"{agent} opened")) == len(desk.begun(f"{agent} closed")) > 0


async def test_an_entrypoint_streams_what_the_model_in_its_task_says(
    redis: EmbeddedRedis, bus: Bus, desk: Desk, server: ModelServer
) -> None:
    talk = await talk_with(bus, "chatty")
    server.answers.append(Answer(("One ", "two ", "three ", "four."), hold_after=3))
    async with worker(redis, desk, server):
        turn = await say(talk, "count")
        await talk.streaming(turn, units=8)
        assert await talk.events("message.completed", turn) == []
        server.go_on.set()
        await talk.finished(turn)
        [final] = await talk.events("message.completed", turn)
        assert final["text"] == "One two three four."
        assert await talk.events("message.retracted", turn) == []
        server.will_say("Five.")
        assert await answer(talk, "and on") == "Five."
    shown = [message["content"] for message in server.requests[-1]["messages"]]
    assert shown == ["count", "One two three four.", "and on"], "it remembers by `previous`"


@pytest.mark.parametrize("agent", ["memory", "diary"])
async def test_two_users_memories_in_one_conversation_stay_apart_and_outlive_the_worker(
    redis: EmbeddedRedis, bus: Bus, desk: Desk, agent: str
) -> None:
    talk = await talk_with(bus, agent, ANN_LEE)
    desk.bring(agent)
    async with worker(redis, desk):
        await answer(talk, "I like tea")
        await answer(talk, "I like coffee", ANN_LEE)
    elsewhere = await talk_with(bus, agent, ANN_LEE)
    async with worker(redis, desk):
        for each in (talk, elsewhere):
            mine, theirs = await answer(each, "what?"), await answer(each, "what?", ANN_LEE)
            if agent == "memory":
                assert (mine, theirs) == ("ann likes tea.", "ann.lee@home likes coffee.")
            else:
                assert (mine, theirs) == ("tea", "coffee")
