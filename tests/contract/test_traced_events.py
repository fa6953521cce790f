"""The trace context on its way through Redis: from an acceptance into the turn's record and every event, and
what the next worker is told of the attempt before.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.model.errors import UnreadableTurn
from services.shared.model.ids import AttemptId, ConversationId, MessageId
from tests.support.bus_house import ANN, SHORT_MS, House, fresh, open_house
from tests.support.waiting import eventually

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CARRIERS = (
    "message.created", "message.started", "message.completed", "message.retracted",
    "turn.started", "turn.finished",
)  # fmt: skip


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


async def asked(house: House, trace: str) -> ConversationId:
    """A conversation with one message of this trace."""
    conversation = await house.conversation()
    await house.messages.accept(conversation, ANN, MessageId(fresh()), "hello", trace=trace)
    return conversation


async def answered(house: House, conversation: ConversationId) -> None:
    """One whole turn with a message that is kept and one that is taken back."""
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    message = await house.say(lease, turn, "hi")
    await house.turns.complete_message(lease, turn, message, "hi", source="s")
    await house.turns.retract(lease, turn, await house.say(lease, turn, "no"), "wrong")
    await house.turns.finish(lease, turn, "completed", keep="slow")
    await house.leases.release(lease)


async def bodies(house: House, conversation: ConversationId) -> dict[str, bytes]:
    """The newest body of each type that may carry a trace, as it stands in the journal."""
    entries: Any = await house.floor.commands.xrange(house.floor.keys.conversation(conversation).journal)
    found = [fields[b"b"] for _, fields in entries]
    return {kind: body for kind in CARRIERS for body in found if b'"type":"%s"' % kind.encode() in body}


async def test_every_event_of_a_message_and_its_turn_carries_the_trace_directly_behind_its_type(
    house: House,
) -> None:
    conversation = await asked(house, TRACE)
    await answered(house, conversation)
    found = await bodies(house, conversation)
    assert set(found) == set(CARRIERS)
    for kind, body in found.items():
        _, _, behind = body.partition(b",")
        assert body.startswith(b'{"time":')
        assert behind.startswith(b'"type":"%s","trace":"%s","' % (kind.encode(), TRACE.encode()))


async def test_events_without_a_trace_look_as_before(house: House) -> None:
    conversation = await asked(house, "")
    await answered(house, conversation)
    assert not [body for body in (await bodies(house, conversation)).values() if b'"trace"' in body]


async def test_the_end_of_a_turn_says_why_its_trace_is_kept_only_if_it_is(house: House) -> None:
    conversation = await asked(house, TRACE)
    await answered(house, conversation)
    assert (await house.events(conversation))[-1]["keep"] == "slow"
    await house.ask(conversation)
    await house.answer(await house.claim(conversation))
    assert "keep" not in (await house.events(conversation))[-1]


async def test_a_queued_turn_that_is_cancelled_ends_in_its_trace(house: House) -> None:
    conversation = await asked(house, TRACE)
    await house.turns.cancel(conversation, ANN, None)
    assert (await house.events(conversation))[-1]["trace"] == TRACE


async def test_what_a_dead_attempt_left_is_taken_back_in_its_trace(house: House) -> None:
    conversation = await asked(house, TRACE)
    lease = await house.claim(conversation, SHORT_MS)
    await house.say(lease, await house.begin(lease), "half")
    await house.begin(await eventually(lambda: house.try_claim(conversation)))
    [retracted] = [e for e in await house.events(conversation) if e["type"] == "message.retracted"]
    assert retracted["trace"] == TRACE


async def test_the_next_worker_knows_the_attempt_before_and_when_it_began(house: House) -> None:
    conversation = await asked(house, TRACE)
    lease = await house.claim(conversation, SHORT_MS)
    first = await house.begin(lease)
    assert (first.before, first.before_started_ms, first.before_handed_over) == (None, 0, False)
    again = await eventually(lambda: house.try_claim(conversation))
    record = house.floor.keys.conversation(conversation).turn(first.id)
    began: Any = await house.floor.commands.hget(record, "started_ms")
    execution = AttemptId(fresh())
    for _ in range(2):  # a lost reply changes nothing
        second = await house.turns.begin(again, execution)
        assert second is not None
        assert (second.before, second.before_started_ms) == (first.attempt, int(began))
        assert not second.before_handed_over


async def test_an_attempt_whose_worker_ended_in_order_is_told_from_a_dead_one(house: House) -> None:
    conversation = await asked(house, TRACE)
    lease = await house.claim(conversation)
    first = await house.begin(lease)
    await house.leases.hand_over(lease)
    second = await house.begin(await house.claim(conversation, SHORT_MS))
    assert (second.before, second.before_handed_over) == (first.attempt, True)
    third = await house.begin(await eventually(lambda: house.try_claim(conversation)))
    assert (third.before, third.before_handed_over) == (second.attempt, False)


async def test_a_turn_that_cannot_be_read_ends_with_its_trace_kept(house: House) -> None:
    conversation = await asked(house, TRACE)
    at = house.floor.keys.conversation(conversation)
    waiting: Any = await house.floor.commands.lrange(at.fifo, 0, -1)
    record = at.turn(waiting[0].decode())
    await house.floor.commands.hdel(record, "agent")
    lease = await house.claim(conversation)
    with pytest.raises(UnreadableTurn) as unreadable:
        await house.turns.begin(lease)
    await house.turns.give_up(lease, unreadable.value, "it cannot be read", "unreadable")
    final = (await house.events(conversation))[-1]
    assert (final["type"], final["trace"], final["keep"]) == ("turn.finished", TRACE, "failed")


async def test_a_turn_of_several_messages_knows_the_trace_of_each(house: House) -> None:
    """Its record names the messages, the one that queued it last; each keeps the context of its own
    acceptance.
    """
    other = TRACE.replace("b7ad", "c8be")
    conversation = await asked(house, TRACE)
    second = MessageId(fresh())
    await house.messages.accept(conversation, ANN, second, "and this", trace=other)
    at = house.floor.keys.conversation(conversation)
    redis: Any = house.floor.commands
    [first_turn, second_turn] = [each.decode() for each in await redis.lrange(at.fifo, 0, -1)]
    record = f"{at.base}:turn:{first_turn}"
    await redis.hset(record, "messages", f"{second}," + (await redis.hget(record, "messages")).decode())
    await redis.lrem(at.fifo, 0, second_turn)
    turn = await house.begin(await house.claim(conversation))
    assert (turn.trace, len(turn.messages), turn.further) == (TRACE, 2, (other,))


async def test_a_message_without_a_trace_keeps_none(house: House) -> None:
    conversation = await asked(house, "")
    turn = await house.begin(await house.claim(conversation))
    message = house.floor.keys.conversation(conversation).message(turn.messages[0].id)
    fields: Any = await house.floor.commands.hgetall(message)
    assert (turn.trace, b"trace" in fields) == ("", False)
