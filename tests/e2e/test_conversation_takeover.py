"""Workers as processes that die, freeze and leave in mid-answer: another one finishes it, once."""

import signal
from pathlib import Path
from typing import Any

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import TurnId
from tests.support.thread_faults import digest
from tests.support.waiting import eventually
from tests.support.workers import ASSISTANT, BOB, Talk, WorkerProcess

PACE = {"CONTINUO_TOKEN_MS": "20"}


async def told_once(talk: Talk, turn: TurnId) -> dict[str, Any]:
    """The turn's final, once it is checked: one, equal to the thread's, which has the question once."""
    assert (await talk.finished(turn))["outcome"] == "completed"
    [final] = await talk.events("message.completed", turn)
    thread = await talk.thread()
    assert [message.text for message in thread if message.type == "ai"][-1] == final["text"]
    asked = [message.id for message in thread if message.type == "human"]
    assert len(asked) == len(set(asked))
    started = (await talk.events("turn.started", turn))[-1]
    assert asked[-1:] == started["messages"]
    assert await open_messages(talk) == 0
    return final


async def thread_at_rest(talk: Talk) -> Any:
    """All that the thread's keys hold, once its worker has let the conversation go."""
    at = talk.bus.floor.keys.conversation(talk.id)

    async def let_go() -> bool:
        return not await talk.bus.floor.commands.exists(at.lease)

    await eventually(let_go)
    return await digest(talk.bus, f"{talk.id}.{ASSISTANT}")


async def open_messages(talk: Talk) -> int:
    at = talk.bus.floor.keys.conversation(talk.id)
    return int(await talk.bus.floor.commands.hlen(at.open))  # type: ignore[misc]


async def test_a_conversation_is_remembered_by_a_new_process(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus, BOB)
    async with WorkerProcess(redis, tmp_path):
        await talk.answer("Hello, my name is Ada Lovelace")
        await talk.answer("I like tea", BOB)
    async with WorkerProcess(redis, tmp_path):
        assert "Ada Lovelace" in await talk.answer("What is my name?")
        assert "“I like tea”" in await talk.answer("What did bob say?")


async def test_the_answer_of_a_killed_worker_is_retracted_and_given_by_another(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    async with WorkerProcess(redis, tmp_path, **PACE) as first:
        turn = await talk.say("count to 200")
        dead = await talk.streaming(turn)
        first.child.kill()
        async with WorkerProcess(redis, tmp_path):
            final = await told_once(talk, turn)
    [retracted] = await talk.events("message.retracted", turn)
    assert retracted["attempt"] == dead
    assert final["attempt"] != dead
    assert final["text"].endswith("199, 200. Done.")


async def test_a_worker_that_wakes_up_after_its_takeover_writes_nothing(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    async with WorkerProcess(redis, tmp_path, **PACE) as first:
        turn = await talk.say("count to 150")
        frozen = await talk.streaming(turn)
        first.child.freeze()  # before the other starts: on a busy machine that takes as long as the answer
        async with WorkerProcess(redis, tmp_path):
            await told_once(talk, turn)
            before, thread = await talk.events(), await thread_at_rest(talk)
            first.child.thaw()

            def gave_up() -> bool:
                return "lease lost" in first.log.read_text()

            await eventually(gave_up, within_s=10.0)
            assert await talk.events() == before
            assert await digest(bus, f"{talk.id}.{ASSISTANT}") == thread
            await told_once(talk, turn)
            assert "count" not in await talk.answer("And what do you remember?")
    assert frozen in {event["attempt"] for event in before if event["type"] == "message.retracted"}


async def test_a_worker_told_to_end_lets_its_turn_finish(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    async with WorkerProcess(redis, tmp_path, **PACE) as worker:
        turn = await talk.say("count to 60")
        attempt = await talk.streaming(turn)
        worker.signal(signal.SIGTERM)
        final = await told_once(talk, turn)
        assert final["attempt"] == attempt
        assert await worker.child.ended(10.0)
        assert worker.child.exit_code == 0


async def test_a_worker_at_its_deadline_hands_its_turn_over_at_once(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    """The lease is an hour long: only a hand-over can let the other worker in."""
    talk, hour = await Talk.new(bus), {"CONTINUO_LEASE_S": "3600"}
    async with WorkerProcess(redis, tmp_path, **PACE, **hour, CONTINUO_DRAIN_S="0.2") as first:
        turn = await talk.say("count to 500")
        attempt = await talk.streaming(turn)
        async with WorkerProcess(redis, tmp_path, **hour):
            first.signal(signal.SIGTERM)
            assert await first.child.ended(10.0)
            assert first.child.exit_code == 0
            final = await told_once(talk, turn)
    assert final["attempt"] != attempt
    assert [event["attempt"] for event in await talk.events("message.retracted", turn)] == [attempt]


async def test_turns_queued_while_no_worker_lives_are_answered_in_order(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    turns = [await talk.say(f"count to {number}") for number in (3, 4, 5)]
    async with WorkerProcess(redis, tmp_path):
        for turn in turns:
            assert (await talk.finished(turn))["outcome"] == "completed"
    finals = [event["text"] for event in await talk.events("message.completed")]
    assert [final.split(", ")[-1] for final in finals] == ["3. Done.", "4. Done.", "5. Done."]
