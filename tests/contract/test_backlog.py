"""The backlog on a real Redis: its counts are what the FIFOs hold, whatever happens to turns."""

import random
from collections.abc import AsyncIterator

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.backlog import Backlog
from services.shared.bus.dead_letters import DeadLetters
from services.shared.model.errors import Overloaded
from services.shared.model.ids import ConversationId
from services.shared.model.turn import Lease, Turn
from tests.support.bus_house import ANN, House, fresh, open_house


@pytest.fixture
async def house(own_redis: EmbeddedRedis) -> AsyncIterator[House]:
    """On servers of its own: the counts are the whole house's."""
    async with open_house(own_redis.sentinels) as opened:
        yield opened


async def in_fifos(house: House) -> int:
    """What all FIFOs hold, looked for by hand."""
    keys = [key async for key in house.floor.commands.scan_iter("*:fifo", count=1000)]
    return sum([int(await house.floor.commands.llen(key)) for key in keys])


class Walk:
    """Random deeds in a few conversations, each as often repeated as not."""

    def __init__(self, house: House, conversations: list[ConversationId], seed: int) -> None:
        self.house = house
        self.conversations = conversations
        self.choose = random.Random(seed)
        self.held: dict[ConversationId, tuple[Lease, Turn | None]] = {}

    async def step(self) -> None:
        conversation = self.choose.choice(self.conversations)
        deed = self.choose.choice([self.say, self.say, self.work, self.work, self.cancel, self.let_go])
        await deed(conversation)

    async def say(self, conversation: ConversationId) -> None:
        message = fresh()
        for _ in range(self.choose.choice([1, 2])):
            await self.house.messages.accept(conversation, ANN, message, "hi")

    async def cancel(self, conversation: ConversationId) -> None:
        for _ in range(self.choose.choice([1, 2])):
            await self.house.turns.cancel(conversation, ANN, None)

    async def work(self, conversation: ConversationId) -> None:
        lease, turn = self.held.get(conversation, (None, None))
        if lease is None:
            if lease := await self.house.try_claim(conversation):
                self.held[conversation] = lease, None
        elif turn is None:
            self.held[conversation] = lease, await self.house.turns.begin(lease)
        else:
            for _ in range(self.choose.choice([1, 2])):
                await self.house.turns.finish(lease, turn, "completed")
            self.held[conversation] = lease, None

    async def let_go(self, conversation: ConversationId) -> None:
        if held := self.held.pop(conversation, None):
            await self.house.leases.hand_over(held[0])


@pytest.mark.parametrize("seed", range(3))
async def test_the_counts_are_what_the_fifos_hold_after_every_step(house: House, seed: int) -> None:
    backlog = Backlog(house.floor)
    talks = [await house.conversation() for _ in range(4)]
    silent = ConversationId(fresh())
    await house.conversations.create(silent, ANN, agents=())
    walk = Walk(house, [*talks, silent], seed)
    most = 0
    for _ in range(120):
        await walk.step()
        held = await in_fifos(house)
        most = max(most, held)
        assert await backlog.depth() == held
    assert most > 3
    assert await backlog.recount() == await in_fifos(house)


async def test_a_turn_whose_record_is_gone_leaves_the_count_with_the_fifo(house: House) -> None:
    backlog, conversation = Backlog(house.floor), await house.conversation()
    lost = (await house.ask(conversation)).turns[0]
    await house.ask(conversation)
    await house.floor.commands.delete(house.floor.keys.conversation(conversation).turn(lost))
    await house.begin(await house.claim(conversation))
    assert await backlog.depth() == await in_fifos(house) == 1


async def test_a_failed_turn_that_is_replayed_is_counted_again_and_once(house: House) -> None:
    backlog, conversation = Backlog(house.floor), await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    await house.turns.finish(lease, await house.begin(lease), "failed", "why")
    assert await backlog.depth() == await in_fifos(house) == 0
    letters = DeadLetters(house.floor)
    [letter] = await letters.list()
    for _ in range(2):
        await letters.replay(letter)
    assert await backlog.depth() == await in_fifos(house) == 1


@pytest.mark.parametrize("written", [None, 500, -500])
async def test_counts_that_are_missing_or_wrong_are_mended(house: House, written: int | None) -> None:
    """Data older than the counts has none; a wrong one stands for whatever tore them apart."""
    backlog = Backlog(house.floor)
    ready, held = await house.conversation(), await house.conversation()
    for conversation in (ready, ready, held):
        await house.ask(conversation)
    await house.begin(await house.claim(held))
    for each in house.floor.keys.shared():
        if written is None:
            await house.floor.commands.delete(each.queued)
        else:
            await house.floor.commands.set(each.queued, written)
    assert await backlog.recount() == 3
    assert await backlog.depth() == 3


async def test_what_ends_before_it_was_ever_counted_makes_no_negative_depth(house: House) -> None:
    backlog, conversation = Backlog(house.floor), await house.conversation()
    await house.ask(conversation)
    for each in house.floor.keys.shared():
        await house.floor.commands.delete(each.queued)
    await house.answer(await house.claim(conversation))
    assert await backlog.depth() == 0


async def test_an_overloaded_house_refuses_what_would_queue_turns_and_stores_nothing(house: House) -> None:
    conversation = await house.conversation()
    first = fresh()
    accepted = await house.messages.accept(conversation, ANN, first, "hi")
    before = await house.events(conversation)
    with pytest.raises(Overloaded):
        await house.messages.accept(conversation, ANN, fresh(), "more", overloaded=True)
    assert await house.events(conversation) == before
    assert await in_fifos(house) == 1
    keys = house.floor.keys.conversation(conversation)
    assert (
        await house.floor.commands.zcard(keys.accepted) == await house.floor.commands.zcard(keys.order) == 1
    )
    again = await house.messages.accept(conversation, ANN, first, "hi", overloaded=True)
    assert (again.position, again.repeated) == (accepted.position, True)


async def test_an_overloaded_house_still_takes_what_no_agent_answers(house: House) -> None:
    conversation = ConversationId(fresh())
    await house.conversations.create(conversation, ANN, agents=())
    accepted = await house.messages.accept(conversation, ANN, fresh(), "hi", overloaded=True)
    assert not accepted.repeated
