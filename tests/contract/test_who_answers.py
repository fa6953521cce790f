"""Who is asked by a message, and what a turn answers: decided by the accept script, on a real Redis."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.journal import Journal
from services.shared.bus.messages import MOST_HEARD
from services.shared.model.conversation import Accepted, WhenAnswers
from services.shared.model.errors import BadRequest, NotMember, Refused
from services.shared.model.ids import Channel, ConversationId, MessageId, UserId
from services.shared.wire.mentions import mentions
from tests.support.bus_house import ANN, House, fresh, open_house

BOB = UserId("bob")


@pytest.fixture
async def house(workers_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(workers_redis.sentinels) as opened:
        yield opened


async def conversation_of(house: House, *agents: str, **answers: WhenAnswers) -> ConversationId:
    conversation = ConversationId(fresh())
    await house.conversations.create(conversation, ANN, members=[BOB], agents=agents, answers=answers)
    return conversation


async def say(house: House, conversation: ConversationId, text: str, user: UserId = ANN) -> Accepted:
    message = MessageId(fresh())
    return await house.messages.accept(conversation, user, message, text, mentions=mentions(text))


async def asked(house: House, accepted: Accepted, conversation: ConversationId) -> list[str]:
    """The agents whose turns a message queued."""
    keys = house.floor.keys.conversation(conversation)
    agents: list[Any] = [await house.floor.commands.hget(keys.turn(turn), "agent") for turn in accepted.turns]
    return [agent.decode() for agent in agents]


async def heard(house: House, conversation: ConversationId, turns: int) -> list[tuple[str, list[str]]]:
    """Agent and texts of the turns that wait, each answered."""
    lease = await house.claim(conversation)
    answered = [await house.answer(lease) for _ in range(turns)]
    assert await house.turns.begin(lease) is None
    assert await house.leases.release(lease)
    return [(turn.agent, [message.text for message in turn.messages]) for turn in answered]


async def test_mentioned_agents_answer_else_those_that_always_do(house: House) -> None:
    conversation = await conversation_of(house, "one", "two", "three", two="mention", three="never")

    async def who(text: str) -> list[str]:
        return await asked(house, await say(house, conversation, text), conversation)

    assert await who("hello") == ["one"]
    assert await who("hello @two") == ["two"]
    assert await who("@TWO and @One") == ["one", "two"]
    assert await who("hello @three") == ["one"]  # never means never, and nobody else was mentioned
    assert await who("hello @nobody") == ["one"]
    assert await who("one@two.example") == ["one"]


async def test_nobody_answers_where_all_wait_to_be_mentioned(house: House) -> None:
    conversation = await conversation_of(house, "one", one="mention")
    accepted = await say(house, conversation, "just us people")
    assert accepted.turns == ()
    assert not await house.floor.commands.exists(house.floor.keys.conversation(conversation).fifo)


async def test_a_turn_answers_what_people_said_since_its_agent_was_last_asked(house: House) -> None:
    conversation = await conversation_of(house, "one", "two", two="mention")
    await say(house, conversation, "a")
    await say(house, conversation, "b", BOB)
    await say(house, conversation, "@two c")
    await say(house, conversation, "d")
    await say(house, conversation, "@two e", BOB)
    assert await heard(house, conversation, 5) == [
        ("one", ["a"]),
        ("one", ["b"]),
        ("two", ["a", "b", "@two c"]),
        ("one", ["@two c", "d"]),
        ("two", ["d", "@two e"]),
    ]


async def test_what_agents_said_is_no_message_to_another(house: House) -> None:
    conversation = await conversation_of(house, "one", "two", two="mention")
    await say(house, conversation, "a")
    assert await heard(house, conversation, 1) == [("one", ["a"])]
    await say(house, conversation, "@two b")
    assert await heard(house, conversation, 1) == [("two", ["a", "@two b"])]


async def test_the_newest_are_heard_where_too_many_were_said(house: House) -> None:
    conversation = await conversation_of(house, "one", one="mention")
    for number in range(MOST_HEARD + 5):
        await say(house, conversation, str(number))
    await say(house, conversation, "@one all of that")
    [(_, texts)] = await heard(house, conversation, 1)
    assert texts == [*map(str, range(6, MOST_HEARD + 5)), "@one all of that"]


async def test_a_message_that_is_heard_stays_until_the_turn_is_over(workers_redis: EmbeddedRedis) -> None:
    async with open_house(workers_redis.sentinels, messages_kept=2) as house:
        conversation = await conversation_of(house, "one", one="mention")
        for text in ("a", "@one b", "@one c"):
            await say(house, conversation, text)
        assert await heard(house, conversation, 2) == [("one", ["a", "@one b"]), ("one", ["@one c"])]
        await say(house, conversation, "d")
        page = await house.messages.history(conversation, ANN)
        assert len(page.messages) == 2


async def test_an_older_releases_messages_are_not_heard_once_more(house: House) -> None:
    """It asked every agent and noted nothing."""
    conversation = await conversation_of(house, "one", "two", two="mention")
    old = [(await say(house, conversation, text)).message for text in ("a", "b")]
    keys = house.floor.keys.conversation(conversation)
    for message in old:
        await house.floor.commands.hdel(keys.message(message), "asked")
    await say(house, conversation, "c")
    await say(house, conversation, "@two d")
    assert (await heard(house, conversation, 4))[3] == ("two", ["c", "@two d"])


async def test_a_conversation_of_an_older_release_hears_from_now_on(house: House) -> None:
    conversation = await conversation_of(house, "one")
    await say(house, conversation, "a")
    await house.floor.commands.hdel(house.floor.keys.conversation(conversation).head, "heard:one")
    await say(house, conversation, "b")
    assert await heard(house, conversation, 2) == [("one", ["a"]), ("one", ["b"])]


async def test_owners_change_who_answers_and_all_are_told(house: House) -> None:
    conversation = await conversation_of(house, "one", "two")
    configure = house.conversations.configure
    await configure(conversation, ANN, answers={"two": "mention"}, double_texting="interrupt")
    changed = (await house.events(conversation))[-1]
    assert changed == {
        "type": "conversation.updated", "time": changed["time"], "conversation": conversation, "title": "",
        "by": ANN, "answers": {"two": "mention"}, "double_texting": "interrupt",
    }  # fmt: skip
    at = await configure(conversation, ANN, agents=["two", "new"])
    told = (await house.events(conversation))[-1]
    assert (told["agents"], "answers" in told) == (["two", "new"], False)
    await house.floor.commands.hset(
        house.floor.keys.user(ANN).conversations, conversation, 1
    )  # the relay does
    [listed] = [each for each in await house.conversations.list_of(ANN, 500) if each.id == conversation]
    page = await house.messages.history(conversation, BOB)
    reading = await Journal(house.floor).read(
        Channel.of_conversation(conversation), 0, user=ANN, deltas=False
    )
    for seen in (listed, page.settings, reading.settings):
        assert (seen.agents, seen.answers) == (("two", "new"), {"two": "mention"})
        assert seen.double_texting == "interrupt"
    again = await configure(conversation, ANN, agents=["two", "new"], answers={"two": "mention"})
    assert again.position == at.position
    assert (await house.events(conversation))[-1] == told


async def test_a_new_agent_hears_what_was_said_before_it_came_and_one_that_comes_again_goes_on(
    house: House,
) -> None:
    conversation = await conversation_of(house, "one")
    await say(house, conversation, "a")
    await house.conversations.configure(conversation, ANN, agents=["two"])
    await say(house, conversation, "b")
    await house.conversations.configure(conversation, ANN, agents=["one"])
    await say(house, conversation, "c")
    assert await heard(house, conversation, 3) == [("one", ["a"]), ("two", ["a", "b"]), ("one", ["b", "c"])]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"agents": []}, "agents"),
        ({"agents": ["a", "a"]}, "agents"),
        ({"agents": ["not a name"]}, "agent"),
        ({"answers": {"nobody": "always"}}, "answers"),
        ({"agents": ["two"], "answers": {"one": "always"}}, "answers"),
    ],
)
async def test_what_is_no_setting_is_refused_by_name(
    house: House, change: dict[str, Any], field: str
) -> None:
    conversation = await conversation_of(house, "one")
    before = await house.events(conversation)
    with pytest.raises(BadRequest, match=field):
        await house.conversations.configure(conversation, ANN, **change)
    assert await house.events(conversation) == before


async def test_answers_of_a_stranger_make_no_conversation(house: House) -> None:
    with pytest.raises(BadRequest, match="answers"):
        await conversation_of(house, "one", two="always")


async def test_only_owners_change_who_answers(house: House) -> None:
    conversation = await conversation_of(house, "one")
    with pytest.raises(Refused):
        await house.conversations.configure(conversation, BOB, double_texting="reject")
    with pytest.raises(NotMember):
        await house.conversations.configure(conversation, UserId("eve"), double_texting="reject")


async def test_threads_of_agents_that_left_go_with_the_conversation(house: House) -> None:
    conversation = await conversation_of(house, "one", "two")
    keys = house.floor.keys.thread(f"{conversation}.one")
    await house.floor.commands.zadd(keys.order, {"c": 0})
    await house.floor.commands.hdel(house.floor.keys.conversation(conversation).head, "heard:one")
    await house.conversations.configure(conversation, ANN, agents=["two"])
    await house.deletion.delete(conversation, ANN)
    await _cleared(house, conversation)
    assert not await house.floor.commands.exists(keys.order)


async def _cleared(house: House, conversation: ConversationId) -> None:
    left: Sequence[Any] = [1]
    for _ in range(200):
        shared = house.floor.keys.conversation(conversation).shared
        await house.floor.commands.zadd(shared.deleting, {conversation: 0}, xx=True)
        await house.deletion.work_off()
        left = await house.floor.commands.keys(f"*{conversation}*")
        if left == [house.floor.keys.conversation(conversation).deleted.encode()]:
            return
    raise AssertionError(left)
