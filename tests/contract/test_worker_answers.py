"""A worker on real Redis: turns come in, finals come out, and the thread says the same."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.types import interrupt

from services.conversation.graph.build import Graph, build_assistant
from services.conversation.graph.models import open_model
from services.conversation.graph.state import ThreadState
from services.conversation.intake import SWEEP_S
from services.conversation.keeper import Keeper
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.runtime.metrics import Metrics
from tests.support.model_server import Answer, ModelServer
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import ANN, ASSISTANT, BOB, Talk, WorkerProcess, graph_of, worker_in_process


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


def assistant(token_s: float = 0.0, model: str = "") -> Graph:
    return build_assistant(open_model(model, token_s=token_s))


async def types_of(talk: Talk, turn: Any) -> list[str]:
    return [event["type"] for event in await talk.events(turn=turn)]


WHOLE = ["turn.started", "message.started", "message.completed", "turn.finished"]


async def test_an_answer_is_started_streamed_and_completed_as_the_thread_has_it(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with worker_in_process(workers_redis, assistant(0.002), delta_ms=5.0) as worker:
        talk = await Talk.new(bus)
        turn = await talk.say("count to 30")
        await talk.finished(turn)
        assert await types_of(talk, turn) == WHOLE
        [completed] = await talk.events("message.completed")
        assert completed["text"] == (await talk.thread())[-1].text
        assert completed["usage"]["output_tokens"] > 30
        assert worker._tools.metrics.deltas._value.get() > 3


async def test_the_wait_for_first_words_is_measured_also_of_an_answer_that_comes_at_once(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    """And once for each answer, however it comes."""
    metrics = Metrics()

    def measured() -> float | None:
        return metrics.registry.get_sample_value("continuo_first_delta_seconds_count")

    whole = graph_of(answer=lambda _: {"messages": [AIMessage("at once")]})
    for agent, answers in ((whole, 1), (assistant(0.002), 2)):
        async with worker_in_process(workers_redis, agent, metrics=metrics, delta_ms=5.0):
            talk = await Talk.new(bus)
            await talk.finished(await talk.say("count to 30"))
            await eventually(lambda: measured() == answers)  # noqa: B023 - awaited here


async def test_messages_are_answered_in_their_order_and_each_once(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with worker_in_process(workers_redis, assistant()):
        talk = await Talk.new(bus)
        turns = [await talk.say(f"count to {number}") for number in range(1, 9)]
        for turn in turns:
            assert (await talk.finished(turn))["outcome"] == "completed"
        assert [event["turn"] for event in await talk.events("turn.finished")] == turns
        texts = [event["text"] for event in await talk.events("message.completed")]
        assert [text.removesuffix(". Done.").rsplit(" ", 1)[-1] for text in texts] == list("12345678")


async def test_it_knows_who_said_what(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    async with worker_in_process(workers_redis, assistant()):
        talk = await Talk.new(bus, BOB)
        await talk.answer("My name is Ada")
        await talk.answer("I like tea", BOB)
        assert "Ada" in await talk.answer("What is my name?", ANN)
        assert "Ada" not in await talk.answer("What is my name?", BOB)
        assert "“I like tea”" in await talk.answer("What did bob say?", ANN)


async def test_many_conversations_are_answered_side_by_side(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    async with worker_in_process(workers_redis, assistant(0.005), conversations=4):
        talks = [await Talk.new(bus) for _ in range(8)]
        turns = [await talk.say("count to 20") for talk in talks]
        for talk, turn in zip(talks, turns, strict=True):
            assert (await talk.finished(turn))["outcome"] == "completed"


async def test_a_named_model_answers_over_its_own_client(
    workers_redis: EmbeddedRedis, bus: Bus, server: ModelServer
) -> None:
    server.will_say("The", " sky 😀", " is", " blue.")
    async with worker_in_process(workers_redis, assistant(model="openai:gpt-4o-mini")):
        talk = await Talk.new(bus)
        assert await talk.answer("Why?") == "The sky 😀 is blue."
        [completed] = await talk.events("message.completed")
        assert completed["usage"] == {"input_tokens": 7, "output_tokens": 4, "total_tokens": 11}


async def test_a_model_that_breaks_off_is_asked_again_and_its_half_answer_taken_back(
    workers_redis: EmbeddedRedis, bus: Bus, server: ModelServer
) -> None:
    server.answers.append(Answer(tokens=["Half", " an", " answer"], hold_after=2, cut_after=2))
    server.will_say("A whole answer.")
    async with worker_in_process(workers_redis, assistant(model="openai:gpt-4o-mini"), delta_ms=0.0):
        talk = await Talk.new(bus)
        turn = await talk.say("Why?")
        await talk.streaming(turn, units=4)
        server.go_on.set()
        assert (await talk.finished(turn))["outcome"] == "completed"
        [retracted] = await talk.events("message.retracted", turn)
        [completed] = await talk.events("message.completed", turn)
        assert completed["text"] == "A whole answer."
        assert retracted["attempt"] != completed["attempt"]
        assert [message.type for message in await talk.thread()] == ["human", "ai"]


async def test_a_model_that_refuses_fails_the_turn_with_a_reason_and_the_next_turn_works(
    workers_redis: EmbeddedRedis, bus: Bus, server: ModelServer
) -> None:
    server.answers.append(Answer(status=401))
    async with worker_in_process(workers_redis, assistant(model="openai:gpt-4o-mini")):
        talk = await Talk.new(bus)
        end = await talk.finished(await talk.say("Why?"))
        assert (end["outcome"], "status 401" in end["reason"]) == ("failed", True)
        server.will_say("Because.")
        assert await talk.answer("And now?") == "Because."


async def test_a_graph_that_raises_fails_its_turn_and_not_the_worker(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    def answer(state: ThreadState) -> ThreadState:
        if "break" in str(state["messages"][-1].text):
            raise ZeroDivisionError("a secret text")
        return {"messages": [AIMessage("Fine.")]}

    async with worker_in_process(workers_redis, graph_of(answer=answer)):
        talk = await Talk.new(bus)
        end = await talk.finished(await talk.say("break"))
        assert end["outcome"] == "failed"
        assert end["reason"] == "the agent failed (ZeroDivisionError)"
        assert await talk.answer("go on") == "Fine."


async def test_a_running_turn_is_cancelled_and_what_it_said_is_taken_back(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with worker_in_process(workers_redis, assistant(0.05)):
        talk = await Talk.new(bus)
        turn = await talk.say("count to 1000")  # 50 s of talking
        await talk.streaming(turn)
        assert await bus.turns.cancel(talk.id, ANN, turn) == [turn]
        end = await talk.finished(turn, within_s=10.0)
        assert end["outcome"] == "cancelled"
        assert await types_of(talk, turn) == [
            "turn.started",
            "message.started",
            "message.retracted",
            "turn.finished",
        ]
        assert [message.type for message in await talk.thread()] == ["human"]
        assert "message 2" in await talk.answer("hello")


async def test_a_graph_that_swallows_the_cancel_is_left_behind(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    stubborn = asyncio.Event()

    async def answer(state: ThreadState) -> ThreadState:
        if "stay" not in str(state["messages"][-1].text):
            return {"messages": [AIMessage("Fine.")]}
        while not stubborn.is_set():
            try:
                await stubborn.wait()
            except asyncio.CancelledError:
                continue
        return {"messages": [AIMessage("Too late.")]}

    async with worker_in_process(workers_redis, graph_of(answer=answer)):
        talk = await Talk.new(bus)
        turn = await talk.say("stay")
        await eventually(lambda: talk.events("turn.started", turn))
        await bus.turns.cancel(talk.id, ANN, turn)
        assert (await talk.finished(turn))["outcome"] == "cancelled"
        assert await talk.answer("go on") == "Fine."
        stubborn.set()
        assert await talk.answer("go on") == "Fine."
        assert "Too late." not in [message.text for message in await talk.thread()]


BRIEF_LEASE_S = 1.5
BLOCKED_S = BRIEF_LEASE_S + SWEEP_S + 1.0
"""Long enough for the lease to run out, for a rival's sweep to find it, and for its claim. The lease is long
against what a busy machine adds to a renewal.
"""


async def blocked_beyond_its_lease(redis: EmbeddedRedis, bus: Bus, folder: Path) -> list[str]:
    """A worker whose loop takes no step for longer than its lease, another one waiting for its
    conversation; what the turn was.
    """
    rival = asyncio.Event()

    async def answer(_: ThreadState) -> ThreadState:
        await rival.wait()
        time.sleep(BLOCKED_S)  # noqa: ASYNC251 - this is the fault
        return {"messages": [AIMessage("Done.")]}

    async with worker_in_process(redis, graph_of(answer=answer), lease_s=BRIEF_LEASE_S):
        talk = await Talk.new(bus)
        turn = await talk.say("think hard")
        await eventually(lambda: talk.events("turn.started", turn))
        async with WorkerProcess(redis, folder, CONTINUO_LEASE_S=str(BRIEF_LEASE_S)):
            rival.set()
            await talk.finished(turn)
        return await types_of(talk, turn)


@pytest.mark.slow
async def test_a_node_that_blocks_the_loop_does_not_lose_its_conversation(
    own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with open_bus(own_redis) as bus:
        assert await blocked_beyond_its_lease(own_redis, bus, tmp_path) == WHOLE


@pytest.mark.slow
async def test_without_renewal_a_blocked_loop_does_lose_it(
    own_redis: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what the keeper's own thread is for."""

    async def renews_nothing(_: Keeper, __: Bus) -> bool:
        return True

    monkeypatch.setattr(Keeper, "_renew", renews_nothing)
    async with open_bus(own_redis) as bus:
        types = await blocked_beyond_its_lease(own_redis, bus, tmp_path)
        assert types.count("turn.started") >= 2


