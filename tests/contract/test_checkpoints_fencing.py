"""Who may write a thread: the owner of its conversation, and nobody else, whatever lease they hold."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.model.errors import LeaseLost
from services.shared.model.ids import AttemptId
from services.shared.model.thread import Garbage
from services.shared.model.turn import Lease
from tests.support.kept_threads import Thread, a_thread, owned, packed, write
from tests.support.open_bus import fresh_id

Writing = Callable[[Thread, Lease], Awaitable[object]]
Wrong = Callable[[Thread], Awaitable[Lease]]


@pytest.fixture
async def thread(shared_redis: EmbeddedRedis) -> AsyncIterator[Thread]:
    """One with something of each kind to lose."""
    async with a_thread(shared_redis) as opened:
        elements = {"list": {0: packed("element")}}
        await opened.put("1", "", {"a": "1"}, {"a": packed("one")}, elements)
        await opened.write("1", write("pending"), write("special", index=-1))
        yield opened


async def put(thread: Thread, lease: Lease) -> None:
    await thread.port.put(lease, thread.new("2", "1"), ttl_s=0, acknowledged=False)


async def put_acknowledged(thread: Thread, lease: Lease) -> None:
    await thread.port.put(lease, thread.new("2", "1"), ttl_s=0, acknowledged=True)


async def put_writes(thread: Thread, lease: Lease) -> None:
    writes = [write("new", task="another"), write("new", index=-1)]
    await thread.port.put_writes(lease, thread.place("1"), writes, ttl_s=0)


async def drop(thread: Thread, lease: Lease) -> None:
    at = thread.place("1")
    garbage = Garbage((at,), (at,), (("", "a", "1"),), (("", "list", 0, 1),))
    await thread.port.drop(lease, thread.id, garbage)


async def delete(thread: Thread, lease: Lease) -> None:
    await thread.port.delete(lease, thread.id)


async def copy(thread: Thread, lease: Lease) -> None:
    """Onto the thread, from one that the lease's conversation may own."""
    source = await owned(thread.bus)
    await source.put("9")
    await thread.port.copy(lease, source.id, thread.id)


async def copy_onto_nothing(thread: Thread, lease: Lease) -> None:
    await thread.bus.floor.commands.delete(*thread.keys.reading)
    await copy(thread, lease)


async def wrong_token(thread: Thread) -> Lease:
    return replace(thread.lease, token=thread.lease.token + 1)


async def wrong_attempt(thread: Thread) -> Lease:
    return replace(thread.lease, attempt=AttemptId(fresh_id()))


async def no_lease(thread: Thread) -> Lease:
    await thread.bus.floor.commands.delete(thread.keys.lease)
    return thread.lease


async def lease_of_another_conversation(thread: Thread) -> Lease:
    """That is really held there."""
    return (await owned(thread.bus)).lease


WRITING = [put, put_acknowledged, put_writes, drop, delete, copy, copy_onto_nothing]
WRONG = [wrong_token, wrong_attempt, no_lease, lease_of_another_conversation]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("writing", WRITING)
async def test_who_does_not_own_the_conversation_changes_nothing(
    thread: Thread, writing: Writing, wrong: Wrong
) -> None:
    lease = await wrong(thread)
    before = [None, None] if writing is copy_onto_nothing else await thread.beneath()
    with pytest.raises(LeaseLost):
        await writing(thread, lease)
    assert await thread.beneath() == before


@pytest.mark.parametrize("writing", [each for each in WRITING if each is not copy])
async def test_the_owner_changes_it(thread: Thread, writing: Writing) -> None:
    before = await thread.beneath()
    await writing(thread, thread.lease)
    assert await thread.beneath() != before


async def test_a_refusal_for_the_lease_goes_before_any_other(thread: Thread) -> None:
    lease = await wrong_token(thread)
    with pytest.raises(LeaseLost):
        await thread.port.put(lease, thread.new("3", "missing"), ttl_s=0, acknowledged=False)
    with pytest.raises(LeaseLost):
        await thread.port.copy(lease, (await owned(thread.bus)).id, thread.id)


async def test_a_ttl_is_not_touched_by_who_does_not_own_the_conversation(thread: Thread) -> None:
    lease = await wrong_token(thread)
    with pytest.raises(LeaseLost):
        await thread.port.put_writes(lease, thread.place("1"), [], ttl_s=5)
    for key in thread.keys.reading:
        assert await thread.bus.floor.commands.ttl(key) == -1
