"""Redis fails in the middle of an answer, or with it the worker: each turn still has one final, equal to the
thread's.
"""

from pathlib import Path

import pytest

from services.local.embedded import EmbeddedRedis
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import Talk, WorkerProcess


@pytest.mark.parametrize("fault", ["kill", "freeze"])
async def test_an_answer_survives_the_loss_of_the_master(tmp_path: Path, fault: str) -> None:
    """The lease outlives the failover: the same attempt goes on; what was lost of its draft is told anew."""
    async with EmbeddedRedis(tmp_path / "redis") as redis, open_bus(redis) as bus:
        worker = WorkerProcess(redis, tmp_path, CONTINUO_TOKEN_MS="20", CONTINUO_LEASE_S="15")
        async with worker:
            talk = await Talk.new(bus)
            turn = await talk.say("count to 100")
            attempt = await talk.streaming(turn)
            lost = redis.master
            (redis.kill if fault == "kill" else redis.freeze)(lost)
            await eventually(lambda: redis.master != lost, within_s=20.0)
            end = await talk.finished(turn, within_s=40.0)
            assert end["outcome"] == "completed", worker.log.read_text()
            assert end["keep"] == "fault"
            [final] = await talk.events("message.completed", turn)
            assert final["attempt"] == attempt
            assert final["text"].endswith("99, 100. Done.")
            assert (await talk.thread())[-1].text == final["text"]
            assert "message 2" in await talk.answer("still there?")


async def test_turns_have_one_final_when_their_worker_and_the_master_die_together(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path / "redis") as redis, open_bus(redis) as bus:
        talks = [await Talk.new(bus) for _ in range(4)]
        async with WorkerProcess(redis, tmp_path, CONTINUO_TOKEN_MS="20") as doomed:
            turns = [await talk.say("count to 500") for talk in talks]
            dead = [await talk.streaming(turn) for talk, turn in zip(talks, turns, strict=True)]
            async with WorkerProcess(redis, tmp_path) as heir:
                lost = redis.master
                redis.kill(lost)
                doomed.child.kill()
                await eventually(lambda: redis.master != lost, within_s=20.0)
                for talk, turn in zip(talks, turns, strict=True):
                    end = await talk.finished(turn, within_s=40.0)
                    assert end["outcome"] == "completed", heir.log.read_text()
                    [final] = await talk.events("message.completed", turn)
                    assert final["attempt"] not in dead
                    assert [each.text for each in await talk.thread()] == ["count to 500", final["text"]]
                    assert "message 2" in await talk.answer("still there?")
