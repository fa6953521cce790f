"""Leases and turns, cancelled at their n-th await for each n: no lease stays that nobody lets go and that
does not run out, and every turn has its one final.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import LeaseLost
from services.shared.model.ids import AttemptId, MessageId
from services.shared.model.turn import Ready
from tests.support.answering import assert_answered, assert_no_work_left, found
from tests.support.bus_house import AGENT, LONG_MS, SHORT_MS, WORKER, fresh, house_of
from tests.support.loops import ON_ASYNCIO, ON_UVLOOP
from tests.support.nth_await import HARDEST, Moment, Subject, cut_everywhere
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.whole_pools import assert_pools_whole

pytestmark = [ON_UVLOOP, pytest.mark.slow]
Step = Callable[[Bus], Awaitable[Subject]]
BRIEF_MS = 60
"""A lease that outlives a claim, but not a test."""


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    """On servers where nobody else answers; what was read and not claimed is anybody's soon."""
    monkeypatch.setattr("services.shared.bus.ready.STALE_MS", 50)
    async with open_bus(workers_redis, redis_command_connections=4) as bus:
        await bus.confirmer.tick()
        yield bus


async def ready(bus: Bus) -> Subject:
    """The entries it read are nobody's."""
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    work = bus.turns.ready(WORKER, block_ms=20, count=10)
    return Subject(work, lambda: assert_answered(bus, conversation))


async def ready_while_nothing_is(bus: Bus) -> Subject:
    """Cut while it waits; the message comes after."""
    house = house_of(bus)
    conversation = await house.conversation()

    async def holds() -> None:
        await house.ask(conversation)
        await assert_answered(bus, conversation)

    return Subject(bus.turns.ready(WORKER, block_ms=20, count=10), holds)


