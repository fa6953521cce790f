"""What callers send in one turn of the loop goes in one round trip, and is nobody else's trouble."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.joint import MOST_BYTES, MOST_COMMANDS, Command, Joint
from services.shared.model.errors import Broken
from tests.support.open_bus import fresh_id, open_bus


class Watched(Joint):
    """Notes what each round trip carried."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus.floor.commands)
        self.trips: list[list[Command]] = []

    async def _sent(self, commands: Sequence[Command]) -> list[Any]:
        self.trips.append(list(commands))
        return await super()._sent(commands)

    async def echo(self, word: object, *behind: Command) -> list[Any]:
        return await self.send([("ECHO", word)], behind)


@pytest.fixture
async def joint(shared_redis: EmbeddedRedis) -> AsyncIterator[Watched]:
    async with open_bus(shared_redis) as bus:
        yield Watched(bus)


async def test_what_is_sent_at_once_goes_together_and_each_gets_its_own(joint: Watched) -> None:
    said = await asyncio.gather(*(joint.echo(str(number)) for number in range(20)))
    assert said == [[str(number).encode()] for number in range(20)]
    assert len(joint.trips) == 1


async def test_one_wait_stands_behind_all_that_are_to_be_replicated(joint: Watched) -> None:
    wait = ("WAIT", 0, 100)
    plain, *waited = await asyncio.gather(joint.echo("a"), *(joint.echo(each, wait) for each in "bcd"))
    assert plain == [b"a"]
    assert [each[0] for each in waited] == [b"b", b"c", b"d"]
    assert len({each[1] for each in waited}) == 1
    assert sorted(trip.count(wait) for trip in joint.trips) == [0, 1]


async def test_a_round_trip_carries_so_much_and_no_more(joint: Watched) -> None:
    await asyncio.gather(*(joint.echo("x") for _ in range(MOST_COMMANDS + 1)))
    assert sorted(map(len, joint.trips)) == [1, MOST_COMMANDS]
    joint.trips.clear()
    large = "x" * (MOST_BYTES + 1)
    [[echoed], _] = await asyncio.gather(joint.echo(large), joint.echo("y"))
    assert len(echoed) == len(large)
    assert sorted(map(len, joint.trips)) == [1, 1]


@pytest.mark.parametrize("mistake", [object(), "\ud800"])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_what_cannot_be_sent_is_the_trouble_of_who_said_it(
    joint: Watched, mistake: object, place: int
) -> None:
    words: list[object] = ["a", "b"]
    words.insert(place, mistake)
    said = await asyncio.gather(*(joint.echo(each) for each in words), return_exceptions=True)
    assert isinstance(said.pop(place), Exception)
    assert said == [[b"a"], [b"b"]]


async def test_an_answer_that_is_an_error_is_given_to_who_asked(joint: Watched) -> None:
    said = await asyncio.gather(joint.echo("a"), joint.send([("GET",)], ()), joint.echo("b"))
    assert [said[0], said[2]] == [[b"a"], [b"b"]]
    assert isinstance(said[1][0], Exception)


@pytest.mark.parametrize("turns", range(6))
async def test_who_is_carried_by_one_that_is_cancelled_is_carried_again(joint: Watched, turns: int) -> None:
    carrier = asyncio.create_task(joint.echo("carrier"))
    others = [asyncio.create_task(joint.echo(each)) for each in "ab"]
    for _ in range(turns):
        await asyncio.sleep(0)
    carrier.cancel()
    assert await asyncio.gather(*others) == [[b"a"], [b"b"]]
    await asyncio.gather(carrier, return_exceptions=True)


@pytest.mark.parametrize("turns", range(6))
async def test_one_that_is_carried_and_cancelled_is_missed_by_nobody(joint: Watched, turns: int) -> None:
    carrier = asyncio.create_task(joint.echo("carrier"))
    one, other = (asyncio.create_task(joint.echo(each)) for each in "ab")
    for _ in range(turns):
        await asyncio.sleep(0)
    one.cancel()
    assert await carrier == [b"carrier"]
    assert await other == [b"b"]
    await asyncio.gather(one, return_exceptions=True)


async def test_a_server_that_is_away_is_away_for_all(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis, redis_deadline_s=0.5) as bus:
        await bus.floor.commands.config_set("min-replicas-to-write", 5)
        made = [bus.conversations.create(fresh_id(), "ann") for _ in range(3)]
        said = await asyncio.gather(*made, return_exceptions=True)
        assert {type(each).__name__ for each in said} == {"BusUnavailable"}
        assert not any(isinstance(each, Broken) for each in said)
