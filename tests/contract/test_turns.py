"""A turn's life on a real Redis: order, speech, one final, cancel, and what an attempt that died leaves
behind.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.model.errors import LeaseLost, NotMember, NotReplicated, Refused
from services.shared.model.ids import AttemptId, MessageId, UserId
from services.shared.model.turn import Lease, Turn, TurnState
from tests.support.bus_house import AGENT, ANN, SHORT_MS, House, fresh, open_house
from tests.support.waiting import eventually


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


async def started(house: House, lease_ms: int = 60_000) -> tuple[Lease, Turn]:
    """A new conversation with one message, its lease and its running turn."""
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation, lease_ms)
    return lease, await house.begin(lease)


async def taken_over(house: House, lease: Lease) -> tuple[Lease, Turn]:
    """The lease and the new attempt of the next worker, once `lease` has run out."""
    again = await eventually(lambda: house.try_claim(lease.conversation))
    return again, await house.begin(again)


async def test_turns_run_in_the_order_their_messages_were_accepted(house: House) -> None:
    conversation = await house.conversation()
    texts = [f"message {number}" for number in range(5)]
    for text in texts:
        await house.ask(conversation, text)
    lease = await house.claim(conversation)
    answered = [(await house.answer(lease)).messages[0].text for _ in texts]
    assert answered == texts
    assert await house.turns.begin(lease) is None


async def test_a_turn_carries_what_its_worker_must_know(house: House) -> None:
    conversation = await house.conversation()
    message = MessageId(fresh())
    accepted = await house.messages.accept(conversation, ANN, message, "what is 2+2?", trace="00-ab-cd-01")
    turn = await house.begin(await house.claim(conversation))
    assert (turn.id, turn.conversation, turn.agent) == (accepted.turns[0], conversation, AGENT)
    assert (turn.state, turn.attempts, turn.trace) == (TurnState.RUNNING, 1, "00-ab-cd-01")
    [kept] = turn.messages
    assert (kept.id, kept.user, kept.agent, kept.text, kept.seq) == (message, ANN, None, "what is 2+2?", 1)
    assert turn.completed == {}
    assert turn.queued_ms > 0


async def test_an_answer_is_told_from_start_to_finish_and_leaves_no_delta(house: House) -> None:
    lease, turn = await started(house)
    message = await house.say(lease, turn, "he", "llo")
    assert (await house.told(lease.conversation))[-2:] == ["message.delta", "message.delta"]
    usage = {"output_tokens": 2}
    await house.turns.complete_message(lease, turn, message, "hello", source="s1", usage=usage)
    await house.turns.finish(lease, turn, "completed")
    assert await house.told(lease.conversation) == [
        "turn.started", "message.started", "message.completed", "turn.finished",
    ]  # fmt: skip
    completed, finished = (await house.events(lease.conversation))[-2:]
    assert completed == {
        "type": "message.completed", "time": completed["time"], "conversation": lease.conversation,
        "message": message, "agent": AGENT, "turn": turn.id, "attempt": turn.attempt, "text": "hello",
        "usage": {"output_tokens": 2}, "seq": 2,
    }  # fmt: skip
    assert (finished["outcome"], finished["attempt"]) == ("completed", turn.attempt)
    at = house.floor.keys.conversation(lease.conversation)
    assert not await house.floor.commands.exists(at.open, at.spoken, at.draft(message), at.fifo)


async def test_a_kept_message_is_in_the_history_with_its_turn(house: House) -> None:
    lease, turn = await started(house)
    message = await house.say(lease, turn, "x")
    await house.turns.complete_message(lease, turn, message, 'he said "ü"\n🙂', source="s1")
    page = await house.messages.history(lease.conversation, ANN)
    answer = page.messages[-1]
    assert (answer.id, answer.agent, answer.user) == (message, AGENT, None)
    assert (answer.text, answer.seq, answer.turn) == ('he said "ü"\n🙂', 2, turn.id)
    assert page.open == ()


async def test_an_unfinished_message_can_be_read_with_its_whole_text_so_far(house: House) -> None:
    lease, turn = await started(house)
    message = await house.say(lease, turn, "so ", "far")
    [unfinished] = (await house.messages.history(lease.conversation, ANN)).open
    assert (unfinished.message, unfinished.text, unfinished.at) == (message, "so far", 6)
    assert (unfinished.agent, unfinished.turn, unfinished.attempt) == (AGENT, turn.id, turn.attempt)


async def test_text_is_placed_by_utf_16_units(house: House) -> None:
    lease, turn = await started(house)
    message = await house.say(lease, turn)
    await house.turns.delta(lease, turn, message, 0, "🙂")
    await house.turns.delta(lease, turn, message, 2, "!")
    with pytest.raises(Refused):
        await house.turns.delta(lease, turn, message, 2, "??")
    [unfinished] = (await house.messages.history(lease.conversation, ANN)).open
    assert (unfinished.text, unfinished.at) == ("🙂!", 3)


async def test_text_for_a_message_that_is_not_open_is_refused(house: House) -> None:
    lease, turn = await started(house)
    with pytest.raises(Refused):
        await house.turns.delta(lease, turn, MessageId(fresh()), 0, "lost")


async def test_a_message_that_was_never_started_can_be_completed(house: House) -> None:
    """The attempt that spoke it died before it was kept, and the graph does not run that node again."""
    lease, turn = await started(house)
    message = MessageId(fresh())
    await house.turns.complete_message(lease, turn, message, "whole", source="s1")
    assert (await house.events(lease.conversation))[-1]["agent"] == AGENT


Step = Callable[[House, Lease, Turn, MessageId], Awaitable[Any]]

STEPS: dict[str, Step] = {
    "start_message": lambda h, lease, turn, _: h.turns.start_message(lease, turn, MessageId("0" * 36), AGENT),
    "delta": lambda h, lease, turn, message: h.turns.delta(lease, turn, message, 2, "llo"),
    "complete": lambda h, lease, turn, message: h.turns.complete_message(
        lease, turn, message, "hello", source="s"
    ),
    "retract": lambda h, lease, turn, message: h.turns.retract(lease, turn, message, "wrong"),
    "finish": lambda h, lease, turn, _: h.turns.finish(lease, turn, "failed", "model"),
    "cancel": lambda h, lease, turn, _: h.turns.cancel(lease.conversation, ANN, turn.id),
}


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_whose_reply_was_lost_can_be_taken_again(house: House, step: str) -> None:
    lease, turn = await started(house)
    message = await house.say(lease, turn, "he")
    first = await STEPS[step](house, lease, turn, message)
    events = await house.events(lease.conversation)
    again = await STEPS[step](house, lease, turn, message)
    assert again == first
    assert await house.events(lease.conversation) == events


async def test_a_begin_whose_reply_was_lost_counts_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client library sends a command again, as it was, when a connection breaks under it."""
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    attempt = fresh()
    monkeypatch.setattr(house.turns, "_fresh_attempt", lambda: attempt)
    first = await house.begin(lease)
    await house.say(lease, first, "on")
    again = await house.begin(lease)
    assert again == first
    assert again.attempts == 1
    assert (await house.told(conversation)).count("turn.started") == 1
    assert "message.retracted" not in await house.told(conversation)