async def orphans(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    await house.claim(conversation, SHORT_MS)
    return Subject(bus.turns.orphans(WORKER), lambda: assert_answered(bus, conversation))


async def claim(bus: Bus) -> Subject:
    """Nobody knows of the lease; it runs out."""
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    word = await eventually(lambda: bus.turns.ready(WORKER, block_ms=1, count=10))
    assert [each.conversation for each in word] == [conversation]
    attempt = AttemptId(fresh())
    work = bus.leases.claim(word[0], worker=WORKER, attempt=attempt, lease_ms=BRIEF_MS)
    return Subject(work, lambda: assert_answered(bus, conversation))


async def claim_and_claim_again(bus: Bus) -> Subject:
    """The same attempt gets the same lease."""
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    found = Ready(bus.floor.keys.conversation(conversation).partition, conversation)
    attempt = AttemptId(fresh())

    def work() -> Any:
        return bus.leases.claim(found, worker=WORKER, attempt=attempt, lease_ms=LONG_MS)

    async def holds() -> None:
        lease = await work()
        assert lease == await work()
        assert lease.token == 1
        await assert_answered(bus, conversation, lease=lease)

    return Subject(work(), holds)


async def renew(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)

    async def holds() -> None:
        assert not (await bus.leases.renew([lease])).lost
        await assert_answered(bus, conversation, lease=lease)

    return Subject(bus.leases.renew([lease]), holds)


async def release(bus: Bus) -> Subject:
    """Let go or not, what is said next is answered: by who holds on, or by another."""
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    await house.answer(lease)

    async def holds() -> None:
        await house.ask(conversation)
        held = not await bus.leases.release(lease)
        await assert_answered(bus, conversation, lease=lease if held else None)

    return Subject(bus.leases.release(lease), holds)


async def hand_over(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    await house.say(lease, await house.begin(lease), "half a sen")

    async def holds() -> None:
        await bus.leases.hand_over(lease)
        await assert_answered(bus, conversation)

    return Subject(bus.leases.hand_over(lease), holds)


async def begin(bus: Bus) -> Subject:
    """One attempt, however often it is asked for under one id."""
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease, execution = await house.claim(conversation), AttemptId(fresh())

    def work() -> Any:
        return bus.turns.begin(lease, execution)

    async def holds() -> None:
        turn = await work()
        assert (turn.attempt, turn.attempts) == (execution, 1)
        assert await house.told(conversation) == ["turn.started"]
        await assert_answered(bus, conversation, lease=lease)

    return Subject(work(), holds)


async def start_message(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn, message = await house.begin(lease), MessageId(fresh())

    def work() -> Any:
        return bus.turns.start_message(lease, turn, message, AGENT)

    async def holds() -> None:
        await work()
        assert await house.told(conversation) == ["turn.started", "message.started"]
        await assert_answered(bus, conversation, lease=lease)

    return Subject(work(), holds)


async def delta(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    message = await house.say(lease, turn, "one ")

    def work() -> Any:
        return bus.turns.delta(lease, turn, message, 4, "two")

    async def holds() -> None:
        await work()
        assert (await bus.messages.history(conversation, "ann")).open[0].text == "one two"
        await assert_answered(bus, conversation, lease=lease)

    return Subject(work(), holds)


async def complete_message(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    message = await house.say(lease, turn, "one")

    def work() -> Any:
        return bus.turns.complete_message(lease, turn, message, "one", source="s")

    async def holds() -> None:
        await work()
        assert (await house.told(conversation)).count("message.completed") == 1
        await bus.turns.finish(lease, turn, "completed")
        await assert_answered(bus, conversation, lease=lease)

    return Subject(work(), holds)


async def finish(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    await house.say(lease, turn, "half a sen")

    def work() -> Any:
        return bus.turns.finish(lease, turn, "completed")

    async def holds() -> None:
        assert await work() == await work()
        await assert_answered(bus, conversation, lease=lease)

    return Subject(work(), holds)


async def finish_and_die(bus: Bus) -> Subject:
    """Nobody repeats it: another worker takes the conversation over and finds the turn ended, or ends it."""
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation, SHORT_MS)
    turn = await house.begin(lease)

    async def holds() -> None:
        await house.ask(conversation)
        await assert_answered(bus, conversation)
        with pytest.raises(LeaseLost):
            await bus.turns.finish(lease, turn, "completed")

    return Subject(bus.turns.finish(lease, turn, "completed"), holds)


STEPS: list[Step] = [
    *(ready, ready_while_nothing_is, orphans, claim, claim_and_claim_again, renew, release, hand_over),
    *(begin, start_message, delta, complete_message, finish, finish_and_die),
]


async def cut_step(bus: Bus, step: Step, moment: Moment) -> None:
    async def make() -> Subject:
        subject = await step(bus)

        async def holds() -> None:
            await subject.holds()
            await assert_pools_whole(bus)

        return Subject(subject.work, holds)

    assert await cut_everywhere(make, moment) >= 1
    await assert_no_work_left(bus)


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_a_worker_cut_in_a_step_loses_no_turn_and_leaks_no_lease(
    bus: Bus, step: Step, moment: Moment
) -> None:
    await cut_step(bus, step, moment)


@ON_ASYNCIO
@pytest.mark.parametrize("moment", HARDEST)
@pytest.mark.parametrize(
    "step", [claim, begin, complete_message, finish, finish_and_die], ids=lambda step: step.__name__
)
async def test_a_worker_cut_in_a_step_loses_no_turn_on_the_other_loop_either(
    bus: Bus, step: Step, moment: Moment
) -> None:
    await cut_step(bus, step, moment)


async def test_a_lease_that_nobody_lets_go_and_that_does_not_run_out_is_caught(bus: Bus) -> None:
    house = house_of(bus)

    async def make() -> Subject:
        conversation = await house.conversation()
        await house.ask(conversation)
        work = house.claim(conversation, LONG_MS)
        return Subject(work, lambda: found(house, conversation, within_s=1.0))

    with pytest.raises(AssertionError, match="not within"):
        await cut_everywhere(make, Moment.WITH_THE_REPLY)