async def test_only_speaking_nodes_are_heard_and_only_the_thread_is_final(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    """An inner node's thoughts stream too, and are never said; what a node rewrites is said as rewritten."""
    model = open_model("", token_s=0.001)

    async def think(state: ThreadState) -> ThreadState:
        await model.ainvoke(state["messages"])
        return {}

    async def answer(state: ThreadState) -> ThreadState:
        said = await model.ainvoke(state["messages"])
        return {"messages": [AIMessage(id=said.id, content=str(said.text).upper())]}

    async with worker_in_process(workers_redis, graph_of(think=think, answer=answer), delta_ms=0.0):
        talk = await Talk.new(bus)
        text = await talk.answer("count to 12")
        assert text.endswith("11, 12. DONE.")
        assert len(await talk.events("message.started")) == 1


async def test_text_that_comes_to_stand_in_no_thread_is_taken_back(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    model = open_model("", token_s=0.001)

    async def answer(state: ThreadState) -> ThreadState:
        await model.ainvoke(state["messages"])
        return {"messages": [AIMessage("Something else.")]}

    async with worker_in_process(workers_redis, graph_of(answer=answer), delta_ms=0.0):
        talk = await Talk.new(bus)
        turn = await talk.say("count to 12")
        await talk.finished(turn)
        [completed] = await talk.events("message.completed", turn)
        assert completed["text"] == "Something else."
        assert len(await talk.events("message.retracted", turn)) == 1


async def test_a_turn_of_several_messages_completes_each_when_the_thread_has_it(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    held = asyncio.Event()

    def first(_: ThreadState) -> ThreadState:
        return {"messages": [AIMessage("One.")]}

    async def second(_: ThreadState) -> ThreadState:
        await held.wait()
        return {"messages": [AIMessage("Two.")]}

    async with worker_in_process(workers_redis, graph_of(first=first, second=second)):
        talk = await Talk.new(bus)
        turn = await talk.say("both")
        [one] = await eventually(lambda: talk.events("message.completed", turn))
        assert one["text"] == "One."
        held.set()
        await talk.finished(turn)
        assert [event["text"] for event in await talk.events("message.completed", turn)] == ["One.", "Two."]


async def test_a_graph_that_waits_for_a_person_ends_its_turn_as_interrupted(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    def answer(_: ThreadState) -> ThreadState:
        return {"messages": [AIMessage(str(interrupt("Sure?")))]}

    async with worker_in_process(workers_redis, graph_of(answer=answer)):
        talk = await Talk.new(bus)
        assert (await talk.finished(await talk.say("do it")))["outcome"] == "interrupted"


async def test_an_agent_that_says_nothing_just_finishes(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    def answer(_: ThreadState) -> ThreadState:
        return {}

    async with worker_in_process(workers_redis, graph_of(answer=answer)):
        talk = await Talk.new(bus)
        turn = await talk.say("hush")
        assert (await talk.finished(turn))["outcome"] == "completed"
        assert await types_of(talk, turn) == ["turn.started", "turn.finished"]


async def test_a_draft_the_journal_lost_is_told_anew(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    """A failover can take back deltas, which are not waited for: the next one then does not fit."""
    async with worker_in_process(workers_redis, assistant(0.02), delta_ms=5.0):
        talk = await Talk.new(bus)
        turn = await talk.say("count to 60")
        await talk.streaming(turn)
        at = bus.floor.keys.conversation(talk.id)
        open_now: Any = await bus.floor.commands.hkeys(at.spoken)  # type: ignore[misc]
        await bus.floor.commands.hincrby(at.spoken, open_now[0], -3)  # type: ignore[misc]
        assert (await talk.finished(turn))["outcome"] == "completed"
        [retracted] = await talk.events("message.retracted", turn)
        started = [event["message"] for event in await talk.events("message.started", turn)]
        [completed] = await talk.events("message.completed", turn)
        assert retracted["message"] == started[0] == open_now[0].decode()
        assert completed["message"] == started[1]
        assert completed["text"] == (await talk.thread())[-1].text


async def test_a_worker_answers_with_threads_kept_by_the_stock_saver(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with worker_in_process(workers_redis, assistant(), checkpointer="redis", thread_checkpoints=3):
        talk = await Talk.new(bus, checkpointer="redis")
        for number in range(3):
            await talk.answer(f"hello {number}")
        assert "message 4" in await talk.answer("still there?")

        async def checkpoints() -> bool:
            pattern = f"checkpoint:*{talk.id}*"
            return len([key async for key in bus.floor.commands.scan_iter(pattern, count=10_000)]) == 3

        assert await eventually(checkpoints)
    keys = bus.floor.keys.thread(f"{talk.id}.{ASSISTANT}").reading
    assert not await bus.floor.commands.exists(*keys)


async def test_a_thread_nobody_writes_to_ends_when_it_is_told_to(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with worker_in_process(workers_redis, assistant(), thread_ttl_s=1000):
        talk = await Talk.new(bus)
        await talk.answer("hello")
        for key in bus.floor.keys.thread(f"{talk.id}.{ASSISTANT}").reading:
            assert 900 < await bus.floor.commands.ttl(key) <= 1000


async def test_a_step_too_large_fails_its_turn_and_the_next_goes_on(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    async with worker_in_process(workers_redis, assistant(), thread_step_bytes=20_000):
        talk = await Talk.new(bus)
        turn = await talk.say("x" * 30_000)
        end = await talk.finished(turn)
        assert end["outcome"] == "failed"
        assert "CONTINUO_THREAD_STEP_BYTES allows 20000" in end["reason"]
        assert "the first message" in await talk.answer("hello")


async def test_a_thread_keeps_a_bounded_number_of_checkpoints(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    async with worker_in_process(workers_redis, assistant(), thread_checkpoints=4, thread_turns=1):
        talk = await Talk.new(bus)
        for number in range(5):
            await talk.answer(f"hello {number}")

        async def checkpoints() -> bool:
            config: Any = {"configurable": {"thread_id": talk.threads.thread_of(talk.id, ASSISTANT)}}
            kept = [each async for each in talk.threads.reader().alist(config)]
            return len(kept) == 5  # the four of its last turn, and where it stood before

        assert await eventually(checkpoints)
        assert "message 6" in await talk.answer("still there?")
