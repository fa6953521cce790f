"""Workers as processes that a graph of their own hurts: it kills them, or holds up their loop."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import TurnId
from tests.support.machine import continuo
from tests.support.odd_worker import POISON, OddWorker, ran
from tests.support.waiting import eventually
from tests.support.workers import ASSISTANT, Talk, WorkerProcess

pytestmark = pytest.mark.slow

ATTEMPTS = 3
PATIENCE = {"CONTINUO_ATTEMPTS": str(ATTEMPTS)}


async def typed(redis: EmbeddedRedis, home: Path, *words: str) -> tuple[int, str]:
    """`continuo dead-letters ...`, as somebody types it: exit code and what it printed."""
    extra = {"CONTINUO_REDIS_SENTINELS": redis.sentinels}
    ended = await asyncio.to_thread(continuo, home, "dead-letters", *words, extra=extra)
    assert not ended.stderr, ended.stderr
    return ended.returncode, ended.stdout


async def one_after_the_other(redis: EmbeddedRedis, folder: Path) -> None:
    """Workers that take the poisoned turn, each of which dies of it."""
    for _ in range(ATTEMPTS):
        worker = OddWorker(redis, folder, "deadly", **PATIENCE)
        worker.child.start()
        assert await worker.child.ended(40.0), worker.log.read_text()


async def test_a_turn_that_kills_each_worker_is_given_up_and_can_be_replayed_when_that_is_mended(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    turn, following = await talk.say(POISON), await talk.say("hello")
    await one_after_the_other(redis, tmp_path)
    async with OddWorker(redis, tmp_path, "deadly", **PATIENCE):
        end = await talk.finished(turn)
        assert end["outcome"] == "failed"
        assert end["reason"].startswith(f"gave up after {ATTEMPTS} attempts: each worker")
        assert ran(tmp_path) == ["died"] * ATTEMPTS
        assert (await talk.finished(following))["outcome"] == "completed"
        await the_letter_is_looked_at(redis, tmp_path, talk, turn)
        (tmp_path / "mended").touch()
        again = await replayed(redis, tmp_path, turn)
        assert (await talk.finished(again))["outcome"] == "completed"
    assert [event["text"] for event in await talk.events("message.completed", again)] == [f"Alive: {POISON}."]
    assert [each.text for each in await talk.thread()][-1] == f"Alive: {POISON}."
    assert len(await talk.events("turn.finished", turn)) == 1
    assert await typed(redis, tmp_path, "discard", turn) == (0, f"discarded turn {turn}\n")
    code, said = await typed(redis, tmp_path, "show", turn)
    assert (code, "there is no dead letter" in said) == (1, True)


async def the_letter_is_looked_at(redis: EmbeddedRedis, home: Path, talk: Talk, turn: TurnId) -> None:
    code, listed = await typed(redis, home, "list", "--conversation", talk.id, "--json")
    [letter] = [json.loads(line) for line in listed.splitlines()]
    assert code == 0
    assert (letter["turn"], letter["kind"], letter["conversation"]) == (turn, "poisoned", talk.id)
    code, shown = await typed(redis, home, "show", turn)
    known = json.loads(shown)
    assert (code, known["attempts"], known["agent"]) == (0, ATTEMPTS + 1, "assistant")
    assert POISON not in shown.replace("poisoned", "")
    code, told = await typed(redis, home, "show", turn, "--text")
    said: list[dict[str, Any]] = json.loads(told)["said"]
    assert [(each["message"], each["by"], each["text"]) for each in said] == [
        (known["messages"][0], "ann", POISON)
    ]


async def replayed(redis: EmbeddedRedis, home: Path, turn: TurnId) -> TurnId:
    """The turn queued anew; asking twice queues it once."""
    _, first = await typed(redis, home, "replay", turn)
    _, second = await typed(redis, home, "replay", turn)
    word, again = first.split()[0], first.split()[-1]
    assert (word, second) == ("replayed", f"was replayed before as turn {again}\n")
    assert turn not in (await typed(redis, home, "list"))[1]
    assert f"replayed as turn {again}" in (await typed(redis, home, "list", "--all"))[1]
    return TurnId(again)


async def test_a_process_whose_loop_is_held_up_for_longer_than_its_lease_keeps_its_conversation(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    async with OddWorker(redis, tmp_path, "blocking"):
        turn = await talk.say("think hard")
        await eventually(lambda: ran(tmp_path) == ["answer"], within_s=20.0)
        async with WorkerProcess(redis, tmp_path):
            (tmp_path / "rival").touch()
            await talk.finished(turn)
    types = [event["type"] for event in await talk.events(turn=turn)]
    assert types == ["turn.started", "message.started", "message.completed", "turn.finished"]
    assert [event["text"] for event in await talk.events("message.completed", turn)] == ["Done."]


async def test_a_node_whose_writes_are_stored_does_not_run_again_when_its_neighbour_kills_the_process(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    talk = await Talk.new(bus)
    turn = await talk.say("both")
    async with OddWorker(redis, tmp_path, "parallel") as first:
        await eventually(lambda: stored(talk), within_s=20.0)
        (tmp_path / "die").touch()
        assert await first.child.ended(10.0)
    (tmp_path / "mended").touch()
    async with OddWorker(redis, tmp_path, "parallel"):
        assert (await talk.finished(turn))["outcome"] == "completed"
    assert sorted(ran(tmp_path)[:2]) == ["left", "right"]
    assert ran(tmp_path)[2:] == ["right", "join"]
    said = [event["text"] for event in await talk.events("message.completed", turn)]
    assert sorted(said) == ["Both.", "Left.", "Right."]
    assert [each.text for each in await talk.thread()][1:] == said


async def stored(talk: Talk) -> bool:
    """Whether what the left node wrote stands in the thread."""
    thread = talk.threads.thread_of(talk.id, ASSISTANT)
    saved = await talk.threads.reader().aget_tuple({"configurable": {"thread_id": thread}})
    writes = saved.pending_writes or () if saved is not None else ()
    return any(channel == "messages" and "Left." in str(value) for _, channel, value in writes)
