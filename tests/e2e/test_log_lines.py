"""The log of a whole life, as real processes write it: a line for each change of state, none for a token."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from tests.support.door import Device, Door
from tests.support.log_lines import Line, events, lines_of, told
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.waiting import eventually
from tests.support.workers import Talk, WorkerProcess

UP = ["opened", "opened", "opened", "listening", "started", "ready"]
"""Of a connection process: tracing, bus, server."""
DOWN = ["told to stop", "drain moved", "drain moved", "closed", "closed", "closed", "ended"]
SPOKEN = ["lease taken", "turn begun", "turn finished", "lease let go"]


class Porter(Door):
    """The presence service."""

    MODULE = "services.presence"


async def said(device: Device, talk: str, text: str) -> None:
    """Say it, and read until it is answered."""
    before = ended(device)
    data = {"conversation": talk, "id": new_id(), "text": text}
    assert "rpc" in await device.ask(rpc={"method": "conversation.send", "data": data})
    async with asyncio.timeout(30):
        while ended(device) == before:
            await device.line()


def ended(device: Device) -> int:
    return sum(each["pub"]["data"].get("type") == "turn.finished" for each in device.pushes if "pub" in each)


async def live(door: Door, worker: WorkerProcess, porter: Porter) -> dict[str, str]:
    """One conversation from its beginning to its end, and the end of all processes; what was used."""
    device, talk = await door.arrive("ann"), new_id()
    connection = device.user_position.get("client", "")
    await device.ask(rpc={"method": "conversation.create", "data": {"id": talk}})
    await device.ask(subscribe={"channel": f"conversation:{talk}"})
    await said(device, talk, "count to 20")
    await eventually(lambda: "lease let go" in worker.log.read_text())
    for change in ("add", "remove"):
        data = {"conversation": talk, "user": "bob"}
        await device.ask(rpc={"method": f"conversation.members.{change}", "data": data})
    await device.ask(rpc={"method": "conversation.delete", "data": {"conversation": talk}})
    await eventually(lambda: "subscriptions ended" in door.log())
    await device.connection.close()
    await eventually(lambda: "connection closed" in door.log())
    worker.signal(signal.SIGTERM)
    assert await worker.child.ended(10)
    return {"talk": talk, "connection": connection}


@pytest.fixture
async def told_lives(redis: EmbeddedRedis, tmp_path: Path) -> dict[str, list[Line]]:
    with OtlpReceiver() as receiver:
        traced = receiver.environ("http/protobuf")
        async with (
            Porter(redis, tmp_path / "porter", **traced) as porter,
            WorkerProcess(redis, tmp_path, **traced) as worker,
            Door(redis, tmp_path / "door", **traced) as door,
        ):
            await live(door, worker, porter)
    return {
        "connection": lines_of(door.log()),
        "conversation": lines_of(worker.log),
        "presence": lines_of(porter.log()),
    }


async def test_a_whole_life_has_a_line_for_each_change_in_order(told_lives: dict[str, list[Line]]) -> None:
    connection, conversation = told(told_lives["connection"]), told(told_lives["conversation"])
    lived = events(connection)
    before, after = (
        [*UP, "connection opened", "conversation created", "member added", "member removed"],
        len(DOWN),
    )
    assert lived[: len(before)] == before
    # Its own reply and the word to all who follow race each other.
    assert sorted(lived[len(before) : -after - 1]) == ["conversation deleted", "subscriptions ended"]
    assert lived[-after - 1 :] == ["connection closed", *DOWN]
    of_the_house = ("opened", "closed", "started", "ready")
    assert [each for each in events(conversation) if each not in of_the_house] == [
        *SPOKEN,
        "told to stop",
        "ended",
    ]
    presence = [each for each in events(told(told_lives["presence"])) if each not in of_the_house]
    assert sorted(presence[:3]) == ["masters counted", "node changed", "shards changed"]
    assert presence[-2:] == ["told to stop", "ended"]
    for lines in told_lives.values():
        parts = [[line["part"] for line in lines if line["event"] == word] for word in ("opened", "closed")]
        assert parts[0] == parts[1][::-1]


async def test_lines_carry_the_ids_of_what_they_are_within(told_lives: dict[str, list[Line]]) -> None:
    connection, conversation = told(told_lives["connection"]), told(told_lives["conversation"])
    at = {line["event"]: line for line in connection + conversation}
    opened, created = at["connection opened"], at["conversation created"]
    for word in ("connection opened", "conversation created", "member added", "member removed"):
        assert at[word]["connection"] == opened["connection"], word
    assert len(opened["trace"]) == 32
    assert at["connection closed"]["code"] == 3000
    assert at["connection closed"]["trace"] == opened["trace"]
    for word in ("member added", "conversation deleted", *SPOKEN):
        assert at[word]["conversation"] == created["conversation"], word
    begun, finished = at["turn begun"], at["turn finished"]
    assert len(begun["trace"]) == 32
    for key in ("turn", "attempt", "trace"):
        assert begun[key] == finished[key], key
    assert {(line["service"], bool(line["node"])) for line in connection} == {("connection", True)}


async def lines_of_a_turn(talk: Talk, worker: WorkerProcess, tokens: int) -> list[Any]:
    before = len(lines_of(worker.log))
    turn = await talk.say(f"count to {tokens}")
    assert (await talk.finished(turn))["outcome"] == "completed"

    def lines() -> list[Any]:
        return events(lines_of(worker.log)[before:], conversation=talk.id)

    await eventually(lambda: lines()[-1:] == ["lease let go"])
    return lines()


async def test_a_long_answer_has_as_many_lines_as_a_short_one(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    """At debug, too: tokens are counted, not told."""
    async with WorkerProcess(redis, tmp_path, CONTINUO_LOG_LEVEL="debug", CONTINUO_DELTA_MS="0") as worker:
        talk = await Talk.new(bus)
        await talk.answer("hello")
        await eventually(lambda: "lease let go" in worker.log.read_text())
        short, long = [await lines_of_a_turn(talk, worker, tokens) for tokens in (20, 400)]
        deltas = len(await talk.events("message.completed"))
    assert short == long == SPOKEN
    assert deltas == 3


@pytest.mark.slow
async def test_redis_away_for_long_is_told_once_and_its_return_once(tmp_path: Path) -> None:
    """However often each part tried again meanwhile."""
    async with (
        EmbeddedRedis(tmp_path / "redis") as redis,
        Porter(redis, tmp_path / "porter", CONTINUO_LOG_LEVEL="debug") as porter,
        WorkerProcess(redis, tmp_path, CONTINUO_LOG_LEVEL="debug") as worker,
        Door(redis, tmp_path / "door", CONTINUO_LOG_LEVEL="debug") as door,
    ):
        for name in redis.names:
            redis.child(name).freeze()
        logs = (lambda: door.log(), lambda: worker.log.read_text(), lambda: porter.log())
        await eventually(lambda: all(log().count("redis away") >= 4 for log in logs), within_s=90)
        outages = [events(told(lines_of(log()), "warning")) for log in logs]
        for name in redis.names:
            redis.child(name).thaw()
        await eventually(lambda: all("redis back" in log() for log in logs), within_s=60)
    for log in logs:
        back = next(line for line in lines_of(log()) if line["event"] == "redis back")
        assert back["times"] >= 4
    for worried in outages:
        assert "redis away" in worried
        assert len(set(worried)) == len(worried), worried


@pytest.mark.slow
async def test_a_turn_that_goes_from_worker_to_worker_says_so_once_at_each(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    """Begun by one that is killed, taken over by one that is drained, finished by a third."""
    slowly = {"CONTINUO_TOKEN_MS": "20", "CONTINUO_DRAIN_S": "0.2"}
    talk = await Talk.new(bus)
    async with WorkerProcess(redis, tmp_path, **slowly) as killed:
        turn = await talk.say("count to 400")
        await talk.streaming(turn)
        killed.child.kill()
    async with WorkerProcess(redis, tmp_path, **slowly) as drained:
        await eventually(lambda: "turn begun" in drained.log.read_text(), within_s=20)
        await talk.streaming(turn)
        async with WorkerProcess(redis, tmp_path) as last:
            drained.signal(signal.SIGTERM)
            assert (await talk.finished(turn, within_s=30))["outcome"] == "completed"
            assert await drained.child.ended(10)
            await eventually(lambda: "lease let go" in last.log.read_text())
    within = [events(told(lines_of(one.log)), conversation=talk.id) for one in (killed, drained, last)]
    dead, passed_on, finished = within
    assert (dead, finished) == (["lease taken", "turn begun"], SPOKEN)
    assert passed_on[:4] == ["lease taken over", "turn begun", "turn left", "lease handed over"]
    # A word of the conversation that both roads brought is claimed again only to be handed over.
    assert passed_on[4:] in ([], ["lease taken", "lease handed over"])
    attempts = [
        line["attempts"] for one in (drained, last) for line in lines_of(one.log) if "attempts" in line
    ]
    assert attempts == [2, 3]