async def test_what_a_dead_attempt_left_unfinished_is_taken_back_by_name(house: House) -> None:
    lease, turn = await started(house, SHORT_MS)
    said = {await house.say(lease, turn, "half"), await house.say(lease, turn, "a sentence")}
    _, again = await taken_over(house, lease)
    assert (again.id, again.attempts) == (turn.id, 2)
    assert again.attempt != turn.attempt
    events = await house.events(lease.conversation)
    retracted = [event for event in events if event["type"] == "message.retracted"]
    assert {event["message"] for event in retracted} == said
    assert {(event["turn"], event["attempt"]) for event in retracted} == {(turn.id, turn.attempt)}
    assert "message.delta" not in {event["type"] for event in events}
    assert (events[-1]["type"], events[-1]["attempt"]) == ("turn.started", again.attempt)
    assert (await house.messages.history(lease.conversation, ANN)).open == ()


async def test_what_a_dead_attempt_completed_stays_and_the_next_one_knows_it(house: House) -> None:
    lease, turn = await started(house, SHORT_MS)
    message = await house.say(lease, turn, "done")
    await house.turns.complete_message(lease, turn, message, "done", source="thread-message-1")
    _, again = await taken_over(house, lease)
    assert again.completed == {"thread-message-1": message}
    assert "message.retracted" not in await house.told(lease.conversation)


async def test_an_older_execution_of_the_same_worker_can_write_nothing(house: House) -> None:
    lease, old = await started(house)
    message = await house.say(lease, old, "old")
    await house.begin(lease)
    with pytest.raises(LeaseLost):
        await house.turns.delta(lease, old, message, 3, "er")
    with pytest.raises(LeaseLost):
        await house.turns.finish(lease, old, "completed")


