"""One owner per conversation: claims, renewals, releases, and what a replaced worker may still do
(nothing).
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.model.errors import LeaseLost
from services.shared.model.ids import AttemptId, ConversationId, NodeId
from services.shared.model.turn import UNCLAIMED, Lease, Ready
from tests.support.bus_house import AGENT, ANN, LONG_MS, SHORT_MS, WORKER, House, fresh, open_house
from tests.support.waiting import eventually


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


async def test_of_many_workers_that_claim_at_once_one_gets_the_lease(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    claims = await asyncio.gather(*(house.try_claim(conversation) for _ in range(10)))
    assert sum(lease is not None for lease in claims) == 1


async def test_a_claim_whose_reply_was_lost_gets_the_same_lease_again(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    ready = Ready(house.floor.keys.conversation(conversation).partition, conversation)
    attempt = AttemptId(fresh())
    first = await house.leases.claim(ready, worker=WORKER, attempt=attempt, lease_ms=60_000)
    again = await house.leases.claim(ready, worker=WORKER, attempt=attempt, lease_ms=60_000)
    assert first is not None
    assert again == first


async def test_a_claim_takes_the_ready_entry_away_also_when_another_holds_the_lease(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    await house.claim(conversation)
    at = house.floor.keys.conversation(conversation)
    entry = await house.floor.commands.xadd(at.shared.ready, {"c": conversation})
    ready = Ready(at.partition, conversation, entry.decode())
    assert await house.leases.claim(ready, worker=WORKER, attempt=AttemptId(fresh()), lease_ms=1) is None
    assert not await house.floor.commands.xrange(at.shared.ready, entry, entry)


async def test_nothing_is_claimed_where_nothing_waits(house: House) -> None:
    conversation = await house.conversation()
    assert await house.try_claim(conversation) is None


async def test_each_lease_has_a_higher_token(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    first = await house.claim(conversation, SHORT_MS)
    second = await eventually(lambda: house.try_claim(conversation))
    assert second.token > first.token


async def test_a_lease_that_is_renewed_is_not_up_for_claim(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    at = house.floor.keys.conversation(conversation)
    await house.floor.commands.hset(at.lease, "until_ms", 0)
    renewal = await house.leases.renew([lease])
    assert (renewal.lost, renewal.cancelling) == (frozenset(), frozenset())
    assert await house.try_claim(conversation) is None


async def test_renewing_names_the_leases_that_another_took_and_the_turns_to_stop(house: House) -> None:
    kept, taken = await house.conversation(), await house.conversation()
    for conversation in (kept, taken):
        await house.ask(conversation)
    holding, losing = await house.claim(kept), await house.claim(taken, SHORT_MS)
    turn = await house.begin(holding)
    await house.turns.cancel(kept, ANN, turn.id)
    await eventually(lambda: house.try_claim(taken))
    renewal = await house.leases.renew([holding, losing])
    assert renewal.lost == {losing.attempt}
    assert renewal.cancelling == {turn.id}


async def test_renewing_nothing_is_nothing(house: House) -> None:
    assert not (await house.leases.renew([])).lost


async def test_a_lease_is_kept_while_turns_wait_and_let_go_when_none_does(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    assert not await house.leases.release(lease)
    await house.answer(lease)
    assert await house.leases.release(lease)
    assert await house.leases.release(lease), "a repeat is harmless"


async def test_a_message_accepted_while_the_owner_lets_go_is_never_left_alone(house: House) -> None:
    """The race: the owner saw an empty FIFO, a message comes in, the owner lets go, and nobody is told."""
    conversation = await house.conversation()
    at = house.floor.keys.conversation(conversation)
    for _ in range(20):
        await house.ask(conversation)
        lease = await house.claim(conversation)
        await house.answer(lease)
        released, _ = await asyncio.gather(house.leases.release(lease), house.ask(conversation))
        said = [fields[b"c"] for _, fields in await house.floor.commands.xrange(at.shared.ready)]
        assert (conversation.encode() in said) or not released
        lease = lease if not released else await house.claim(conversation)
        await house.answer(lease)
        assert await house.leases.release(lease)
        await house.floor.commands.xtrim(at.shared.ready, maxlen=0)


async def test_what_is_handed_over_is_ready_for_the_next_worker_at_once(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    worker = NodeId(fresh())
    await eventually(lambda: _hears(house, worker, conversation))
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    await house.leases.hand_over(lease)
    await eventually(lambda: _hears(house, worker, conversation))
    again = await house.begin(await house.claim(conversation))
    assert (again.id, again.attempts) == (turn.id, 2)


async def test_an_attempt_that_is_handed_over_is_told_from_one_whose_worker_died(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    await house.begin(await house.claim(conversation, SHORT_MS))
    idle = await eventually(lambda: house.try_claim(conversation))
    await house.leases.hand_over(idle)  # it began nothing
    lease = await house.claim(conversation)
    await house.begin(lease)
    for _ in range(2):  # a lost reply counts once
        await house.leases.hand_over(lease)
    turn = await house.begin(await house.claim(conversation))
    assert (turn.attempts, turn.handed_over) == (3, 1)


async def test_a_replaced_worker_can_write_nothing(house: House) -> None:
    """A worker freezes, its lease runs out, another takes over; then the first one wakes up in mid-
    sentence.
    """
    conversation = await house.conversation()
    await house.ask(conversation)
    frozen = await house.claim(conversation, SHORT_MS)
    turn = await house.begin(frozen)
    message = await house.say(frozen, turn, "half a sen")
    taken = await eventually(lambda: house.try_claim(conversation, worker=NodeId("worker-2")))
    at, turns = house.floor.keys.conversation(conversation), house.turns
    before = await house.floor.commands.hgetall(at.head), await house.told(conversation)
    late = [
        lambda: turns.begin(frozen),
        lambda: turns.start_message(frozen, turn, message, AGENT),
        lambda: turns.delta(frozen, turn, message, 10, "tence"),
        lambda: turns.complete_message(frozen, turn, message, "half a sentence", source="s"),
        lambda: turns.retract(frozen, turn, message, "late"),
        lambda: turns.finish(frozen, turn, "completed"),
        lambda: house.leases.release(frozen),
        lambda: house.leases.hand_over(frozen),
    ]
    for write in late:
        with pytest.raises(LeaseLost):
            await write()
    assert (await house.floor.commands.hgetall(at.head), await house.told(conversation)) == before
    assert (await house.leases.renew([taken])).lost == frozenset()


async def test_a_token_that_came_again_after_a_failover_opens_nothing(house: House) -> None:
    """A failover can roll the token counter back: two leases with the same token, of which one is void."""
    conversation = await house.conversation()
    await house.ask(conversation)
    first = await house.claim(conversation, SHORT_MS)
    turn = await house.begin(first)
    at = house.floor.keys.conversation(conversation)
    await house.floor.commands.hincrby(at.head, "lease_token", -1)
    second = await eventually(lambda: house.try_claim(conversation))
    assert second.token == first.token
    with pytest.raises(LeaseLost):
        await house.turns.finish(first, turn, "completed")


async def test_the_sweep_finds_conversations_whose_owner_fell_silent(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    await house.claim(conversation, SHORT_MS)
    found = await eventually(lambda: _orphaned(house, conversation))
    assert found == Ready(house.floor.keys.conversation(conversation).partition, conversation)


async def expired_everywhere(house: House, number: int) -> list[ConversationId]:
    """Conversations of many partitions whose leases have run out, the longest expired first."""
    gone = list[ConversationId]()
    for _ in range(number):
        gone.append(await house.conversation())
        await house.ask(gone[-1])
        await house.claim(gone[-1], SHORT_MS)
    return gone


async def test_the_sweep_reaches_all_partitions_however_many_leases_ran_out(
    own_redis: EmbeddedRedis,
) -> None:
    """Taken in the order of partitions, those of the last would wait until all others are served."""
    async with open_house(own_redis.sentinels) as house:
        gone = await expired_everywhere(house, 80)
        rounds, left = 0, set(gone)
        while left:
            longest = next(each for each in gone if each in left)
            found = [each.conversation for each in await house.turns.orphans(WORKER, count=10)]
            assert longest in found
            assert len(found) == min(10, len(left))
            for conversation in found:
                lease = await house.claim(conversation)
                await house.answer(lease)
                assert await house.leases.release(lease)
            left -= set(found)
            rounds += 1
        assert rounds == 8


async def test_workers_that_sweep_at_the_same_time_find_different_conversations(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_house(own_redis.sentinels) as house:
        await expired_everywhere(house, 60)
        found = [await house.turns.orphans(WORKER, count=20) for _ in range(4)]
        assert len({each.conversation for some in found for each in some}) > 30


async def _orphaned(house: House, conversation: str) -> Ready | None:
    orphans = await house.turns.orphans(WORKER)
    return next((each for each in orphans if each.conversation == conversation and each.entry is None), None)


async def _hears(house: House, worker: NodeId, conversation: str) -> bool:
    heard = await house.turns.ready(worker, block_ms=100, count=100)
    return any(each.conversation == conversation and each.entry for each in heard)


async def test_a_claim_and_the_first_begin_may_leave_together(house: House) -> None:
    conversation = await house.conversation()
    accepted = await house.ask(conversation)
    attempt, execution = AttemptId(fresh()), AttemptId(fresh())
    coming = Lease(conversation, UNCLAIMED, attempt, WORKER)
    ready = Ready(house.floor.keys.conversation(conversation).partition, conversation)
    claim = house.leases.claim(ready, worker=WORKER, attempt=attempt, lease_ms=LONG_MS)
    lease, turn = await asyncio.gather(claim, house.turns.begin(coming, execution))
    assert lease is not None
    assert turn is not None
    assert [turn.id] == list(accepted.turns)
    again = await house.turns.begin(lease, execution)
    assert again is not None
    assert (again.attempt, again.attempts) == (execution, 1)


async def test_a_begin_that_leaves_with_a_refused_claim_begins_nothing(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    owner = await house.claim(conversation)
    attempt = AttemptId(fresh())
    coming = Lease(conversation, UNCLAIMED, attempt, WORKER)
    ready = Ready(house.floor.keys.conversation(conversation).partition, conversation)
    claim = house.leases.claim(ready, worker=WORKER, attempt=attempt, lease_ms=LONG_MS)
    lease, refused = await asyncio.gather(
        claim, house.turns.begin(coming, AttemptId(fresh())), return_exceptions=True
    )
    assert lease is None
    assert isinstance(refused, LeaseLost)
    turn = await house.begin(owner)
    assert turn.attempts == 1


async def test_a_begin_without_a_claim_begins_nothing(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    coming = Lease(conversation, UNCLAIMED, AttemptId(fresh()), WORKER)
    with pytest.raises(LeaseLost):
        await house.turns.begin(coming, AttemptId(fresh()))
