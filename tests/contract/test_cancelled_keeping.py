"""What is kept, and what ends it, cancelled at the n-th await for each n: threads, memory, deletion, the
count of waiting turns, the life of Redis.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.keys import BIRTH
from services.shared.model.thread import Garbage
from tests.support.bus_house import ANN, fresh, house_of
from tests.support.deleted import INVITED, carried, remembered, rich, traces
from tests.support.kept_threads import owned, packed
from tests.support.loops import ON_UVLOOP
from tests.support.nth_await import HARDEST, Moment, Subject, cut_everywhere
from tests.support.open_bus import open_bus
from tests.support.whole_pools import assert_pools_whole
from tests.support.workers import BOB

pytestmark = [ON_UVLOOP, pytest.mark.slow]
Port = Callable[[Bus], Awaitable[Subject]]


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    monkeypatch.setattr("services.shared.bus.deletion.STEP", 2)
    monkeypatch.setattr("services.shared.bus.deletion.CLAIM_MS", 0)
    monkeypatch.setattr("services.shared.bus.outbox.BLOCK_MS", 50)
    async with open_bus(workers_redis, redis_command_connections=4) as bus:
        await bus.confirmer.tick()
        await bus.documents.open()
        yield bus


async def delete(bus: Bus) -> Subject:
    """Of a conversation in the middle of an answer; a repeat gets the first position."""
    house = house_of(bus)
    talk = await rich(house, answers=1)

    def work() -> Any:
        return bus.deletion.delete(talk, ANN, linger_ms=0)

    async def holds() -> None:
        assert await work() == await work()
        assert (await house.told(talk)).count("conversation.deleted") == 1
        assert await bus.deletion.waiting() == 1
        assert await bus.deletion.work_off() == 1
        await carried(house, talk)
        assert await traces(house, talk) == await remembered(house, talk, ANN, BOB, INVITED)

    return Subject(work(), holds)


async def work_off(bus: Bus) -> Subject:
    """The errand, in several steps; another one goes on."""
    house = house_of(bus)
    talk = await rich(house, answers=1)
    await bus.deletion.delete(talk, ANN, linger_ms=0)

    async def holds() -> None:
        await bus.deletion.work_off()
        assert await bus.deletion.waiting() == 0
        await carried(house, talk)
        assert await traces(house, talk) == await remembered(house, talk, ANN, BOB, INVITED)

    return Subject(bus.deletion.work_off(), holds)


async def retire(bus: Bus) -> Subject:
    """Of a conversation nobody wrote in; ended once."""
    house = house_of(bus)
    talk = await house.conversation()

    async def holds() -> None:
        await bus.deletion.retire(0, linger_ms=0)
        assert (await house.told(talk)).count("conversation.deleted") == 1
        await bus.deletion.work_off()
        await carried(house, talk)
        assert await traces(house, talk) == await remembered(house, talk, ANN)

    return Subject(bus.deletion.retire(0, linger_ms=0), holds)


async def drop(bus: Bus) -> Subject:
    thread = await owned(bus)
    await thread.put("1", "", {"a": "1"}, {"a": packed("one")})
    await thread.put("2", "1", {"a": "2"}, {"a": packed("two")})
    garbage = Garbage(checkpoints=(thread.place("1"),), values=(("", "a", "1"),))
    surveyed = (await bus.checkpoints.survey(thread.id)).digest

    def work() -> Any:
        return bus.checkpoints.drop(thread.lease, thread.id, garbage, surveyed=surveyed)

    async def holds() -> None:
        await work()
        assert not await work()
        assert await thread.ids() == ["2"]
        assert (await thread.read("2")).values == {"a": packed("two")}

    return Subject(work(), holds)


async def delete_thread(bus: Bus) -> Subject:
    thread = await owned(bus)
    await thread.put("1", "", {"a": "1"}, {"a": packed("one")})

    def work() -> Any:
        return bus.checkpoints.delete(thread.lease, thread.id)

    async def holds() -> None:
        await work()
        assert await thread.beneath() == [None, None]

    return Subject(work(), holds)


async def copy(bus: Bus) -> Subject:
    source, target = await owned(bus), await owned(bus)
    await source.put("1", "", {"a": "1"}, {"a": packed("one")})

    def work() -> Any:
        return bus.checkpoints.copy(target.lease, source.id, target.id)

    async def holds() -> None:
        assert await work()
        assert await work()
        assert await target.beneath() == await source.beneath()

    return Subject(work(), holds)


async def remember(bus: Bus) -> Subject:
    above = (f"user-{fresh()}",)

    def work() -> Any:
        return bus.documents.put(above, "likes", '"tea"')

    async def holds() -> None:
        await work()
        assert [each.value for each in await bus.documents.page(above, 0, 10)] == ['"tea"']
        assert await bus.documents.namespaces(above) == [above]

    return Subject(work(), holds)


async def forget(bus: Bus) -> Subject:
    above = (f"user-{fresh()}",)
    await bus.documents.put(above, "likes", '"tea"')

    def work() -> Any:
        return bus.documents.forget(above, "likes")

    async def holds() -> None:
        await work()
        assert await bus.documents.get(above, "likes") is None
        assert await bus.documents.page(above, 0, 10) == []

    return Subject(work(), holds)


async def search(bus: Bus) -> Subject:
    """Whoever is cut while the index is made leaves it for the next one to make."""
    above = (f"user-{fresh()}",)
    await bus.documents.put(above, "likes", '"tea"')
    await bus.floor.commands.execute_command("FT.DROPINDEX", "{continuo}:memory")  # type: ignore[no-untyped-call]

    def work() -> Any:
        return bus.documents.page(above, 0, 10)

    async def holds() -> None:
        await work()
        await bus.documents.open()
        assert [each.value for each in await work()] == ['"tea"']

    return Subject(work(), holds)


async def recount(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)

    async def holds() -> None:
        assert await bus.backlog.depth() == await bus.backlog.recount() == 1
        await house.answer(await house.claim(conversation))
        assert await bus.backlog.depth() == 0

    return Subject(bus.backlog.recount(), holds)


async def depth(bus: Bus) -> Subject:
    async def holds() -> None:
        assert await bus.backlog.depth() == 0

    return Subject(bus.backlog.depth(), holds)


async def birth(bus: Bus) -> Subject:
    """Redis lost everything: told once, by the look that was cut or by the next."""
    await bus.birth.look()
    emptied = bus.birth.emptied
    await bus.floor.commands.set(BIRTH, fresh())

    async def holds() -> None:
        for _ in range(2):
            await bus.birth.look()
        assert bus.birth.emptied == emptied + 1

    return Subject(bus.birth.look(), holds)


PORTS: list[Port] = [
    *(delete, work_off, retire, drop, delete_thread, copy, remember, forget, search, recount, depth, birth)
]


@pytest.mark.parametrize("moment", [*HARDEST, Moment.TWICE])
@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
async def test_what_was_cut_is_done_once_by_who_does_it_again(bus: Bus, port: Port, moment: Moment) -> None:
    async def make() -> Subject:
        subject = await port(bus)

        async def holds() -> None:
            await subject.holds()
            await assert_pools_whole(bus)

        return Subject(subject.work, holds)

    assert await cut_everywhere(make, moment) >= 1
