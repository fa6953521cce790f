"""Checkpoints in Redis: what was kept is what is read, all of it or nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from services.local.embedded import EmbeddedRedis
from services.shared.bus.scripts import Arg, Call, script
from services.shared.model.errors import BadRequest, NotReplicated
from services.shared.model.thread import Header, Keeping, Kind, NewCheckpoint, Shared, Typed
from tests.support.kept_threads import Thread, a_thread, contents, owned, packed, shared, write
from tests.support.open_bus import open_bus


@pytest.fixture
async def thread(shared_redis: EmbeddedRedis) -> AsyncIterator[Thread]:
    async with a_thread(shared_redis) as opened:
        yield opened


async def test_what_was_put_is_what_is_read(thread: Thread) -> None:
    header = Header(
        parent="",
        versions={"messages": "1", "seen": "1", "mood": "1", "never": "1"},
        needs=("notes",),
        source="update",
        above={"": "0"},
    )
    elements = {"messages": {4: packed("b"), 7: packed("a")}, "seen": {0: ("bytes", b"")}}
    values: dict[str, Typed | Shared | None] = {
        "messages": shared((7, 1), (4, 1), (7, 1)),
        "seen": shared((0, 1), kind=Kind.DICT),
        "mood": ("null", b""),
        "never": None,
    }
    new = NewCheckpoint(thread.place("1", "sub|x"), header, packed("body"), values, elements)
    kept = await thread.port.put(thread.lease, new, ttl_s=0, acknowledged=True)
    assert kept is Keeping.KEPT
    read = await thread.read("1", "sub|x")
    assert (read.place, read.header, read.body, read.writes) == (new.place, header, packed("body"), ())
    assert read.values == {
        "messages": Shared(Kind.LIST, ((7, 1), (4, 1), (7, 1)), (packed("a"), packed("b"), packed("a"))),
        "seen": Shared(Kind.DICT, ((0, 1),), (("bytes", b""),)),
        "mood": ("null", b""),
    }
    assert list(read.values) == ["messages", "seen", "mood"]


async def test_where_nothing_is_nothing_is_read(thread: Thread) -> None:
    assert await thread.port.read(thread.place()) is None
    assert await thread.port.read(thread.place("1")) is None
    await thread.put("1")
    await thread.write("2", write("early"))
    assert await thread.port.read(thread.place("2")) is None
    assert await thread.port.read(thread.place("", "elsewhere")) is None


async def test_pending_writes_are_read_in_their_order(thread: Thread) -> None:
    await thread.put("1")
    await thread.write("1", write("d", path="~2"), write("e", path="~2", index=10))
    await thread.write("1", write("b", task="b", path="~1"), write("c", task="b", path="~1", index=2))
    await thread.write("1", write("a", task="a", path="~1", index=3))
    await thread.write("10", write("another's"))
    assert contents((await thread.read("1")).writes) == ["a", "b", "c", "d", "e"]


async def test_of_several_writes_under_one_name_the_first_counts_and_of_special_ones_the_latest(
    thread: Thread,
) -> None:
    await thread.put("1")
    await thread.write("1", write("first", index=0), write("early", channel="__error__", index=-1))
    await thread.write("1", write("second", index=0), write("late", channel="__error__", index=-1))
    assert contents((await thread.read("1")).writes) == ["late", "first"]


async def test_the_latest_is_the_one_with_the_highest_id_of_its_own_space(thread: Thread) -> None:
    await thread.put("2")
    await thread.put("1")
    await thread.put("3", space="a")
    await thread.put("4", space="a|b")
    await thread.put("5", space="a\x01")
    await thread.write("6", write("pending"), space="written only")
    spaces = ["", "a", "a\x01", "a|b"]
    assert [(await thread.read("", space)).place.id for space in spaces] == ["2", "3", "5", "4"]
    assert await thread.port.spaces(thread.id) == spaces
    assert await thread.port.spaces((await thread.sibling()).id) == []


async def test_a_page_goes_back_from_what_was_seen(thread: Thread) -> None:
    for number in range(9, 0, -1):
        await thread.put(str(number), "", {"a": str(number)})
    await thread.put("5", space="elsewhere")
    page = await thread.port.page(thread.id, "", before="", count=3)
    assert [each.place.id for each in page] == ["9", "8", "7"]
    assert (page[0].header, page[0].body) == (Header("", {"a": "9"}), packed("body of 9"))
    page = await thread.port.page(thread.id, "", before="7", count=3)
    assert [each.place.id for each in page] == ["6", "5", "4"]
    assert [each.place.id for each in await thread.port.page(thread.id, "", before="21", count=9)] == [
        "2",
        "1",
    ]
    assert await thread.port.page(thread.id, "", before="1", count=3) == []
    assert await thread.port.page(thread.id, "", before="", count=0) == []


async def test_a_put_without_its_parent_stores_nothing(thread: Thread) -> None:
    await thread.put("1", "", {"a": "1"}, {"a": packed("one")})
    await thread.put("0", space="elsewhere")
    before = await thread.beneath()
    assert await thread.put("3", "0", {"a": "3"}, {"a": packed("three")}) is Keeping.NO_PARENT
    assert await thread.beneath() == before
    assert await thread.put("3", "1", {"a": "3"}, {"a": packed("three")}) is Keeping.KEPT


async def test_a_whole_put_needs_no_parent(thread: Thread) -> None:
    kept = await thread.put("3", "2", {"a": "3"}, {"a": packed("three")}, whole=True)
    assert kept is Keeping.KEPT
    assert (await thread.read("3")).values == {"a": packed("three")}


async def test_a_put_whose_new_element_stands_for_another_stores_nothing(thread: Thread) -> None:
    await thread.put("1", "", {"a": "1"}, {"a": shared((0, 1))}, {"a": {0: packed("zero")}})
    before = await thread.beneath()
    elements = {"a": {0: packed("zero"), 1: packed("one")}, "b": {0: packed("b")}}
    clashing = elements | {"a": {1: packed("one"), 0: packed("another")}}
    values = {"a": shared((0, 2)), "b": shared((0, 1))}
    assert await thread.put("2", "1", {"a": "2", "b": "2"}, values, clashing) is Keeping.CLASH
    assert await thread.put("2", "1", {"a": "2", "b": "2"}, values, clashing, whole=True) is Keeping.CLASH
    assert await thread.beneath() == before
    assert await thread.put("2", "1", {"a": "2", "b": "2"}, values, elements) is Keeping.KEPT
    assert (await thread.read("1")).values == {"a": Shared(Kind.LIST, ((0, 1),), (packed("zero"),))}


async def test_a_repeat_of_a_put_changes_nothing(thread: Thread) -> None:
    put = ("1", "", {"a": "1", "b": "1"}, {"a": shared((0, 1)), "b": None}, {"a": {0: packed("zero")}})
    await thread.put(*put)
    before = await thread.beneath()
    assert await thread.put(*put) is Keeping.KEPT
    assert await thread.beneath() == before


async def test_a_value_put_again_as_none_is_gone(thread: Thread) -> None:
    await thread.put("1", "", {"a": "1"}, {"a": packed("one")})
    await thread.put("1", "", {"a": "1"}, {"a": None})
    assert (await thread.read("1")).values == {}


async def test_a_put_of_thousands_of_elements_is_read_whole(thread: Thread) -> None:
    many = {number: packed(str(number)) for number in range(9003)}
    await thread.put("1", "", {"a": "1"}, {"a": shared((0, len(many)))}, {"a": many})
    read = (await thread.read("1")).values["a"]
    assert isinstance(read, Shared)
    assert read.elements == tuple(many.values())


async def test_a_reader_sees_a_checkpoint_whole_or_not_at_all(thread: Thread) -> None:
    """Each put replaces all that the one before it left: a mixture would show."""
    numbers = range(100)
    for number in (0, *numbers):
        assert await thread.put(*_replacing(number)) is Keeping.KEPT
    kept = set[str]()

    async def put_all() -> None:
        for number in numbers:
            await thread.put(*_replacing(number))

    writing = asyncio.create_task(put_all())
    while not writing.done():
        values = (await thread.read("1")).values
        seen = {form for value in values.values() for form, _ in _parts(value)}
        assert len(seen) == 1
        kept |= seen
    await writing
    assert len(kept) > 1


def _replacing(number: int) -> tuple[Any, ...]:
    versions = dict.fromkeys("abcd", "1") | {"shared": "1"}
    values = {channel: (str(number), b"x" * 1000) for channel in "abcd"} | {"shared": shared((number, 1))}
    return "1", "", versions, values, {"shared": {number: (str(number), b"")}}


def _parts(value: Any) -> tuple[Typed, ...]:
    return value.elements if isinstance(value, Shared) else (value,)


async def test_a_thread_ends_so_long_after_its_last_writing_or_never(thread: Thread) -> None:
    async def left() -> list[bool]:
        return [await thread.bus.floor.commands.ttl(key) > 0 for key in thread.keys.reading]

    await thread.put("1", ttl_s=100)
    assert await left() == [True, True]
    await thread.write("1", write("a"), ttl_s=0)
    assert await left() == [False, False]
    await thread.write("1", write("a"), ttl_s=100)
    assert await left() == [True, True]
    await thread.put("1", ttl_s=0)
    assert await left() == [False, False]


async def test_all_keys_of_a_thread_lie_beside_its_conversations(thread: Thread) -> None:
    await thread.put("1")
    await thread.write("1", write("a"), space="sub")
    found = [
        key async for key in thread.bus.floor.commands.scan_iter(f"*{thread.id.split('.')[0]}*", count=10_000)
    ]
    keys = thread.keys
    assert {key.decode() for key in found} == {keys.lease, keys.order, keys.records}
    assert len({key_slot(key) for key in found}) == 1


async def test_names_that_could_be_anothers_are_refused(thread: Thread) -> None:
    with pytest.raises(BadRequest):
        await thread.put("1", space="a\0b")
    with pytest.raises(BadRequest):
        await thread.write("1", write("a", channel="a\0b"))
    with pytest.raises(BadRequest):
        await thread.put("1", "", {"a": "1"}, {"a": shared((2**53, 1))})
    with pytest.raises(BadRequest):
        await thread.put("1", "", {"a": "1"}, {}, {"a": {-1: packed("a")}})
    assert await thread.beneath() == [None, None]


async def test_an_acknowledged_put_is_not_without_a_replica_also_when_repeated(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_bus(own_redis, redis_wait_ms=100) as bus:
        thread = await owned(bus)
        new = thread.new("1")
        assert await thread.port.put(thread.lease, new, ttl_s=0, acknowledged=True) is Keeping.KEPT
        for replica in own_redis.replicas:
            own_redis.freeze(replica)
        with pytest.raises(NotReplicated):
            await thread.port.put(thread.lease, new, ttl_s=0, acknowledged=True)
        own_redis.thaw(own_redis.replicas[0])
        assert await thread.port.put(thread.lease, new, ttl_s=0, acknowledged=True) is Keeping.KEPT


READING: dict[str, list[Arg]] = {
    "thread_read": ["", ""],
    "thread_page": ["", "", 10],
    "thread_past": ["", "", 10, "a"],
    "thread_survey": [],
    "thread_spaces": [],
    "thread_dump": [],
    "thread_scan": [0, "*", 10],
}


@pytest.mark.parametrize("name", READING)
async def test_a_server_that_is_no_master_answers_no_reader(
    shared_redis: EmbeddedRedis, thread: Thread, name: str
) -> None:
    """It may hold the past: a demoted master keeps accepting for seconds."""
    host, port = shared_redis.address(shared_redis.replicas[0])
    keys = [] if name == "thread_scan" else thread.keys.reading
    call: Any = Call(script(name), keys, READING[name]).command(by_text=True)
    async with Redis(host=host, port=port) as replica:
        with pytest.raises(RedisError, match="replica"):
            await replica.execute_command(*call)  # type: ignore[no-untyped-call]
