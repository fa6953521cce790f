"""The whole way of a restore on real servers: a backup under traffic, a group that is gone, another one with
the backup in it.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from services.local.backup import Backup
from services.local.embedded import EmbeddedRedis
from services.local.loading import lay
from services.local.restored import made_fit
from services.shared.bus.house import Bus
from services.shared.bus.rdb import UnsoundError
from services.shared.model.errors import LeaseLost
from services.shared.model.ids import Channel, ConversationId, MessageId, TurnId
from services.shared.model.position import serves
from services.shared.runtime.clock import SystemClock
from tests.support.bus_house import ANN, House, fresh, house_of
from tests.support.machine import continuo
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.workers import Talk, WorkerProcess


async def talkative(house: House, talk: ConversationId, said: list[MessageId], enough: asyncio.Event) -> None:
    """Say one thing after the other, and note what was acknowledged, until enough and a little longer."""
    left = 20
    while left:
        message = MessageId(fresh())
        await house.messages.accept(talk, ANN, message, "hello")
        said.append(message)
        left -= enough.is_set()


async def backed_up(redis: EmbeddedRedis, bus: Bus, folder: Path) -> Path:
    return await Backup(bus.floor.settings, folder, 3, SystemClock()).run()


@pytest.mark.slow
async def test_a_backup_under_traffic_is_the_house_as_of_one_moment(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path / "one") as one, open_bus(one, fifo_length=100_000) as bus:
        house = house_of(bus)
        talk, idle = await house.conversation(), await house.conversation()
        await house.ask(talk)
        lease = await house.claim(talk)
        turn = await house.begin(lease)
        await house.say(lease, turn, "half an answer")
        said: list[MessageId] = []
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as work:
            work.create_task(talkative(house, talk, said, enough))
            await eventually(lambda: len(said) >= 50, within_s=30)
            sure = list(said)
            backup = await backed_up(one, bus, tmp_path / "backups")
            enough.set()
        channels = [Channel.of_conversation(each) for each in (talk, idle)]
        ahead = {channel: head.position for channel, head in (await bus.journal.tops(channels)).items()}

    lay(backup, tmp_path / "two")
    async with EmbeddedRedis(tmp_path / "two") as two:
        await made_fit({"CONTINUO_REDIS_SENTINELS": two.sentinels}, force=False)
        async with open_bus(two, fifo_length=100_000) as bus:
            house = house_of(bus)
            created = [each for each in await house.events(talk) if each["type"] == "message.created"]
            kept = [each["message"] for each in created[1:]]
            assert kept == said[: len(kept)]
            assert len(sure) <= len(kept) < len(said)
            heads = await bus.journal.tops(channels)
            assert not serves(heads[channels[0]], ahead[channels[0]])
            assert serves(heads[channels[1]], ahead[channels[1]])  # nothing was said there since
            with pytest.raises(LeaseLost):
                await house.turns.finish(lease, turn, "completed")
            mine = await house.claim(talk)
            assert mine.token > lease.token
            assert (await house.begin(mine)).id == turn.id
            for name in two.replicas:
                assert two.child(name).alive
            assert (await bus.inventory.take()).faults == []


@pytest.mark.slow
async def test_one_command_does_it_on_this_machine(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "redis").mkdir(parents=True)
    async with EmbeddedRedis(home / "redis") as before, open_bus(before) as bus:
        talk = await house_of(bus).conversation()
        await house_of(bus).ask(talk)
        backup = await backed_up(before, bus, tmp_path)
        await house_of(bus).ask(talk, "lost")
    done = continuo(home, "restored", "--load", str(backup))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 conversations" in done.stdout
    assert "1 turns wait for workers" in done.stdout
    async with EmbeddedRedis(home / "redis") as after, open_bus(after) as bus:
        told = [event["type"] for event in await house_of(bus).events(talk)]
        assert told.count("message.created") == 1
    async with EmbeddedRedis(home / "redis.before-1") as kept, open_bus(kept) as bus:
        told = [event["type"] for event in await house_of(bus).events(talk)]
        assert told.count("message.created") == 2


def test_a_backup_that_is_not_whole_changes_nothing(tmp_path: Path) -> None:
    here = tmp_path / "redis"
    (here / "redis-1").mkdir(parents=True)
    half = tmp_path / "half.rdb"
    half.write_bytes(b"REDIS0012 and no more")
    with pytest.raises(UnsoundError):
        lay(half, here)
    assert [each.name for each in tmp_path.iterdir() if each.is_dir()] == ["redis"]
    done = continuo(tmp_path, "restored", "--load", str(half))
    assert done.returncode == 1
    assert "no whole backup" in done.stdout
    assert "Nothing was changed" in done.stdout


def test_a_redis_that_was_named_is_not_loaded_over(tmp_path: Path) -> None:
    done = continuo(tmp_path, "restored", "--load", "any.rdb", "--sentinels", "127.0.0.1:1")
    assert done.returncode == 1
    assert "--load is for the Redis of this machine" in done.stdout


@pytest.mark.slow
async def test_a_worker_that_slept_through_a_restore_is_refused_and_its_turn_answered_once(
    tmp_path: Path,
) -> None:
    one = EmbeddedRedis(tmp_path / "one")
    async with one, WorkerProcess(one, tmp_path, "sleeper", CONTINUO_TOKEN_MS="20") as sleeper:
        async with open_bus(one) as bus:
            talk = await Talk.new(bus)
            turn = await talk.say("Please count to 100.")
            attempt = await talk.streaming(turn)
            backup = await backed_up(one, bus, tmp_path / "backups")
            sleeper.child.freeze()
        await one.stop()
        lay(backup, tmp_path / "two")
        async with EmbeddedRedis(tmp_path / "two", tuple(one.ports.values())) as two:
            await made_fit({"CONTINUO_REDIS_SENTINELS": two.sentinels}, force=False)
            async with open_bus(two) as bus, WorkerProcess(two, tmp_path, "fresh", CONTINUO_TOKEN_MS="20"):
                talk = replace(talk, bus=bus)
                await eventually(lambda: _streams_anew(talk, turn, attempt), within_s=30)
                sleeper.child.thaw()
                assert (await talk.finished(turn, 60))["outcome"] == "completed"
                await eventually(lambda: "lease lost" in sleeper.log.read_text(), within_s=30)
                [said] = await talk.events("message.completed", turn)
                assert said["attempt"] != attempt
                assert [each["attempt"] for each in await talk.events("message.retracted")] == [attempt]


async def _streams_anew(talk: Talk, turn: TurnId, before: str) -> bool:
    return await talk.streaming(turn) != before
