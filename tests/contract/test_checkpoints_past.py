"""What a checkpoint's ancestors contributed to a channel that keeps differences."""

from collections.abc import AsyncIterator

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.checkpoints import ANCESTORS
from services.shared.model.errors import UnreadableCheckpoint
from services.shared.model.thread import Garbage, Kind, Past, Shared
from tests.support.kept_threads import Thread, a_thread, contents, packed, shared, write


@pytest.fixture
async def thread(shared_redis: EmbeddedRedis) -> AsyncIterator[Thread]:
    async with a_thread(shared_redis) as opened:
        yield opened


async def test_each_channel_ends_at_its_own_nearest_value_and_takes_that_ones_writes_too(
    thread: Thread,
) -> None:
    await thread.put("1", "", {"a": "1", "b": "1"}, {"a": packed("a1"), "b": packed("b1")})
    await thread.put("2", "1", {"a": "2", "b": "2"}, {"a": packed("a2")})
    await thread.put("3", "2", {"a": "3", "b": "3"})
    await thread.put("4", "3", {"a": "4", "b": "4"}, {"a": packed("a4"), "b": packed("b4")})
    for id_ in "1234":
        await thread.write(id_, write(f"a of {id_}", "a"), write(f"b of {id_}", "b", index=1))
        await thread.write(id_, write(f"a of {id_} too", "a", task="task 2"), write("c", "c", task="task 3"))
    past = await thread.port.past(thread.place("4"), ["a", "b", "c"])
    assert past["a"].seed == packed("a2")
    assert contents(past["a"].writes) == ["a of 2", "a of 2 too", "a of 3", "a of 3 too"]
    assert past["b"].seed == packed("b1")
    assert contents(past["b"].writes) == ["b of 1", "b of 2", "b of 3"]
    assert past["c"].seed is None
    assert contents(past["c"].writes) == ["c", "c", "c"]
    assert {each.channel for each in past["a"].writes} == {"a"}


async def test_writes_of_one_ancestor_come_in_the_order_they_take_effect(thread: Thread) -> None:
    await thread.put("1")
    await thread.write("1", write("d", path="~2"), write("c", path="~1", task="b", index=10))
    await thread.write("1", write("b", path="~1", task="b", index=9), write("a", path="~1", task="a"))
    await thread.put("2", "1")
    past = await thread.port.past(thread.place(), ["messages"])
    assert contents(past["messages"].writes) == ["a", "b", "c", "d"]


async def test_a_nearest_value_of_shared_elements_comes_with_them(thread: Thread) -> None:
    elements = {"a": {3: packed("three"), 4: packed("four")}}
    await thread.put("1", "", {"a": "1"}, {"a": shared((3, 2))}, elements)
    await thread.put("2", "1")
    past = await thread.port.past(thread.place("2"), ["a"])
    assert past == {"a": Past((), Shared(Kind.LIST, ((3, 2),), (packed("three"), packed("four"))))}


async def test_a_forks_past_is_its_own_line(thread: Thread) -> None:
    await thread.put("1", "", {"a": "1"}, {"a": packed("seed")})
    await thread.put("2", "1")
    await thread.put("3", "1")
    await thread.put("4", "2")
    await thread.put("5", "3")
    for id_ in "12345":
        await thread.write(id_, write(f"of {id_}", "a"))
    for id_, line in (("4", ["of 1", "of 2"]), ("5", ["of 1", "of 3"])):
        past = (await thread.port.past(thread.place(id_), ["a"]))["a"]
        assert (contents(past.writes), past.seed) == (line, packed("seed"))


async def test_the_past_goes_on_beyond_what_one_script_walks(thread: Thread) -> None:
    """One channel ends in the first step, one in the second, one at the very edge, one nowhere."""
    last = 4 * ANCESTORS + 10
    ends = {"near": last - 5, "edge": last - ANCESTORS, "far": last - ANCESTORS - 50}
    for number in range(last + 1):
        mine = {channel: packed(channel) for channel, at in ends.items() if at == number}
        versions = dict.fromkeys((*ends, "never"), str(number))
        await thread.put(f"{number:04}", f"{number - 1:04}" if number else "", versions, mine)
        each = [write(f"{number}", channel, index=index) for index, channel in enumerate((*ends, "never"))]
        await thread.write(f"{number:04}", *each)
    past = await thread.port.past(thread.place(), [*ends, "never"])
    for channel, at in ends.items():
        assert contents(past[channel].writes) == [str(number) for number in range(at, last)]
        assert past[channel].seed == packed(channel)
    assert contents(past["never"].writes) == [str(number) for number in range(last)]
    assert past["never"].seed is None


async def test_a_past_that_was_pruned_ends_where_it_does(thread: Thread) -> None:
    await thread.put("2", "1", whole=True)
    await thread.write("2", write("of 2", "a"))
    await thread.write("1", write("of one who is gone", "a"))
    await thread.put("3", "2")
    assert contents((await thread.port.past(thread.place("3"), ["a"]))["a"].writes) == ["of 2"]


@pytest.mark.parametrize("asked", ["2", "3"])
async def test_a_lost_parent_on_which_a_channel_stands_is_damage(thread: Thread, asked: str) -> None:
    await thread.put("1", "", {"a": "1", "b": "1"}, {"a": packed("a"), "b": packed("b")})
    await thread.put("2", "1", {"a": "2", "b": "2"}, {"b": packed("b2")}, needs=("a", "b"))
    await thread.put("3", "2", {"a": "3", "b": "3"}, needs=("a", "b"))
    await thread.port.drop(thread.lease, thread.id, Garbage(checkpoints=(thread.place("1"),)))
    with pytest.raises(UnreadableCheckpoint, match="parent is missing, on which channel a stands") as raised:
        await thread.port.past(thread.place(asked), ["a", "b"])
    assert (raised.value.thread, raised.value.checkpoint) == (thread.id, "2")
    # Of a channel that has its own value there, or that nobody needs, nothing is lost.
    assert (await thread.port.past(thread.place("3"), ["b"]))["b"].seed == packed("b2")
    assert await thread.port.past(thread.place("2"), ["b"]) == {"b": Past()}
    assert await thread.port.past(thread.place(asked), ["c"]) == {"c": Past()}


async def test_a_needed_channel_that_never_had_a_value_begins_with_the_first_checkpoint(
    thread: Thread,
) -> None:
    await thread.put("1", "", needs=("a",))
    await thread.write("1", write("of 1", "a"))
    await thread.put("2", "1", needs=("a",))
    assert contents((await thread.port.past(thread.place("2"), ["a"]))["a"].writes) == ["of 1"]


async def test_what_is_not_there_has_no_past(thread: Thread) -> None:
    await thread.put("1")
    assert await thread.port.past(thread.place("1"), ["a", "b"]) == {"a": Past(), "b": Past()}
    assert await thread.port.past(thread.place("7"), ["a"]) == {"a": Past()}
    assert await thread.port.past(thread.place("", "elsewhere"), ["a"]) == {"a": Past()}
    assert await thread.port.past(thread.place("1"), []) == {}
