"""Records of a thread that can't be read, or must not be written: the turn says so, and all else goes on."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from services.conversation.graph.build import build_assistant
from services.conversation.graph.models import open_model
from services.conversation.graph.serde import ThreadSerializer
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.thread_records import encode_value, name
from services.shared.model.errors import UnreadableCheckpoint
from services.shared.model.thread import KeptCheckpoint, Place, Shared
from tests.support.kept_threads import framed
from tests.support.open_bus import open_bus
from tests.support.saver_twins import on
from tests.support.thread_faults import digest, dumped, restore
from tests.support.thread_types import Plan
from tests.support.workers import ANN, ASSISTANT, Talk, graph_of, worker_in_process

LONG = "something to say, and long enough for messages to be kept one by one. " * 12
PLAN = ("tests.support.thread_types", "Plan")


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@dataclass
class Damage:
    """What is done to a checkpoint: to which record, its bytes then (None: gone), what the reason says."""

    record: Callable[[KeptCheckpoint], bytes]
    spoilt: Callable[[bytes], bytes | None]
    reason: str


def header(kept: KeptCheckpoint) -> bytes:
    return name("h", "", kept.place.id)


def body(kept: KeptCheckpoint) -> bytes:
    return name("b", "", kept.place.id)


def value(kept: KeptCheckpoint) -> bytes:
    return name("v", "", "messages", kept.header.versions["messages"])


def last_element(kept: KeptCheckpoint) -> bytes:
    messages = kept.values["messages"]
    assert isinstance(messages, Shared)
    first, count = messages.runs[-1]
    return name("e", "", "messages", first + count - 1)


def unlisted(_: bytes) -> bytes:
    """A value of a type that this worker was not told of."""
    return encode_value(ThreadSerializer([PLAN]).dumps_typed([Plan("secret")]))


DAMAGES = {
    "a header that is cut off": Damage(header, lambda record: record[:-4], "header"),
    "a header of another format": Damage(header, lambda record: b"\x07" + record[1:], "format"),
    "a header that is empty": Damage(header, lambda _: b"", "header"),
    "a header that is gone": Damage(header, lambda _: None, "the header is missing"),
    "a body that is cut off": Damage(body, lambda record: record[: len(record) // 2], "damaged"),
    "a body of another format": Damage(body, lambda record: b"\x00" + record[1:], "is of format 0"),
    "a body that is gone": Damage(body, lambda _: None, "the body is missing"),
    "a value of another kind": Damage(value, lambda _: framed(b"?"), "unknown kind"),
    "a value that is cut off": Damage(value, lambda record: record[:-1], "the value of channel messages"),
    "a value with another bit": Damage(
        value, lambda record: record[:-1] + bytes((record[-1] ^ 1,)), "damaged"
    ),
    "a value of an unlisted type": Damage(value, unlisted, "tests.support.thread_types:Plan"),
    "an element that is gone": Damage(last_element, lambda _: None, "is missing"),
    "an element that is cut off": Damage(last_element, lambda record: record[:40], "damaged"),
}


async def damaged(talk: Talk, thread: str, damage: Damage) -> str:
    """Spoil a record of the thread's latest checkpoint; its id."""
    bus = talk.bus
    kept = await bus.checkpoints.read(Place(thread, ""))
    assert kept is not None
    records, field = bus.floor.keys.thread(thread).records, damage.record(kept)
    commands: Any = bus.floor.commands
    before = await commands.hget(records, field)
    after = damage.spoilt(before)
    assert after != before
    await (commands.hdel(records, field) if after is None else commands.hset(records, field, after))
    return kept.place.id


async def readable(talk: Talk, thread: str, ids: list[str]) -> list[Any]:
    """The values of checkpoints, each by its id."""
    reader = talk.threads.reader()
    found = [await reader.aget_tuple(on(thread, each, "")) for each in ids]
    return [each and each.checkpoint["channel_values"] for each in found]


@pytest.mark.parametrize("part", ["a header", "a body", "a value", "an element"])
async def test_a_checkpoint_that_cannot_be_read_fails_its_turn_by_name_and_nothing_else(
    workers_redis: EmbeddedRedis, bus: Bus, part: str
) -> None:
    graph = build_assistant(open_model("", token_s=0.0))
    async with worker_in_process(workers_redis, graph):
        neighbour = await Talk.new(bus)
        for each, damage in DAMAGES.items():
            if each.startswith(part):
                await fails_alone(bus, each, damage)
                assert await neighbour.answer("still there?")


async def fails_alone(bus: Bus, each: str, damage: Damage) -> None:
    talk = await Talk.new(bus)
    first = await talk.answer(LONG)
    await talk.answer(LONG)
    thread, beside = f"{talk.id}.{ASSISTANT}", f"{talk.id}.other"
    await restore(bus, beside, await dumped(bus, thread))
    before = await digest(bus, beside)
    older = [each.place.id for each in await bus.checkpoints.page(thread, "", before="", count=9)][1:]
    held = await readable(talk, thread, older)
    assert held[-1]

    checkpoint = await damaged(talk, thread, damage)
    end = await talk.finished(await talk.say("and now?"))
    assert end["outcome"] == "failed", each
    assert all(word in end["reason"] for word in (thread, checkpoint, damage.reason)), end["reason"]
    assert "something to say" not in end["reason"]
    assert "secret" not in end["reason"]

    with pytest.raises(UnreadableCheckpoint):
        await readable(talk, thread, [checkpoint])
    assert await readable(talk, thread, older) == held, each
    assert await digest(bus, beside) == before, each
    history = await bus.messages.history(talk.id, ANN)
    assert first in [message.text for message in history.messages]


async def test_a_value_of_an_unlisted_type_fails_the_turn_that_would_keep_it_and_leaves_nothing(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    """Not the next turn, which would find a thread that it can't read."""
    fits: list[Any] = [Plan("secret")]

    async def note(_: ThreadState) -> ThreadState:
        return {"notes": fits.pop() if fits else None}  # type: ignore[typeddict-item]

    async def speak(_: ThreadState) -> ThreadState:
        return {"messages": [AIMessage("Noted.")]}

    async with worker_in_process(workers_redis, graph_of(note=note, speak=speak), speaking=None):
        talk = await Talk.new(bus)
        turn = await talk.say("note this")
        end = await talk.finished(turn)
        assert end["outcome"] == "failed"
        assert f"{PLAN[0]}:{PLAN[1]}" in end["reason"]
        assert "CONTINUO_THREAD_TYPES" in end["reason"]
        assert len(await talk.events("turn.started", turn)) == 1, "a repeat would fail again"
        records, _ = await digest(bus, f"{talk.id}.{ASSISTANT}")
        assert records
        assert not any(b"secret" in record or b"Plan" in record for _, record in records)
        assert await talk.answer("and now?") == "Noted."
