"""Acceptance on a real Redis: idempotent by message id for longer than an id can be taken; time moves by
choosing ids.
"""

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import BadRequest, MessageConflict, OutsideWindow
from services.shared.model.ids import ENTROPY_BYTES, uuid7
from services.shared.runtime.clock import SystemClock
from tests.support.bus_house import open_house
from tests.support.open_bus import fresh_id, open_bus

DAY_S = 86_400
SLACK_S = 60
"""More than a test takes."""


def made_ago(seconds: float) -> str:
    """A message id whose maker's clock was so far behind; negative: ahead."""
    return uuid7(SystemClock().now_ms() - int(seconds * 1000), bytes(ENTROPY_BYTES))


async def conversation_of(bus: Bus, *agents: str) -> str:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann", members=["bob"], agents=agents)
    return conversation


async def forget_message(bus: Bus, conversation: str, message: str) -> None:
    """What is left of a message that was deleted."""
    keys = bus.floor.keys.conversation(conversation)
    await bus.floor.commands.delete(keys.message(message))
    await bus.floor.commands.zrem(keys.order, message)


async def texts(bus: Bus, conversation: str) -> list[str]:
    page = await bus.messages.history(conversation, "ann")
    return [each.text for each in page.messages]


async def test_a_repeat_after_the_message_was_deleted_gets_the_first_position_and_adds_nothing(
    bus: Bus,
) -> None:
    conversation, message = await conversation_of(bus, "one", "two"), fresh_id()
    first = await bus.messages.accept(conversation, "ann", message, "hi")
    await forget_message(bus, conversation, message)
    again = await bus.messages.accept(conversation, "ann", message, "hi")
    assert (again.position, again.turns, again.repeated) == (first.position, first.turns, True)
    assert await texts(bus, conversation) == []
    assert await bus.floor.commands.llen(bus.floor.keys.conversation(conversation).fifo) == 2


async def test_the_id_of_a_deleted_message_still_stands_for_its_body_and_its_user(bus: Bus) -> None:
    conversation, message = await conversation_of(bus), fresh_id()
    await bus.messages.accept(conversation, "ann", message, "hi")
    await forget_message(bus, conversation, message)
    with pytest.raises(MessageConflict):
        await bus.messages.accept(conversation, "ann", message, "ho")
    with pytest.raises(MessageConflict):
        await bus.messages.accept(conversation, "bob", message, "hi")


async def test_a_repeat_through_another_process_after_the_turn_ended_gets_the_first_position(
    shared_redis: EmbeddedRedis,
) -> None:
    async with open_house(shared_redis.sentinels) as here, open_house(shared_redis.sentinels) as there:
        conversation, message = await here.conversation(), fresh_id()
        first = await here.messages.accept(conversation, "ann", message, "hi")
        await there.answer(await there.claim(conversation))
        again = await there.messages.accept(conversation, "ann", message, "hi")
        assert (again.position, again.turns, again.repeated) == (first.position, first.turns, True)
        assert await there.floor.commands.llen(there.floor.keys.conversation(conversation).fifo) == 0


@pytest.mark.parametrize("ago_s", [DAY_S - SLACK_S, -DAY_S + SLACK_S])
async def test_an_id_made_within_the_window_is_taken_once(bus: Bus, ago_s: float) -> None:
    conversation, message = await conversation_of(bus), made_ago(ago_s)
    first = await bus.messages.accept(conversation, "ann", message, "hi")
    await forget_message(bus, conversation, message)
    again = await bus.messages.accept(conversation, "ann", message, "hi")
    assert (first.repeated, again.repeated) == (False, True)


@pytest.mark.parametrize(
    ("ago_s", "told"), [(DAY_S + SLACK_S, " s behind the server"), (-DAY_S - SLACK_S, " s ahead of the serv")]
)
async def test_an_id_made_outside_the_window_is_refused_with_how_far_and_stores_nothing(
    bus: Bus, ago_s: float, told: str
) -> None:
    conversation = await conversation_of(bus, "one")
    with pytest.raises(OutsideWindow, match=told):
        await bus.messages.accept(conversation, "ann", made_ago(ago_s), "hi")
    keys = bus.floor.keys.conversation(conversation)
    assert await texts(bus, conversation) == []
    assert await bus.floor.commands.exists(keys.fifo, keys.accepted) == 0


