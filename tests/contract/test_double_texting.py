"""A second message while an agent is at work, under each way of double texting: decided by the accept script,
carried out by begin, cancel and finish, on a real Redis.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.model.conversation import Accepted, DoubleTexting
from services.shared.model.errors import Busy, MessageConflict, QueueFull, RollBackFirst
from services.shared.model.ids import ConversationId, MessageId, TurnId, UserId
from services.shared.model.turn import TurnState
from tests.support.bus_house import AGENT, ANN, SHORT_MS, House, fresh, open_house
from tests.support.waiting import eventually

BOB = UserId("bob")


@pytest.fixture
async def house(workers_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(workers_redis.sentinels) as opened:
        yield opened


async def conversation_of(
    house: House, way: DoubleTexting, agents: tuple[str, ...] = (AGENT,)
) -> ConversationId:
    conversation = ConversationId(fresh())
    await house.conversations.create(conversation, ANN, members=[BOB], agents=agents, double_texting=way)
    return conversation


async def say(house: House, conversation: ConversationId, text: str, user: UserId = ANN) -> Accepted:
    return await house.messages.accept(conversation, user, MessageId(fresh()), text)


async def ends(house: House, conversation: ConversationId) -> dict[str, tuple[str, str]]:
    """Outcome and reason of each turn that is over."""
    return {
        event["turn"]: (event["outcome"], event.get("reason", ""))
        for event in await house.events(conversation)
        if event["type"] == "turn.finished"
    }


async def state(house: House, conversation: ConversationId, turn: TurnId) -> dict[str, str]:
    record: dict[Any, Any] = await house.floor.commands.hgetall(
        house.floor.keys.conversation(conversation).turn(turn)
    )
    return {key.decode(): value.decode() for key, value in record.items()}


async def shown(house: House, conversation: ConversationId) -> list[str]:
    """The texts in the history."""
    return [one.text for one in (await house.messages.history(conversation, ANN)).messages]


# -- enqueue


async def test_enqueued_each_message_has_its_turn_in_order(house: House) -> None:
    conversation = await conversation_of(house, "enqueue")
    turns = [turn for text in "abc" for turn in (await say(house, conversation, text)).turns]
    lease = await house.claim(conversation)
    assert [(await house.answer(lease)).id for _ in turns] == turns
    assert set((await ends(house, conversation)).values()) == {("completed", "")}


# -- reject


async def test_rejected_is_what_comes_while_the_agent_is_at_work_and_nothing_is_stored(house: House) -> None:
    conversation = await conversation_of(house, "reject")
    first = await say(house, conversation, "a")
    before, message = await house.events(conversation), MessageId(fresh())
    with pytest.raises(Busy, match=str(first.turns[0])):
        await house.messages.accept(conversation, BOB, message, "b")
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    with pytest.raises(Busy):
        await house.messages.accept(conversation, BOB, message, "b")
    assert await shown(house, conversation) == ["a"]
    assert [event["type"] for event in (await house.events(conversation))[len(before) :]] == ["turn.started"]
    await house.turns.finish(lease, turn, "completed")
    taken = await house.messages.accept(conversation, BOB, message, "b")
    assert not taken.repeated


async def test_a_repeat_of_a_message_that_was_taken_is_never_rejected(house: House) -> None:
    conversation, message = await conversation_of(house, "reject"), MessageId(fresh())
    first = await house.messages.accept(conversation, ANN, message, "a")
    again = await house.messages.accept(conversation, ANN, message, "a")
    assert (again.repeated, again.turns, again.position) == (True, first.turns, first.position)
    with pytest.raises(MessageConflict):
        await house.messages.accept(conversation, ANN, message, "b")


async def test_one_busy_agent_of_those_asked_rejects_the_message_for_all(house: House) -> None:
    conversation = await conversation_of(house, "reject", ("one", "two"))
    await house.conversations.configure(conversation, ANN, answers={"two": "mention"})
    await say(house, conversation, "a")
    other = await house.messages.accept(conversation, BOB, MessageId(fresh()), "@two", mentions=["two"])
    assert len(other.turns) == 1  # that one is not at work
    with pytest.raises(Busy):
        await house.messages.accept(conversation, BOB, MessageId(fresh()), "both", mentions=["one", "two"])


# -- interrupt


async def test_interrupted_a_waiting_turn_is_superseded_and_its_messages_go_first(house: House) -> None:
    conversation = await conversation_of(house, "interrupt")
    accepted = [await say(house, conversation, text) for text in "abc"]
    turns = [each.turns[0] for each in accepted]
    assert [each.superseded for each in accepted] == [0, 1, 1]
    assert await ends(house, conversation) == dict.fromkeys(turns[:2], ("cancelled", "superseded"))
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    assert (turn.id, [message.text for message in turn.messages]) == (turns[2], ["a", "b", "c"])
    await house.turns.finish(lease, turn, "completed")
    assert await house.leases.release(lease)


async def test_interrupted_a_running_turn_keeps_what_it_said_and_says_why_it_ended(house: House) -> None:
    conversation = await conversation_of(house, "interrupt")
    await say(house, conversation, "a")
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    said = await house.say(lease, turn, "kept")
    await house.turns.complete_message(lease, turn, said, "kept", source="s1")
    accepted = await say(house, conversation, "b", BOB)
    assert (accepted.superseded, accepted.stopping) == (0, 1)
    record = await state(house, conversation, turn.id)
    assert (record["state"], record["stop"], record["cancelled_by"]) == ("cancelling", "interrupt", BOB)
    half = MessageId(fresh())
    assert (await house.turns.start_message(lease, turn, half, AGENT)).cancelling
    await house.turns.finish(lease, turn, "cancelled")
    assert await ends(house, conversation) == {turn.id: ("cancelled", "interrupted")}
    assert await shown(house, conversation) == ["a", "kept", "b"]
    following = await house.begin(lease)
    assert [message.text for message in following.messages] == ["b"]


async def test_interrupted_before_its_thread_got_them_a_turns_messages_are_the_next_ones(
    house: House,
) -> None:
    conversation = await conversation_of(house, "interrupt")
    await say(house, conversation, "a")
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    await say(house, conversation, "b")
    for _ in range(2):  # whose reply is lost, tells it again
        await house.turns.finish(lease, turn, "cancelled", unheard=True)
    following = await house.begin(lease)
    assert [message.text for message in following.messages] == ["a", "b"]


async def test_a_turn_that_came_to_its_end_in_time_is_completed(house: House) -> None:
    conversation = await conversation_of(house, "interrupt")
    await say(house, conversation, "a")
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    await say(house, conversation, "b")
    await house.turns.finish(lease, turn, "completed")
    assert await ends(house, conversation) == {turn.id: ("completed", "")}


async def test_what_makes_way_makes_room(workers_redis: EmbeddedRedis) -> None:
    """A flood of messages nobody answers leaves one turn; a bound that only counts would refuse the third."""
    async with open_house(workers_redis.sentinels, fifo_length=2) as house:
        conversation = await conversation_of(house, "interrupt")
        turns = [(await say(house, conversation, text)).turns[0] for text in "abcd"]
        keys = house.floor.keys.conversation(conversation)
        waiting: list[Any] = await house.floor.commands.lrange(keys.fifo, 0, -1)
        assert [turn.decode() for turn in waiting] == turns[-1:]
        waits = await conversation_of(house, "enqueue")
        for text in "ab":
            await say(house, waits, text)
        with pytest.raises(QueueFull):
            await say(house, waits, "c")


async def test_only_turns_of_the_agent_that_is_asked_make_way(house: House) -> None:
    conversation = await conversation_of(house, "interrupt", ("one", "two"))
    first = await say(house, conversation, "a")
    second = await house.messages.accept(conversation, ANN, MessageId(fresh()), "b", mentions=["two"])
    assert await ends(house, conversation) == {first.turns[1]: ("cancelled", "superseded")}
    lease = await house.claim(conversation)
    answered = [await house.answer(lease) for _ in range(2)]
    assert [turn.id for turn in answered] == [first.turns[0], second.turns[0]]
    assert [len(turn.messages) for turn in answered] == [1, 2]


# -- rollback


async def rolling_back(house: House) -> tuple[ConversationId, Any, Any, list[MessageId]]:
    """A running turn that completed two messages and speaks a third, and is to be rolled back."""
    conversation = await conversation_of(house, "rollback")
    await say(house, conversation, "a")
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    said = []
    for text in ("one", "two"):
        said.append(await house.say(lease, turn, text))
        await house.turns.complete_message(lease, turn, said[-1], text, source=f"s-{text}")
    said.append(await house.say(lease, turn, "thr"))
    await say(house, conversation, "b", BOB)
    return conversation, lease, turn, said


async def test_rolled_back_a_waiting_turn_ends_and_its_messages_are_not_asked_again(house: House) -> None:
    conversation = await conversation_of(house, "rollback")
    turns = [turn for text in "ab" for turn in (await say(house, conversation, text)).turns]
    assert await ends(house, conversation) == {turns[0]: ("cancelled", "rolled back")}
    turn = await house.begin(await house.claim(conversation))
    assert [message.text for message in turn.messages] == ["b"]
    assert await shown(house, conversation) == ["a", "b"]  # what people said stays


async def test_rolled_back_a_running_turn_ends_only_once_its_thread_has_gone_back(house: House) -> None:
    conversation, lease, turn, said = await rolling_back(house)
    for outcome in ("completed", "cancelled", "failed"):
        with pytest.raises(RollBackFirst):
            await house.turns.finish(lease, turn, outcome)  # type: ignore[arg-type]
    assert await ends(house, conversation) == {}
    for _ in range(2):  # whose reply is lost, tells it again
        await house.turns.finish(lease, turn, "cancelled", back="1")
    assert await ends(house, conversation) == {turn.id: ("cancelled", "rolled back")}
    retracted = [event for event in await house.events(conversation) if event["type"] == "message.retracted"]
    assert [event["message"] for event in retracted] == [said[2], said[0], said[1]]
    assert {event["reason"] for event in retracted} == {"rolled back"}
    assert {event["attempt"] for event in retracted} == {turn.attempt}
    assert await shown(house, conversation) == ["a", "b"]
    keys = house.floor.keys.conversation(conversation)
    assert not await house.floor.commands.exists(*map(keys.message, said), keys.open, keys.spoken)
    following = await house.begin(lease)
    assert [message.text for message in following.messages] == ["b"]


async def test_nothing_more_is_kept_of_a_turn_that_is_to_be_rolled_back(house: House) -> None:
    conversation, lease, turn, said = await rolling_back(house)
    for source in ("s-three", "s-four"):
        done = await house.turns.complete_message(lease, turn, said[2], "three", source=source)
        assert done.cancelling
    assert await shown(house, conversation) == ["a", "one", "two", "b"]
    assert [event["type"] for event in await house.events(conversation)].count("message.completed") == 2


async def test_a_rollback_is_told_the_same_by_whoever_takes_over(house: House) -> None:
    conversation = await conversation_of(house, "rollback")
    await say(house, conversation, "a")
    lease = await house.claim(conversation, SHORT_MS)
    turn = await house.begin(lease)
    said = await house.say(lease, turn, "one")
    await house.turns.complete_message(lease, turn, said, "one", source="s1")
    await say(house, conversation, "b")
    again = await eventually(lambda: house.try_claim(conversation))
    taken = await house.begin(again)
    assert (taken.id, taken.state, taken.stop) == (turn.id, TurnState.CANCELLING, "rollback")
    await house.turns.finish(again, taken, "cancelled", back="1")
    assert await shown(house, conversation) == ["a", "b"]
    assert await ends(house, conversation) == {turn.id: ("cancelled", "rolled back")}


async def test_a_turn_whose_thread_cannot_go_back_fails_and_says_so(house: House) -> None:
    conversation, lease, turn, _ = await rolling_back(house)
    await house.turns.finish(lease, turn, "failed", "not rolled back: broken", "broken", back="0")
    assert await ends(house, conversation) == {turn.id: ("failed", "not rolled back: broken")}
    assert await shown(house, conversation) == ["a", "one", "two", "b"]  # as the thread still has it


async def test_a_replayed_turn_takes_back_only_what_it_said_itself(house: House) -> None:
    conversation = await conversation_of(house, "rollback")
    await say(house, conversation, "a")
    lease = await house.claim(conversation)
    failed = await house.begin(lease)
    said = await house.say(lease, failed, "one")
    await house.turns.complete_message(lease, failed, said, "one", source="s1")
    await house.turns.finish(lease, failed, "failed", "broke", "broken")
    [letter] = await house.dead_letters.list(conversation)
    await house.dead_letters.replay(letter)
    turn = await house.begin(lease)
    two = await house.say(lease, turn, "two")
    await house.turns.complete_message(lease, turn, two, "two", source="s2")
    await say(house, conversation, "b")
    await house.turns.finish(lease, turn, "cancelled", back="1")
    assert await shown(house, conversation) == ["a", "one", "b"]


@pytest.mark.parametrize("way", ["interrupt", "rollback"])
async def test_what_an_operator_queued_anew_makes_no_way(house: House, way: DoubleTexting) -> None:
    conversation = await conversation_of(house, way)
    await say(house, conversation, "a")
    lease = await house.claim(conversation)
    failed = await house.begin(lease)
    await house.turns.finish(lease, failed, "failed", "broke", "broken")
    [letter] = await house.dead_letters.list(conversation)
    replayed = await house.dead_letters.replay(letter)
    accepted = await say(house, conversation, "b")
    assert accepted.superseded == 0
    assert [(await house.answer(lease)).id for _ in range(2)] == [replayed.turn, accepted.turns[0]]


# -- cancel beside


@pytest.mark.parametrize(
    ("ways", "stop"),
    [
        (["cancel"], "cancel"),
        (["cancel", "interrupt"], "interrupt"),
        (["interrupt", "cancel"], "interrupt"),
        (["interrupt", "rollback", "cancel", "interrupt"], "rollback"),
    ],
)
async def test_a_turn_ends_as_who_asked_for_most_wants_it(house: House, ways: list[Any], stop: str) -> None:
    conversation = await conversation_of(house, "enqueue")
    await say(house, conversation, "a")
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    for way in ways:
        if way == "cancel":
            await house.turns.cancel(conversation, BOB, turn.id)
        else:
            await house.conversations.configure(conversation, ANN, double_texting=way)
            await say(house, conversation, "b")
    assert (await state(house, conversation, turn.id))["stop"] == stop


async def test_who_made_way_is_in_the_audit_log(workers_redis: EmbeddedRedis) -> None:
    async with open_house(workers_redis.sentinels, audit="on") as house:
        conversation = await conversation_of(house, "interrupt")
        first = await say(house, conversation, "a")
        await say(house, conversation, "b", BOB)
        audit = house.floor.keys.conversation(conversation).shared.audit
        entries: list[Any] = await house.floor.commands.xrange(audit)
        of_turn = [fields for _, fields in entries if fields[b"target"] == first.turns[0].encode()]
        assert [(fields[b"action"], fields[b"actor"]) for fields in of_turn] == [(b"cancelled", BOB.encode())]


async def test_second_messages_are_counted_by_what_became_of_them(house: House) -> None:
    registry = house.floor.metrics.registry

    def counted() -> list[float]:
        names = ("rejected", "superseded", "stopped")
        found = [registry.get_sample_value("continuo_double_texts_total", {"became": name}) for name in names]
        return [each or 0 for each in found]

    conversation = await conversation_of(house, "interrupt")
    for text in "abc":
        await say(house, conversation, text)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    await say(house, conversation, "d")
    assert counted() == [0, 2, 1]
    await house.turns.finish(lease, turn, "cancelled")
    await house.conversations.configure(conversation, ANN, double_texting="reject")
    with pytest.raises(Busy):
        await say(house, conversation, "e")
    assert counted() == [1, 2, 1]
