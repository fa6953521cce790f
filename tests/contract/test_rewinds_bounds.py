"""Going back, as the rewind script decides it: who may, how far, what is refused, what stands beside it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.rewinds import Rewinds
from services.shared.model.errors import (
    BadRequest,
    MessageConflict,
    NotMember,
    OutsideWindow,
    QueueFull,
    Refused,
    TooFarBack,
)
from tests.support.bus_house import AGENT, ANN, House, fresh, open_house
from tests.support.going_back import (
    BOB,
    EVE,
    OTHER,
    answered,
    back,
    conversation_of,
    fifo,
    listed,
    say,
    shown,
    ways,
)


@pytest.fixture
async def house(workers_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(workers_redis.sentinels) as opened:
        yield opened


# -- who, what, how far


async def test_a_stranger_is_no_member(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    with pytest.raises(NotMember):
        await back(house, conversation, said.message, EVE)
    with pytest.raises(NotMember):
        await Rewinds(house.floor).checkpoints(conversation, EVE, AGENT)


async def test_its_author_goes_back_as_long_as_nobody_else_spoke_and_an_owner_always(house: House) -> None:
    conversation = await conversation_of(house)
    of_bob = await say(house, conversation, "bob's", BOB)
    of_ann = await say(house, conversation, "ann's")
    with pytest.raises(Refused, match="somebody else said it"):
        await back(house, conversation, of_ann.message, BOB)
    with pytest.raises(Refused, match="ann said something since"):
        await back(house, conversation, of_bob.message, BOB)
    before = await house.events(conversation)
    assert await shown(house, conversation) == ["bob's", "ann's"]
    await back(house, conversation, of_ann.message, ask=False)
    await back(house, conversation, of_bob.message, BOB, text="bob's own")
    assert await shown(house, conversation) == ["bob's own"]
    assert len(before) < len(await house.events(conversation))


async def test_a_repeat_changes_nothing_and_another_use_of_its_id_is_refused(house: House) -> None:
    conversation, rewinds, name = await conversation_of(house), Rewinds(house.floor), fresh()
    said = await say(house, conversation, "a")
    first = await rewinds.rewind(conversation, ANN, name, said.message, ask=True)
    later = await say(house, conversation, "b")
    again = await rewinds.rewind(conversation, ANN, name, said.message, ask=True)
    assert (again.repeated, again.position, again.turns) == (True, first.position, first.turns)
    assert await shown(house, conversation) == ["a", "b"]
    with pytest.raises(MessageConflict):
        await rewinds.rewind(conversation, ANN, name, said.message, ask=False)
    with pytest.raises(MessageConflict):
        await rewinds.rewind(conversation, ANN, said.message, said.message, ask=True)
    old = "0" * 8 + name[8:]
    with pytest.raises(OutsideWindow):
        await rewinds.rewind(conversation, ANN, old, said.message, ask=True)
    assert later.turns


async def test_one_goes_back_to_what_a_person_said_and_is_there(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    await house.answer(await house.claim(conversation))
    agents = next(one for one in (await house.messages.history(conversation, ANN)).messages if one.agent)
    with pytest.raises(BadRequest, match="agent"):
        await back(house, conversation, agents.id)
    with pytest.raises(BadRequest, match="text"):
        await back(house, conversation, said.message, ask=False, text="b")
    with pytest.raises(TooFarBack, match=said.message):
        await back(house, conversation, fresh())
    await back(house, conversation, said.message, ask=False)
    with pytest.raises(TooFarBack, match="no message that it can go back to"):
        await back(house, conversation, said.message)


async def test_further_than_threads_keep_is_refused_and_told_how_far_one_can_go(house: House) -> None:
    conversation = await conversation_of(house)
    said = [await say(house, conversation, text) for text in "abcde"]
    lease = await house.claim(conversation)
    for _ in said:
        turn = await house.turns.begin(lease, back=2)
        assert turn is not None
        await house.turns.finish(lease, turn, "completed")
    assert await listed(house, conversation) == [said[4].message, said[3].message]
    with pytest.raises(TooFarBack) as refused:
        await back(house, conversation, said[2].message)
    assert str(refused.value) == f"it can go back to message {said[3].message}, and no further"
    await back(house, conversation, said[3].message, ask=False)
    assert await listed(house, conversation) == []
    with pytest.raises(TooFarBack, match="no message"):
        await back(house, conversation, said[2].message)


async def test_a_conversation_of_an_earlier_release_goes_back_to_what_was_asked_since(house: House) -> None:
    conversation = await conversation_of(house)
    first = await say(house, conversation, "a")
    lease = await house.claim(conversation)
    await house.answer(lease)
    at = house.floor.keys.conversation(conversation)
    await house.floor.commands.hdel(at.head, "back_floor")
    await house.floor.commands.delete(at.begun)
    with pytest.raises(TooFarBack):
        await back(house, conversation, first.message)
    second = await say(house, conversation, "b")
    await house.answer(lease)
    with pytest.raises(TooFarBack, match=second.message):
        await back(house, conversation, first.message)
    assert (await back(house, conversation, second.message)).turns


async def test_what_a_worker_of_an_earlier_release_answered_is_in_the_way(house: House) -> None:
    """It lists no turn that it begins, so nobody knows what is to leave its thread."""
    conversation = await conversation_of(house)
    first = await say(house, conversation, "a")
    lease = await house.claim(conversation)
    turn = await house.answer(lease)
    at = house.floor.keys.conversation(conversation)
    await house.floor.commands.delete(at.begun)
    for how in (True, False):
        with pytest.raises(TooFarBack, match="earlier release"):
            await back(house, conversation, first.message, ask=how)
    assert await shown(house, conversation) == ["a", "hi"]
    second = await say(house, conversation, "b")
    assert (await back(house, conversation, second.message)).turns
    assert turn.messages


async def test_no_more_messages_than_one_step_can_take_out(house: House) -> None:
    conversation = await conversation_of(house)
    await house.conversations.configure(conversation, ANN, answers={AGENT: "never"})
    said = [await say(house, conversation, str(number)) for number in range(501)]
    with pytest.raises(TooFarBack, match=said[1].message):
        await back(house, conversation, said[0].message)
    done = await back(house, conversation, said[1].message, ask=False)
    assert done.gone == 500
    assert await shown(house, conversation) == ["0"]


async def test_a_full_queue_takes_none(workers_redis: EmbeddedRedis) -> None:
    async with open_house(workers_redis.sentinels, fifo_length=2) as house:
        conversation = await conversation_of(house)
        said = await say(house, conversation, "a")
        lease = await house.claim(conversation)
        turn = await house.begin(lease)
        with pytest.raises(QueueFull):
            await back(house, conversation, said.message)
        assert (await house.turns.finish(lease, turn, "completed")).position
        assert (await back(house, conversation, said.message)).turns


async def test_checkpoints_are_turns_the_newest_first_and_not_of_others(house: House) -> None:
    conversation = await conversation_of(house, AGENT, OTHER)
    said = [await say(house, conversation, text, to=[AGENT]) for text in "ab"]
    await say(house, conversation, "c", to=[OTHER])
    lease = await house.claim(conversation)
    turns = await answered(house, lease, "1", "2", "3")
    found = await ways(house, conversation)
    assert [(one.turn, one.message) for one in found] == [
        (turns[1].id, said[1].message),
        (turns[0].id, said[0].message),
    ]
    assert found[0].time >= found[1].time > 0
    assert await ways(house, conversation, limit=1) == found[:1]


# -- what is left of it


async def test_a_conversation_deleted_meanwhile_leaves_nothing(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    lease = await house.claim(conversation)
    await house.answer(lease)
    await say(house, conversation, "b")
    await house.begin(lease)
    await back(house, conversation, said.message, ask=False)
    await house.deletion.delete(conversation, ANN, linger_ms=0)
    while await house.deletion.work_off():
        pass
    at = house.floor.keys.conversation(conversation)
    left = [key async for key in house.floor.commands.scan_iter(f"{at.base}*", count=1000)]
    assert [key for key in left if not key.endswith(b":deleted")] == []


async def test_the_audit_log_tells_who_went_back_and_what_was_stopped(house: House) -> None:
    conversation = await conversation_of(house)
    said = [(await say(house, conversation, text)).message for text in "ab"]
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    waiting = (await fifo(house, conversation))[1]
    await back(house, conversation, said[0])
    at = house.floor.keys.conversation(conversation)
    entries = [fields for _, fields in await house.floor.commands.xrange(at.shared.audit)]
    told = [
        (entry[b"action"].decode(), entry[b"actor"].decode(), entry[b"target"].decode())
        for entry in entries
        if entry[b"conversation"].decode() == conversation and entry[b"action"] in (b"rewound", b"cancelled")
    ]
    assert told == [("cancelled", ANN, turn.id), ("cancelled", ANN, waiting), ("rewound", ANN, said[0])]


async def test_a_send_beside_it_is_in_one_order_with_it(house: House) -> None:
    for _ in range(20):
        conversation = await conversation_of(house)
        said = await say(house, conversation, "a")
        await asyncio.gather(back(house, conversation, said.message), say(house, conversation, "b", BOB))
        kinds = [
            (event["type"], event.get("text", ""))
            for event in await house.events(conversation)
            if event["type"] in {"conversation.rewound", "message.created"}
        ]
        later = kinds.index(("message.created", "b")) > kinds.index(("conversation.rewound", ""))
        assert await shown(house, conversation) == (["a", "b"] if later else ["a"])