async def test_a_kept_message_is_a_repeat_whatever_its_age(bus: Bus) -> None:
    """As an earlier release left it: with its digest, and without a record of its own."""
    conversation, recent, old = await conversation_of(bus), fresh_id(), made_ago(30 * DAY_S)
    first = await bus.messages.accept(conversation, "ann", recent, "hi")
    keys = bus.floor.keys.conversation(conversation)
    await bus.floor.commands.rename(keys.message(recent), keys.message(old))
    await bus.floor.commands.delete(keys.accepted)
    again = await bus.messages.accept(conversation, "ann", old, "hi")
    assert (again.position, again.repeated) == (first.position, True)


async def test_an_id_whose_record_alone_is_left_is_a_repeat_also_when_it_is_too_old_to_be_taken(
    bus: Bus,
) -> None:
    """It was taken by a clock that was behind, or long ago: the record outlives the window."""
    conversation, old = await conversation_of(bus, "one"), made_ago(1.5 * DAY_S)
    first = await bus.messages.accept(conversation, "ann", fresh_id(), "hi")
    keys = bus.floor.keys.conversation(conversation)
    [record] = await bus.floor.commands.zrange(keys.accepted, 0, -1)
    await bus.floor.commands.zadd(keys.accepted, {old + record.decode()[len(old) :]: 0})
    again = await bus.messages.accept(conversation, "ann", old, "hi")
    assert (again.position, again.turns, again.repeated) == (first.position, first.turns, True)


async def test_an_id_is_remembered_until_it_is_too_old_to_be_taken_anew(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    keys = bus.floor.keys.conversation(conversation)
    gone, still = made_ago(2 * DAY_S + 3600 + SLACK_S), made_ago(2 * DAY_S)
    records = {f"{each} ann digest epoch 1 ": 0 for each in (gone, still)}
    await bus.floor.commands.zadd(keys.accepted, records)
    await bus.messages.accept(conversation, "ann", fresh_id(), "hi")
    kept = [each.decode().split()[0] for each in await bus.floor.commands.zrange(keys.accepted, 0, -1)]
    assert still in kept
    assert gone not in kept


async def test_what_is_remembered_of_a_silent_conversation_ends_after_every_id_in_it_became_too_old(
    bus: Bus,
) -> None:
    conversation = await conversation_of(bus)
    await bus.messages.accept(conversation, "ann", made_ago(-DAY_S + SLACK_S), "from a clock that is ahead")
    left_ms = await bus.floor.commands.pttl(bus.floor.keys.conversation(conversation).accepted)
    assert left_ms / 1000 > 2 * DAY_S


async def test_a_message_id_that_does_not_say_when_it_was_made_is_a_bad_request(bus: Bus) -> None:
    conversation = await conversation_of(bus)
    random = fresh_id()[:14] + "4" + fresh_id()[15:]
    with pytest.raises(BadRequest, match="UUIDv7"):
        await bus.messages.accept(conversation, "ann", random, "hi")


async def test_the_id_of_what_an_agent_is_just_saying_is_taken(shared_redis: EmbeddedRedis) -> None:
    async with open_house(shared_redis.sentinels) as house:
        conversation = await house.conversation()
        await house.ask(conversation)
        lease = await house.claim(conversation)
        spoken = await house.say(lease, await house.begin(lease), "so far")
        with pytest.raises(MessageConflict):
            await house.messages.accept(conversation, "ann", spoken, "mine")


async def test_a_shorter_window_is_a_setting(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis, accept_window_s=120) as bus:
        conversation = await conversation_of(bus)
        await bus.messages.accept(conversation, "ann", made_ago(60), "hi")
        with pytest.raises(OutsideWindow):
            await bus.messages.accept(conversation, "ann", made_ago(180), "hi")
