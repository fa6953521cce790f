"""What becomes of whole threads and of their parts: surveyed, pruned, copied, deleted, found."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import BadRequest, Refused
from services.shared.model.thread import Garbage, Header, Survey
from tests.support.kept_threads import Thread, a_thread, contents, owned, packed, shared, write


@pytest.fixture
async def thread(shared_redis: EmbeddedRedis) -> AsyncIterator[Thread]:
    async with a_thread(shared_redis) as opened:
        yield opened


async def grown(thread: Thread) -> None:
    """Three checkpoints that share a list, one of a subgraph, and writes of all sorts."""
    await thread.put("1", "", {"l": "1"}, {"l": shared((0, 2))}, {"l": {0: packed("0"), 1: packed("1")}})
    await thread.put(
        "2", "1", {"l": "2", "a": "2"}, {"l": shared((0, 3)), "a": packed("a")}, {"l": {2: packed("2")}}
    )
    await thread.put("3", "2", {"l": "3", "a": "2"}, {"l": shared((1, 2), (9, 1))}, {"l": {9: packed("9")}})
    await thread.put("1", "", {"l": "1"}, {"l": packed("of the subgraph")}, space="sub")
    for id_ in "123":
        await thread.write(id_, write(f"{id_} first"), write(f"{id_} second", index=1))
    await thread.write("4", write("its checkpoint never came"), space="sub")


async def test_a_survey_tells_all_but_contents(thread: Thread) -> None:
    await grown(thread)
    at = thread.place
    assert replace(await thread.port.survey(thread.id), digest="") == Survey(
        headers={
            at("1"): Header("", {"l": "1"}),
            at("2"): Header("1", {"l": "2", "a": "2"}),
            at("3"): Header("2", {"l": "3", "a": "2"}),
            at("1", "sub"): Header("", {"l": "1"}),
        },
        written=frozenset((at("1"), at("2"), at("3"), at("4", "sub"))),
        values={
            ("", "l", "1"): ((0, 2),),
            ("", "l", "2"): ((0, 3),),
            ("", "l", "3"): ((1, 2), (9, 1)),
            ("", "a", "2"): (),
            ("sub", "l", "1"): (),
        },
    )


async def test_nothing_has_an_empty_survey(thread: Thread) -> None:
    assert replace(await thread.port.survey(thread.id), digest="") == Survey({}, frozenset(), {})


async def test_what_is_dropped_is_gone_and_the_rest_is_read_as_before(thread: Thread) -> None:
    await grown(thread)
    at, before = thread.place, [await thread.read("3"), await thread.read("", "sub")]
    garbage = Garbage(
        checkpoints=(at("1"), at("2")),
        writes=(at("1"), at("2"), at("4", "sub")),
        values=(("", "l", "1"), ("", "l", "2")),
        elements=(("", "l", 0, 1), ("", "l", 3, 6)),
    )
    for _ in range(2):
        await thread.port.drop(thread.lease, thread.id, garbage)
    assert [await thread.read("3"), await thread.read("", "sub")] == before
    assert (await thread.ids(), await thread.ids("sub")) == (["3"], ["1"])
    survey = await thread.port.survey(thread.id)
    assert set(survey.headers) == {at("3"), at("1", "sub")}
    assert survey.written == frozenset((at("3"),))
    assert set(survey.values) == {("", "l", "3"), ("", "a", "2"), ("sub", "l", "1")}
    # h, b of both; three values; elements 1, 2 and 9; two writes.
    assert await thread.bus.floor.commands.hlen(thread.keys.records) == 4 + 3 + 3 + 2


async def a_fork(thread: Thread) -> None:
    await thread.put("4", "1", {"l": "1"})


async def a_late_write(thread: Thread) -> None:
    await thread.write("3", write("late", task="another"))


async def another_drop(thread: Thread) -> None:
    await thread.port.drop(thread.lease, thread.id, Garbage(writes=(thread.place("3"),)))


@pytest.mark.parametrize("between", [a_fork, a_late_write, another_drop])
async def test_nothing_is_dropped_by_a_survey_that_no_longer_holds(
    thread: Thread, between: Callable[[Thread], Awaitable[None]]
) -> None:
    await grown(thread)
    at = thread.place
    garbage = Garbage((at("1"),), (at("1"), at("3")), (("", "l", "1"),), (("", "l", 0, 1),))
    surveyed = (await thread.port.survey(thread.id)).digest
    await between(thread)
    before = await thread.beneath()
    assert await thread.port.drop(thread.lease, thread.id, garbage, surveyed=surveyed) is False
    assert await thread.beneath() == before
    again = (await thread.port.survey(thread.id)).digest
    assert await thread.port.drop(thread.lease, thread.id, garbage, surveyed=again) is True
    assert "1" not in await thread.ids()


async def test_a_survey_that_still_holds_is_acted_on(thread: Thread) -> None:
    await grown(thread)
    await (await thread.sibling()).put("1")
    garbage = Garbage(checkpoints=(thread.place("1"),), values=(("", "l", "1"),))
    surveyed = (await thread.port.survey(thread.id)).digest
    assert await thread.port.drop(thread.lease, thread.id, garbage, surveyed=surveyed) is True
    assert await thread.ids() == ["3", "2"]
    # Said again, as after a lost reply, it does no harm; without a survey it is done as it is told.
    assert await thread.port.drop(thread.lease, thread.id, garbage, surveyed=surveyed) is False
    assert await thread.port.drop(thread.lease, thread.id, garbage) is True


async def test_garbage_of_thousands_of_elements_goes_in_one_drop(thread: Thread) -> None:
    many = {number: packed(str(number)) for number in range(9001)}
    await thread.put("1", "", {"a": "1"}, {"a": shared((0, 9001))}, {"a": many})
    await thread.port.drop(thread.lease, thread.id, Garbage(elements=(("", "a", 0, 9000),)))
    assert await thread.bus.floor.commands.hlen(thread.keys.records) == 4
    await thread.port.drop(
        thread.lease, thread.id, Garbage((thread.place("1"),), (), (("", "a", "1"),), (("", "a", 9000, 1),))
    )
    assert await thread.beneath() == [None, None]


async def in_another_partition(thread: Thread) -> Thread:
    while True:
        other = await owned(thread.bus)
        if other.keys.base.partition("}")[0] != thread.keys.base.partition("}")[0]:
            return other


async def test_a_copy_in_another_partition_reads_as_its_source_does(thread: Thread) -> None:
    await grown(thread)
    other = await in_another_partition(thread)
    assert await thread.port.copy(other.lease, thread.id, other.id) is True
    copied, source = await other.read("2"), await thread.read("2")
    assert copied.place == other.place("2")
    assert (copied.values, copied.writes, copied.body) == (source.values, source.writes, source.body)
    await other.put("4", "3")
    assert (await other.ids(), await thread.ids()) == (["4", "3", "2", "1"], ["3", "2", "1"])


async def test_a_copy_replaces_no_checkpoints_but_may_be_repeated(thread: Thread) -> None:
    await grown(thread)
    other = await owned(thread.bus)
    await other.write("1", write("left behind"))
    for _ in range(2):
        assert await thread.port.copy(other.lease, thread.id, other.id) is True
    assert contents((await other.read("1")).writes) == ["1 first", "1 second"]
    await other.put("4", "3")
    before = await other.beneath()
    with pytest.raises(Refused):
        await thread.port.copy(other.lease, thread.id, other.id)
    assert await other.beneath() == before


async def test_of_nothing_there_is_no_copy(thread: Thread) -> None:
    other = await owned(thread.bus)
    await other.write("1", write("stays"))
    before = await other.beneath()
    assert await thread.port.copy(other.lease, thread.id, other.id) is False
    assert await other.beneath() == before


async def test_a_copy_lives_as_long_as_its_source_would_have(thread: Thread) -> None:
    await thread.put("1", ttl_s=1000)
    other = await owned(thread.bus)
    await thread.port.copy(other.lease, thread.id, other.id)
    for key in other.keys.reading:
        assert 0 < await thread.bus.floor.commands.ttl(key) <= 1000
    await other.put("2", "1")
    third = await owned(thread.bus)
    await thread.port.copy(third.lease, other.id, third.id)
    for key in third.keys.reading:
        assert await thread.bus.floor.commands.ttl(key) == -1


async def test_a_deleted_thread_is_gone_and_its_sibling_is_not(thread: Thread) -> None:
    await grown(thread)
    sibling = await thread.sibling()
    await sibling.put("1")
    for _ in range(2):
        await thread.port.delete(thread.lease, thread.id)
    assert await thread.beneath() == [None, None]
    assert await sibling.ids() == ["1"]


async def test_all_threads_are_found_each_once(own_redis: EmbeddedRedis) -> None:
    async with a_thread(own_redis) as first:
        threads = [first, await first.sibling(), *[await owned(first.bus) for _ in range(20)]]
        bare = Thread(first.bus, first.lease, first.lease.conversation)
        for each in (*threads, bare):
            await each.put("1")
            await each.write("1", write("a"))
        await beside(first.bus)
        found = [each async for each in first.port.threads()]
        assert sorted(found) == sorted(each.id for each in (*threads, bare))


async def beside(bus: Bus) -> None:
    """Keys that look alike: a conversation's order of messages, a thread of other partitions."""
    order = bus.floor.keys.conversation("c").order
    await bus.floor.commands.zadd(order, {"m": 1})
    await bus.floor.commands.zadd("{p9999}:c:c:thread:a:order", {"c": 0})
    await bus.floor.commands.set(bus.floor.keys.thread("c.a").order, "no zset")


@pytest.mark.parametrize("bad", ["", ".assistant", "c.", "a:thread:b.c", "a.b:thread:c"])
async def test_a_thread_id_whose_keys_could_be_anothers_is_refused(thread: Thread, bad: str) -> None:
    with pytest.raises(BadRequest):
        await thread.port.read(Thread(thread.bus, thread.lease, bad).place())
