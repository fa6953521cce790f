"""Records nobody can read: each is reported with its thread and checkpoint, by every way that meets it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.model.errors import Broken, UnreadableCheckpoint
from tests.support.kept_threads import Thread, a_thread, framed, packed, shared, write

Reading = Callable[[Thread], Awaitable[Any]]


@pytest.fixture
async def thread(shared_redis: EmbeddedRedis) -> AsyncIterator[Thread]:
    """Its second checkpoint is the one to be spoilt; a third goes on from it."""
    async with a_thread(shared_redis) as opened:
        elements = {"list": {0: packed("zero"), 1: packed("one")}}
        await opened.put("1")
        await opened.put(
            "2",
            "1",
            {"list": "2", "plain": "2"},
            {"list": shared((0, 2)), "plain": ("bytes", b"\0plain")},
            elements,
        )
        await opened.write("2", write("pending", "list"))
        await opened.put("3", "2", whole=True)
        yield opened


async def read(thread: Thread) -> Any:
    return await thread.read("2")


async def page(thread: Thread) -> Any:
    return await thread.port.page(thread.id, "", before="", count=10)


async def past(thread: Thread) -> Any:
    return await thread.port.past(thread.place("3"), ["list", "plain"])


async def past_of_itself(thread: Thread) -> Any:
    return await thread.port.past(thread.place("2"), ["list"])


async def survey(thread: Thread) -> Any:
    return await thread.port.survey(thread.id)


HEADER, BODY = ("h", "", "2"), ("b", "", "2")
PLAIN, RUNS, ELEMENT = ("v", "", "plain", "2"), ("v", "", "list", "2"), ("e", "", "list", 1)
WRITE = ("w", "", "2", "task", 0)
WAYS: dict[tuple[str | int, ...], list[Reading]] = {
    HEADER: [read, page, past, past_of_itself, survey],
    BODY: [read, page],
    PLAIN: [read, past],
    RUNS: [read, past, survey],
    ELEMENT: [read, past],
    WRITE: [read, past],
}
ALL_WAYS: list[Reading] = [read, page, past, past_of_itself, survey]
CASES = [(named, way) for named, ways in WAYS.items() for way in ways]


def ids(case: Any) -> str:
    return str(getattr(case, "__name__", case))


async def is_reported(thread: Thread, way: Reading) -> None:
    with pytest.raises(UnreadableCheckpoint) as raised:
        await way(thread)
    error = raised.value
    assert (error.thread, error.checkpoint) == (thread.id, "2")
    assert "zero" not in str(error)
    # The rest is as readable as it was.
    await thread.read("3")


@pytest.mark.parametrize(("named", "way"), CASES, ids=ids)
async def test_a_record_of_an_unknown_format_is_reported(
    thread: Thread, named: tuple[str | int, ...], way: Reading
) -> None:
    for number in (0, 3, 255):
        record = await thread.record(*named)
        await thread.spoil(bytes((number,)) + record[1:], *named)
        await is_reported(thread, way)


async def outcome(thread: Thread, way: Reading) -> Any:
    """What a way of reading found, or that it named the spoilt checkpoint."""
    try:
        return await way(thread)
    except UnreadableCheckpoint as error:
        return UnreadableCheckpoint, error.thread, error.checkpoint


def flipped(record: bytes) -> Iterator[bytes]:
    """The record with each of its bits another, one at a time."""
    for bit in range(8 * len(record)):
        number = int.from_bytes(record, "big") ^ (1 << bit)
        yield number.to_bytes(len(record), "big")


def cut(record: bytes) -> Iterator[bytes]:
    """The record cut off behind each of its bytes but the last."""
    for length in range(len(record)):
        yield record[:length]


@pytest.mark.parametrize("named", WAYS, ids=ids)
@pytest.mark.parametrize("damages", [flipped, cut], ids=ids)
async def test_damage_is_reported_wherever_it_is_and_never_read_as_something_else(
    thread: Thread, named: tuple[str | int, ...], damages: Callable[[bytes], Iterator[bytes]]
) -> None:
    whole = await thread.record(*named)
    sound = [await way(thread) for way in ALL_WAYS]
    reported = (UnreadableCheckpoint, thread.id, "2")
    for spoilt in damages(whole):
        await thread.spoil(spoilt, *named)
        for way, before in zip(ALL_WAYS, sound, strict=True):
            found = await outcome(thread, way)
            assert found == reported or (found == before and way not in WAYS[named])
    await thread.spoil(whole, *named)
    assert [await way(thread) for way in ALL_WAYS] == sound


@pytest.mark.parametrize(("named", "way"), CASES, ids=ids)
async def test_garbage_is_reported(thread: Thread, named: tuple[str | int, ...], way: Reading) -> None:
    for garbage in (b"\xff\xfe\xfd", b"l\xff", b"\x93\x01", b"d\xc1", b"l\x81\xa1a\x01"):
        for record in (b"\x01" + garbage, framed(garbage)):
            await thread.spoil(record, *named)
            await is_reported(thread, way)


MISSING = [case for case in CASES if case[0] not in {PLAIN, RUNS}]
"""A value may be missing: the channel has none at that version."""


@pytest.mark.parametrize(("named", "way"), MISSING, ids=ids)
async def test_a_missing_record_is_reported(
    thread: Thread, named: tuple[str | int, ...], way: Reading
) -> None:
    await thread.spoil(None, *named)
    await is_reported(thread, way)


HEADERS: list[Any] = [
    [],
    ["1"],
    [1, {"list": "2"}, [], "loop", {}],
    ["1", {"list": 2}, [], "loop", {}],
    ["1", ["list"], [], "loop", {}],
    ["1", {"list": "2"}, [], "loop"],
    {"parent": "1"},
    7,
]


@pytest.mark.parametrize("header", HEADERS, ids=str)
async def test_a_header_of_another_shape_is_reported(thread: Thread, header: Any) -> None:
    await thread.spoil(framed(msgspec.msgpack.encode(header)), *HEADER)
    for way in (read, page, survey):
        await is_reported(thread, way)


IMPOSSIBLE: list[Any] = [
    [[0, 2**40]],
    [[2**60, 2]],
    [[0, -1]],
    [[-1, 1]],
    [[0.5, 1]],
    [[0]],
    [["0", 1]],
    [0, 2],
    "runs",
]


@pytest.mark.parametrize("runs", IMPOSSIBLE, ids=str)
async def test_runs_that_cannot_be_are_reported_at_once(thread: Thread, runs: Any) -> None:
    await thread.spoil(framed(b"l" + msgspec.msgpack.encode(runs)), *RUNS)
    for way in (read, past, survey):
        if runs != [[0, 2**40]] or way is not survey:  # only a look at the elements can tell
            await is_reported(thread, way)


async def test_records_of_the_next_format_are_read(thread: Thread) -> None:
    """It may have added to the end of the msgpack arrays."""
    before = await thread.read("2")
    for named in WAYS:
        record = await thread.record(*named)
        await thread.spoil(framed(record[5:], 2), *named)
    header = ["1", {"list": "2", "plain": "2"}, [], "loop", {}, None, "later", 7]
    await thread.spoil(framed(msgspec.msgpack.encode(header), 2), *HEADER)
    await thread.spoil(framed(b"l" + msgspec.msgpack.encode([[0, 2, "later"]]), 2), *RUNS)
    assert await thread.read("2") == before
    for way in (page, past, survey):
        await way(thread)


async def test_a_key_of_another_type_is_told_as_redis_tells_it(thread: Thread) -> None:
    await thread.bus.floor.commands.set(thread.keys.records, "no hash")
    for way in (read, page, past, survey):
        with pytest.raises(Broken, match="WRONGTYPE") as raised:
            await way(thread)
        assert not isinstance(raised.value, UnreadableCheckpoint)
