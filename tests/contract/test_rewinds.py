"""Going back, as the rewind script decides it: what leaves the log, who may, how far, and what is queued."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.edits import Edits
from services.shared.model.asking import Ask
from services.shared.model.doing import Doing
from services.shared.model.errors import (
    Refused,
    RollBackFirst,
    UnreadableTurn,
)
from services.shared.model.ids import MessageId
from services.shared.model.turn import Lease, Turn, TurnState
from tests.support.bus_house import AGENT, ANN, LONG_MS, SHORT_MS, House, fresh, open_house
from tests.support.going_back import (
    OTHER,
    answered,
    back,
    brought_back,
    conversation_of,
    fifo,
    rewound,
    say,
    shown,
)
from tests.support.waiting import eventually


@pytest.fixture
async def house(workers_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(workers_redis.sentinels) as opened:
        yield opened


# -- asking again


async def test_asked_again_a_message_stays_and_all_that_came_of_it_is_gone(house: House) -> None:
    conversation = await conversation_of(house)
    said = [await say(house, conversation, text) for text in "abc"]
    lease = await house.claim(conversation)
    turns = await answered(house, lease, "to a", "to b", "to c")
    before = (await house.messages.history(conversation, ANN)).messages
    done = await back(house, conversation, said[1].message)
    # what was said to `a` was owed to it, and stays where it stands
    assert await shown(house, conversation) == ["a", "b", "to a"]
    [event] = await rewound(house, conversation)
    gone = [one.id for one in before if one.text in {"c", "to b", "to c"}]
    assert sorted(event.pop("gone")) == sorted(gone)
    assert event.pop("time")
    names = {"type": "conversation.rewound", "conversation": conversation, "message": said[1].message}
    assert event == {**names, "by": ANN, "since": 3, "turns": [turns[1].id, turns[2].id]}
    assert (done.gone, done.ended, done.stopping) == (3, 0, 0)
    brings = await house.begin(lease)
    assert brings.rewinds == (turns[1].id, turns[2].id)
    assert (brings.agent, brings.messages, brings.state) == (AGENT, (), TurnState.RUNNING)
    assert "turn.started" not in (await house.told(conversation))[-1:]
    await house.turns.finish(lease, brings, "completed", asks=None)
    asks = await house.begin(lease)
    assert (asks.id,) == done.turns
    assert [message.text for message in asks.messages] == ["b"]
    told = await house.told(conversation)
    assert told[-2:] == ["conversation.rewound", "turn.started"]


async def test_an_edited_message_says_something_else_and_asks_whom_it_names_now(house: House) -> None:
    conversation = await conversation_of(house, AGENT, OTHER)
    said = await say(house, conversation, "@assistant one", to=[AGENT])
    lease = await house.claim(conversation)
    await house.answer(lease)
    done = await back(house, conversation, said.message, text="@other two", mentions=[OTHER])
    assert await shown(house, conversation) == ["@other two"]
    [event] = await rewound(house, conversation)
    assert event["text"] == "@other two"
    assert len(done.turns) == 1
    await brought_back(house, lease)
    asks = await house.begin(lease)
    assert (asks.agent, [message.text for message in asks.messages]) == (OTHER, ["@other two"])
    again = await house.messages.accept(
        conversation, ANN, MessageId(said.message), "@assistant one", mentions=[AGENT]
    )
    assert again.repeated  # an outbox that never got its reply sends what was said


async def test_without_other_words_whoever_was_asked_is_asked(house: House) -> None:
    conversation = await conversation_of(house, AGENT, OTHER)
    said = await say(house, conversation, "@other one", to=[OTHER])
    lease = await house.claim(conversation)
    await house.answer(lease)
    await back(house, conversation, said.message)
    await brought_back(house, lease)
    assert (await house.begin(lease)).agent == OTHER
    assert len(await fifo(house, conversation)) == 1


async def test_not_asked_again_the_message_goes_too(house: House) -> None:
    conversation = await conversation_of(house)
    await say(house, conversation, "a")
    said = await say(house, conversation, "b")
    lease = await house.claim(conversation)
    await answered(house, lease, "to a", "to b")
    done = await back(house, conversation, said.message, ask=False)
    assert (done.turns, done.gone) == ((), 2)
    [event] = await rewound(house, conversation)
    assert (event["since"], event["gone"][0]) == (2, said.message)
    assert await shown(house, conversation) == ["a", "to a"]
    await brought_back(house, lease)
    assert await house.turns.begin(lease) is None
    again = await house.messages.accept(conversation, ANN, MessageId(said.message), "b")
    assert again.repeated  # and it does not come back


async def test_who_never_answered_needs_no_thread_brought_back(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    await say(house, conversation, "b")
    done = await back(house, conversation, said.message)
    assert (done.ended, len(await fifo(house, conversation))) == (2, 1)
    ends = [event for event in await house.events(conversation) if event["type"] == "turn.finished"]
    assert {(event["outcome"], event["reason"]) for event in ends} == {("cancelled", "rewound")}
    assert (
        await house.floor.commands.get(house.floor.keys.conversation(conversation).shared.queued) is not None
    )


# -- what was heard


async def test_what_only_turns_that_go_had_heard_is_heard_anew(house: House) -> None:
    conversation = await conversation_of(house, AGENT, OTHER)
    lease_needed = await say(house, conversation, "@other x", to=[OTHER])
    said = await say(house, conversation, "@assistant y", to=[AGENT])
    lease = await house.claim(conversation)
    await house.answer(lease)
    turn = await house.answer(lease)
    assert [message.text for message in turn.messages] == ["@other x", "@assistant y"]
    await back(house, conversation, said.message)
    [brings] = [await brought_back(house, lease)]
    assert brings.rewinds == (turn.id,)
    asks = await house.begin(lease)
    assert [message.text for message in asks.messages] == ["@other x", "@assistant y"]
    assert lease_needed.turns


async def test_the_thread_of_an_agent_that_heard_nothing_of_it_stays(house: House) -> None:
    conversation = await conversation_of(house, AGENT, OTHER)
    await say(house, conversation, "@assistant a", to=[AGENT])
    said = await say(house, conversation, "@other b", to=[OTHER])
    lease = await house.claim(conversation)
    await answered(house, lease, "to a", "to b")
    await back(house, conversation, said.message, ask=False)
    brings = await brought_back(house, lease)
    assert brings.agent == OTHER
    assert await house.turns.begin(lease) is None
    assert await shown(house, conversation) == ["@assistant a", "to a"]


async def test_several_agents_go_back_each_in_its_own_thread(house: House) -> None:
    conversation = await conversation_of(house, AGENT, OTHER)
    said = await say(house, conversation, "a")
    await say(house, conversation, "b")
    lease = await house.claim(conversation)
    turns = await answered(house, lease, *"wxyz")
    done = await back(house, conversation, said.message)
    assert len(done.turns) == 2
    brings = {turn.agent: turn.rewinds for turn in [await brought_back(house, lease) for _ in range(2)]}
    assert brings == {
        agent: tuple(turn.id for turn in turns if turn.agent == agent) for agent in (AGENT, OTHER)
    }
    assert {(await house.answer(lease)).agent for _ in range(2)} == {AGENT, OTHER}


# -- what is under way


async def test_a_turn_that_runs_is_stopped_and_keeps_nothing_more(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    message = await house.say(lease, turn, "half")
    done = await back(house, conversation, said.message)
    assert (done.stopping, done.ended) == (1, 0)
    spoken = await house.turns.complete_message(lease, turn, message, "half", source="s")
    assert spoken.cancelling
    assert await shown(house, conversation) == ["a"]
    with pytest.raises(RollBackFirst):
        await house.turns.finish(lease, turn, "completed")
    await house.turns.finish(lease, turn, "cancelled", back="1")
    told = await house.told(conversation)
    assert told[-3:] == ["conversation.rewound", "message.retracted", "turn.finished"]
    assert (await brought_back(house, lease)).rewinds == (turn.id,)
    assert (await house.begin(lease)).id == done.turns[0]


async def do_all(house: House, lease: Lease, turn: Turn) -> dict[str, str]:
    """Begin a thought, a call and an agent within the agent; their ids."""
    speaking, ids = house.turns.speaking, {}
    for kind in ("reasoning", "tool", "subagent"):
        ids[kind] = fresh()
        doing = Doing("shop" if kind == "tool" else "", ("team",), kind)  # type: ignore[arg-type]
        await speaking.one(speaking.begin(lease, turn, ids[kind], doing))
    return ids


@pytest.mark.parametrize("dead", [False, True])
async def test_what_a_stopped_turn_thinks_and_does_ends_with_it(house: House, dead: bool) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    lease = await house.claim(conversation, lease_ms=SHORT_MS if dead else LONG_MS)
    turn = await house.begin(lease)
    ids = await do_all(house, lease, turn)
    await back(house, conversation, said.message, ask=False)
    if dead:
        lease = await eventually(lambda: house.try_claim(conversation))
        turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "cancelled", back="1")
    events = await house.events(conversation)
    place = [event["type"] for event in events].index("conversation.rewound")
    ends = {event["type"]: event for event in events[place:]}
    assert ends["message.retracted"]["message"] == ids["reasoning"]
    assert (ends["tool.finished"]["call"], ends["tool.finished"]["outcome"]) == (ids["tool"], "cancelled")
    assert ends["subagent.finished"]["subagent"] == ids["subagent"]
    assert events[-1]["type"] == "turn.finished"
    assert (await house.messages.history(conversation, ANN)).underway == ()
    assert ends["conversation.rewound"]["turns"] == [turn.id]


async def test_who_takes_a_stopped_turn_up_needs_no_message_of_it(house: House) -> None:
    """The messages are gone, and the worker is dead that had them."""
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    turn = await house.begin(await house.claim(conversation, lease_ms=SHORT_MS))
    await back(house, conversation, said.message, ask=False)
    lease = await eventually(lambda: house.try_claim(conversation))
    again = await house.begin(lease)
    assert (again.id, again.messages, again.stop) == (turn.id, (), "rollback")
    await house.turns.finish(lease, again, "cancelled", back="1")
    assert (await brought_back(house, lease)).rewinds == (turn.id,)


async def test_what_answers_an_earlier_message_goes_on(house: House) -> None:
    conversation = await conversation_of(house)
    first = await say(house, conversation, "a")
    said = await say(house, conversation, "b")
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    assert (turn.id,) == first.turns
    done = await back(house, conversation, said.message)
    assert (done.stopping, done.ended) == (0, 1)
    await house.turns.finish(lease, turn, "completed")
    assert (await house.begin(lease)).id == done.turns[0]


async def test_a_thread_is_brought_back_before_anything_else_of_its_agent(house: House) -> None:
    """An operator queues anew what failed, and it waits for something that stays."""
    conversation = await conversation_of(house)
    await say(house, conversation, "a")
    lease = await house.claim(conversation)
    failed = await house.begin(lease)
    await house.turns.finish(lease, failed, "failed", "no", "broken")
    said = await say(house, conversation, "b")
    await house.answer(lease)
    [letter] = await house.dead_letters.list(conversation=conversation)
    replayed = await house.dead_letters.replay(letter)
    done = await back(house, conversation, said.message)
    assert (await brought_back(house, lease)).rewinds
    assert (await house.answer(lease)).id == replayed.turn
    assert (await house.answer(lease)).id == done.turns[0]


async def test_what_went_on_behind_it_in_the_thread_goes_with_it(house: House) -> None:
    """It answered an earlier message, but stands on what is gone."""
    conversation = await conversation_of(house)
    await say(house, conversation, "a")
    lease = await house.claim(conversation)
    failed = await house.begin(lease)
    await house.turns.finish(lease, failed, "failed", "no", "broken")
    said = await say(house, conversation, "b")
    one = await house.answer(lease, "to b")
    [letter] = await house.dead_letters.list(conversation=conversation)
    await house.dead_letters.replay(letter)
    two = await house.answer(lease, "to a at last")
    await back(house, conversation, said.message, ask=False)
    assert (await brought_back(house, lease)).rewinds == (one.id, two.id)
    assert await shown(house, conversation) == ["a"]


async def test_nobody_stops_what_brings_a_thread_back(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    lease = await house.claim(conversation)
    await house.answer(lease)
    done = await back(house, conversation, said.message)
    assert await house.turns.cancel(conversation, ANN, None) == list(done.turns)
    brings = await house.begin(lease)
    assert brings.rewinds
    assert await house.turns.cancel(conversation, ANN, None) == []
    await house.turns.finish(lease, brings, "completed", asks=None)
    assert await house.turns.begin(lease) is None


@pytest.mark.parametrize("way", ["reject", "interrupt", "rollback"])
async def test_what_brings_a_thread_back_is_in_no_messages_way(house: House, way: Any) -> None:
    conversation = await conversation_of(house)
    await house.conversations.configure(conversation, ANN, double_texting=way)
    said = await say(house, conversation, "a")
    lease = await house.claim(conversation)
    await house.answer(lease)
    await back(house, conversation, said.message, ask=False)
    taken = await say(house, conversation, "b")
    assert (taken.superseded, taken.stopping) == (0, 0)
    await brought_back(house, lease)
    assert (await house.begin(lease)).id == taken.turns[0]


async def test_a_begun_one_is_begun_again_by_another_worker(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    lease = await house.claim(conversation)
    turn = await house.answer(lease)
    await back(house, conversation, said.message)
    once = await house.begin(lease)
    twice = await house.begin(lease)
    assert (once.id, once.rewinds, twice.attempts) == (twice.id, (turn.id,), 2)
    for _ in range(2):
        await house.turns.finish(lease, twice, "completed", asks=None)
    assert len(await fifo(house, conversation)) == 1


async def test_a_worker_of_an_earlier_release_cannot_read_it_and_has_nobody_answer(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    lease = await house.claim(conversation)
    await house.answer(lease)
    await back(house, conversation, said.message, ask=False)
    at = house.floor.keys.conversation(conversation)
    [brings] = await fifo(house, conversation)
    await house.floor.commands.hdel(at.turn(brings), "rewinds")  # such a worker knows no such field
    with pytest.raises(UnreadableTurn) as unread:
        await house.turns.begin(lease)
    await house.turns.give_up(lease, unread.value, "unreadable", "broken")
    assert await house.turns.begin(lease) is None
    for letter in await house.dead_letters.list(conversation=conversation):
        with pytest.raises(Refused):
            await house.dead_letters.replay(letter)


async def test_one_that_failed_is_told_and_is_no_dead_letter(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "a")
    lease = await house.claim(conversation)
    await house.answer(lease)
    await back(house, conversation, said.message, ask=False)
    turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "failed", "damaged", "broken", asks=None)
    end = (await house.events(conversation))[-1]
    assert (end["type"], end["turn"], end["outcome"], end["reason"]) == (
        "turn.finished",
        turn.id,
        "failed",
        "damaged",
    )
    assert await house.dead_letters.list(conversation=conversation) == []


# -- questions


async def test_what_turns_that_go_had_asked_is_withdrawn_and_no_other(house: House) -> None:
    conversation = await conversation_of(house, AGENT, OTHER)
    await say(house, conversation, "@other a", to=[OTHER])
    said = await say(house, conversation, "@assistant b", to=[AGENT])
    lease = await house.claim(conversation)
    for name in ("1", "2"):
        turn = await house.begin(lease)
        await house.turns.finish(lease, turn, "interrupted", asks=[Ask(name * 32, b'"really?"')])
    await back(house, conversation, said.message)
    history = await house.messages.history(conversation, ANN)
    assert [one.interrupt for one in history.asked] == ["1" * 32]
    [event] = [each for each in await house.events(conversation) if each["type"] == "input.answered"]
    assert (event["interrupt"], event["outcome"], event["user"]) == ("2" * 32, "withdrawn", ANN)
    at = house.floor.keys.conversation(conversation)
    waits = [key for key in await house.floor.commands.hkeys(at.head) if key.startswith(b"waits:")]
    assert waits == [b"waits:other"]


async def test_what_a_message_said_before_it_was_asked_in_other_words_is_kept(house: House) -> None:
    conversation = await conversation_of(house)
    said = await say(house, conversation, "first")
    await answered(house, await house.claim(conversation), "so it is")
    await back(house, conversation, said.message, text="second")
    found = await Edits(house.floor).versions(conversation, ANN, said.message)
    assert [each.text for each in found.versions] == ["first"]
    [kept] = (await house.messages.history(conversation, ANN)).messages
    assert (kept.text, kept.edits) == ("second", 1)