async def test_a_turn_has_one_final_whatever_is_said_later(house: House) -> None:
    lease, turn = await started(house)
    first = await house.turns.finish(lease, turn, "completed")
    assert await house.turns.finish(lease, turn, "failed", "late") == first
    finals = [each for each in await house.events(lease.conversation) if each["type"] == "turn.finished"]
    assert [final["outcome"] for final in finals] == ["completed"]


async def test_the_end_of_a_turn_takes_back_what_it_left_unfinished(house: House) -> None:
    lease, turn = await started(house)
    message = await house.say(lease, turn, "never mi")
    await house.turns.finish(lease, turn, "failed", "the model went away")
    retracted, finished = (await house.events(lease.conversation))[-2:]
    assert (retracted["type"], retracted["message"]) == ("message.retracted", message)
    assert (finished["outcome"], finished["reason"]) == ("failed", "the model went away")


async def test_queued_turns_are_cancelled_with_no_worker_alive(house: House) -> None:
    conversation = await house.conversation()
    asked = [(await house.ask(conversation)).turns[0] for _ in range(2)]
    assert await house.turns.cancel(conversation, ANN, None) == asked
    finals = (await house.events(conversation))[-2:]
    assert [(final["turn"], final["outcome"]) for final in finals] == [(turn, "cancelled") for turn in asked]
    assert await house.try_claim(conversation) is None


async def test_one_of_several_turns_can_be_cancelled_and_the_others_run(house: House) -> None:
    conversation = await house.conversation()
    first, second, third = [(await house.ask(conversation)).turns[0] for _ in range(3)]
    assert await house.turns.cancel(conversation, ANN, second) == [second]
    lease = await house.claim(conversation)
    assert [(await house.answer(lease)).id for _ in range(2)] == [first, third]


async def test_the_owner_of_a_cancelled_turn_hears_it_with_its_next_word(house: House) -> None:
    lease, turn = await started(house)
    message = await house.say(lease, turn, "a")
    assert not (await house.turns.delta(lease, turn, message, 1, "b")).cancelling
    assert await house.turns.cancel(lease.conversation, ANN, None) == [turn.id]
    assert (await house.turns.delta(lease, turn, message, 2, "c")).cancelling


async def test_a_turn_cancelled_while_its_owner_is_dead_is_ended_by_the_next_one(house: House) -> None:
    lease, turn = await started(house, SHORT_MS)
    await house.say(lease, turn, "orphaned")
    await house.turns.cancel(lease.conversation, ANN, turn.id)
    heir, again = await taken_over(house, lease)
    assert (again.id, again.state) == (turn.id, TurnState.CANCELLING)
    await house.turns.finish(heir, again, "cancelled")
    told = await house.told(lease.conversation)
    assert told == ["turn.started", "message.started", "message.retracted", "turn.finished"]
    assert await house.leases.release(heir)


async def test_a_finished_turn_cannot_be_cancelled(house: House) -> None:
    lease, turn = await started(house)
    await house.turns.finish(lease, turn, "completed")
    assert await house.turns.cancel(lease.conversation, ANN, turn.id) == []


async def test_only_members_can_cancel(house: House) -> None:
    lease, _ = await started(house)
    with pytest.raises(NotMember):
        await house.turns.cancel(lease.conversation, UserId("mallory"), None)


async def test_a_begun_attempt_is_replicated_on_return_and_its_repeat_is_no_further_one(
    own_redis: EmbeddedRedis,
) -> None:
    """A failover must not take back an attempt that its worker believes in."""
    async with open_house(own_redis.sentinels) as house:
        conversation = await house.conversation()
        await house.ask(conversation)
        lease, execution = await house.claim(conversation), AttemptId(fresh())
        replicas = own_redis.replicas
        for name in replicas:
            own_redis.freeze(name)
        with pytest.raises(NotReplicated):
            await house.turns.begin(lease, execution)
        with pytest.raises(NotReplicated):  # the repeat writes too: else nothing would be waited for
            await house.turns.begin(lease, execution)
        for name in replicas:
            own_redis.thaw(name)
        turn = await eventually(lambda: begun(house, lease, execution))
        assert (turn.attempt, turn.attempts) == (execution, 1)
        assert await house.told(conversation) == ["turn.started"]


async def begun(house: House, lease: Lease, execution: AttemptId) -> Turn | None:
    """The turn, unless no replica confirms it yet."""
    try:
        return await house.turns.begin(lease, execution)
    except NotReplicated:
        return None
