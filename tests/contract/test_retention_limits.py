"""Old messages make room, and conversations nobody uses end: each only when nothing is owed."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.presence.housekeeping import Housekeeping
from services.shared.bus.audit import Audit
from services.shared.bus.house import Bus
from services.shared.model.errors import NotMember
from services.shared.model.ids import ConversationId, MessageId
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from tests.support.bus_house import ANN, House, fresh, open_house
from tests.support.open_bus import open_bus
from tests.support.redis_group import redis_group

DAY_S = 86_400


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis in which nobody else's conversations age."""
    yield from redis_group(tmp_path_factory.mktemp("redis"))


@pytest.fixture
async def house(redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(redis.sentinels) as house:
        yield house


async def kept(bus: Bus, conversation: str) -> list[str]:
    page = await bus.messages.history(conversation, ANN, limit=200)
    return [message.text for message in page.messages]


async def said(bus: Bus, conversation: str, *texts: str) -> list[MessageId]:
    ids = [MessageId(fresh()) for _ in texts]
    for message, text in zip(ids, texts, strict=True):
        await bus.messages.accept(conversation, ANN, message, text)
    return ids


async def count(bus: Bus, conversation: str, what: str) -> int:
    redis: Any = bus.floor.commands
    base = bus.floor.keys.conversation(conversation).base
    return len([key async for key in redis.scan_iter(f"{base}:{what}:*")])


async def test_beyond_the_bound_the_oldest_messages_go_and_their_repeats_are_known(
    redis: EmbeddedRedis,
) -> None:
    async with open_bus(redis, messages_kept=3) as bus:
        conversation = fresh()
        await bus.conversations.create(conversation, ANN, agents=[])
        first, *_ = await said(bus, conversation, "one", "two", "three", "four", "five")
        assert await kept(bus, conversation) == ["three", "four", "five"]
        assert await count(bus, conversation, "m") == 3
        repeat = await bus.messages.accept(conversation, ANN, first, "one")
        assert repeat.repeated
        assert await kept(bus, conversation) == ["three", "four", "five"]
        assert (await bus.inventory.take()).faults == []


async def test_answers_count_and_the_records_of_their_turns_go_with_what_was_asked(
    redis: EmbeddedRedis,
) -> None:
    async with open_house(redis.sentinels, messages_kept=4) as house, open_bus(redis, messages_kept=4) as bus:
        talk = await house.conversation()
        await house.ask(talk, "ask 0")
        await house.answer(await house.claim(talk), "answer 0")
        for number in range(1, 4):
            await house.ask(talk, f"ask {number}")
        assert await kept(bus, talk) == ["answer 0", "ask 1", "ask 2", "ask 3"]
        assert await count(bus, talk, "turn") == 3
        await house.ask(talk, "ask 4")
        assert await kept(bus, talk) == [f"ask {number}" for number in range(1, 5)]


async def test_a_message_that_waits_for_its_answer_stays_and_goes_once_it_is_over(
    redis: EmbeddedRedis,
) -> None:
    async with open_house(redis.sentinels, messages_kept=2) as house, open_bus(redis, messages_kept=2) as bus:
        talk = await house.conversation()
        for number in range(4):
            await house.ask(talk, f"ask {number}")
        assert len(await kept(bus, talk)) == 4
        lease = await house.claim(talk)
        for number in range(4):
            await house.answer(lease, f"answer {number}")
        await house.ask(talk, "last")
        assert await kept(bus, talk) == ["answer 3", "last"]
        assert await count(bus, talk, "turn") == 1, "the last one's; the others went with their messages"


async def test_a_bound_of_zero_keeps_all(redis: EmbeddedRedis) -> None:
    async with open_bus(redis, messages_kept=0) as bus:
        conversation = fresh()
        await bus.conversations.create(conversation, ANN, agents=[])
        texts = [f"text {number}" for number in range(20)]
        await said(bus, conversation, *texts)
        assert await kept(bus, conversation) == texts


async def test_a_bound_that_was_lowered_takes_effect_bit_by_bit(redis: EmbeddedRedis) -> None:
    conversation = fresh()
    async with open_bus(redis) as bus:
        await bus.conversations.create(conversation, ANN, agents=[])
        await said(bus, conversation, *(f"text {number}" for number in range(40)))
    async with open_bus(redis, messages_kept=1) as bus:
        await said(bus, conversation, "new")
        assert len(await kept(bus, conversation)) == 41 - 16
        await said(bus, conversation, "newer", "newest")
        assert await kept(bus, conversation) == ["newest"]


async def aged(house: House, conversation: str, by_s: int) -> None:
    """Let a conversation look as if it had last been written in so long ago."""
    at = house.floor.keys.conversation(conversation)
    touched = int(await house.floor.commands.hget(at.head, "touched_ms") or 0) - by_s * 1000
    await house.floor.commands.hset(at.head, "touched_ms", str(touched))
    await house.floor.commands.zadd(at.shared.aging, {conversation: touched})


async def lives(house: House, conversation: ConversationId) -> bool:
    return await house.conversations.role(conversation, ANN) is not None


async def test_a_conversation_nobody_wrote_in_for_long_is_deleted_and_leaves_nothing(house: House) -> None:
    old, young = await house.conversation(), await house.conversation()
    await aged(house, old, 2 * DAY_S)
    assert await house.deletion.retire(DAY_S, linger_ms=0) == 1
    assert (await lives(house, old), await lives(house, young)) == (False, True)
    last = (await house.events(old))[-1]
    assert (last["type"], "by" in last) == ("conversation.deleted", False)
    assert await house.deletion.retire(DAY_S) == 0
    assert await house.deletion.work_off() == 1
    at = house.floor.keys.conversation(old)
    assert await house.floor.commands.exists(at.head) == 0
    assert await house.floor.commands.zscore(at.shared.aging, old) is None
    with pytest.raises(NotMember):
        await house.deletion.delete(old, ANN)


async def test_who_wrote_since_it_was_noted_keeps_the_conversation(house: House) -> None:
    talk = await house.conversation()
    await aged(house, talk, 2 * DAY_S)
    await house.conversations.add_member(talk, ANN, "bob")
    assert await house.deletion.retire(DAY_S) == 0
    assert await lives(house, talk)
    shared = house.floor.keys.conversation(talk).shared
    at_ms = await house.floor.commands.zscore(shared.aging, talk)
    touched = await house.floor.commands.hget(house.floor.keys.conversation(talk).head, "touched_ms")
    assert int(at_ms or 0) == int(touched or 1), "it is looked at again a whole time later"


async def test_a_conversation_that_owes_an_answer_stays(house: House) -> None:
    waiting, running = await house.conversation(), await house.conversation()
    await house.ask(waiting)
    await house.ask(running)
    await house.begin(await house.claim(running))
    for talk in (waiting, running):
        await aged(house, talk, 2 * DAY_S)
    assert await house.deletion.retire(DAY_S) == 0
    assert await lives(house, waiting)
    assert await lives(house, running)


async def test_the_presence_service_ends_them_where_that_is_set(house: House) -> None:
    talk = await house.conversation()
    await aged(house, talk, 2 * DAY_S)
    metrics = Metrics()
    parts = house.deletion, Audit(house.floor), SystemClock(), metrics
    await Housekeeping(*parts, conversation_ttl_s=0).once()
    assert await lives(house, talk)
    await Housekeeping(*parts, conversation_ttl_s=DAY_S).once()
    assert not await lives(house, talk)
    assert metrics.deletions_due._value.get() == await house.deletion.waiting() >= 1


async def test_two_that_look_at_once_end_it_once(house: House, redis: EmbeddedRedis) -> None:
    talk = await house.conversation()
    await aged(house, talk, 2 * DAY_S)
    looks = [house.deletion._retiring(talk, DAY_S, 0) for _ in range(2)]
    assert await house.floor.scripts.batch(looks) == [1, 0]
    assert [event["type"] for event in await house.events(talk)].count("conversation.deleted") == 1


@pytest.mark.parametrize("running", [False, True])
async def test_whoever_is_owed_an_answer_since_it_was_looked_at_stays(house: House, running: bool) -> None:
    talk = await house.conversation()
    await house.ask(talk)
    if running:
        await house.begin(await house.claim(talk))
        await house.floor.commands.delete(house.floor.keys.conversation(talk).fifo)
    await aged(house, talk, 2 * DAY_S)
    assert await house.floor.scripts.batch([house.deletion._retiring(talk, DAY_S, 0)]) == [0]
    assert await lives(house, talk)


async def test_a_replay_is_word_that_the_conversation_is_in_use(house: House) -> None:
    talk = await house.conversation()
    await house.ask(talk)
    lease = await house.claim(talk)
    turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "failed", "x", "broken")
    await aged(house, talk, 2 * DAY_S)
    letter = await house.dead_letters.find(turn.id)
    assert letter is not None
    at = house.floor.keys.conversation(talk)
    before = int(await house.floor.commands.hget(at.head, "touched_ms") or 0)
    await house.dead_letters.replay(letter)
    after = int(await house.floor.commands.hget(at.head, "touched_ms") or 0)
    assert after - before >= DAY_S * 1000
