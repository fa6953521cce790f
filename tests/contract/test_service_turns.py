"""Turns that a back end asks for as itself, and what it does with others': as a person's, under its own name.
On a real Redis.
"""

from collections.abc import AsyncIterator

import pytest

from services.conversation.graph.caller import configurable_of
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.receipts import Receipts
from services.shared.model.asking import Ask
from services.shared.model.conversation import DoubleTexting, WhenAnswers
from services.shared.model.errors import AlreadyAnswered, Busy
from services.shared.model.ids import ConversationId, MessageId, service_actor
from services.shared.runtime import origin
from tests.support.bus_house import AGENT, ANN, House, fresh, house_of
from tests.support.open_bus import open_bus

BILLING = service_actor("billing")
ASK = Ask("1" * 32, b"1")


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as bus:
        yield bus


@pytest.fixture
def house(bus: Bus) -> House:
    return house_of(bus)


async def conversation(
    house: House, way: DoubleTexting = "enqueue", when: WhenAnswers = "always"
) -> ConversationId:
    made = ConversationId(fresh())
    await house.conversations.create(made, ANN, agents=[AGENT], answers={AGENT: when}, double_texting=way)
    return made


async def says(
    house: House, talk: ConversationId, text: str = "pay", words: tuple[str, ...] = ()
) -> MessageId:
    message = MessageId(fresh())
    await house.messages.accept(talk, BILLING, message, text, mentions=words)
    return message


async def test_a_graph_is_told_the_service_as_who_speaks(house: House) -> None:
    talk = await conversation(house)
    await says(house, talk)
    turn = await house.begin(await house.claim(talk))
    told = configurable_of(turn, "thread")
    assert (turn.messages[-1].user, told["user_id"]) == (BILLING, BILLING)
    assert (told["langgraph_auth_user"].identity, told["langgraph_user_id"]) == (BILLING, BILLING)


async def test_what_it_said_unasked_is_heard_with_the_next_question(house: House) -> None:
    talk = await conversation(house, when="mention")
    unasked = await says(house, talk, "the bill is 7")
    asked = MessageId(fresh())
    await house.messages.accept(talk, ANN, asked, "@assistant how much?", mentions=(AGENT,))
    turn = await house.begin(await house.claim(talk))
    assert [(each.id, each.user) for each in turn.messages] == [(unasked, BILLING), (asked, ANN)]


async def test_its_message_waits_makes_way_or_is_refused_as_anybodys(house: House) -> None:
    talk = await conversation(house, "interrupt")
    first, second = await says(house, talk, "one"), await says(house, talk, "two")
    turn = await house.begin(await house.claim(talk))
    assert [each.id for each in turn.messages] == [first, second]
    busy = await conversation(house, "reject")
    await says(house, busy)
    with pytest.raises(Busy):
        await says(house, busy)


async def test_it_answers_what_an_agent_asks_once(bus: Bus, house: House) -> None:
    talk = await conversation(house)
    await says(house, talk)
    lease = await house.claim(talk)
    await house.turns.finish(lease, await house.begin(lease), "interrupted", asks=[ASK])
    taken = await bus.answers.answer(talk, BILLING, fresh(), ASK.interrupt, b"true")
    with pytest.raises(AlreadyAnswered, match=f"{BILLING} answered it"):
        await bus.answers.answer(talk, ANN, fresh(), ASK.interrupt, b"false")
    *_, answered = await house.events(talk)
    assert (answered["type"], answered["user"]) == ("input.answered", BILLING)
    turn = await house.begin(lease)
    assert (turn.id, configurable_of(turn, "thread")["user_id"]) == (taken.turn, BILLING)


async def test_it_stops_what_others_asked(house: House) -> None:
    talk = await conversation(house)
    [waiting] = (await house.ask(talk)).turns
    assert await house.turns.cancel(talk, BILLING, None) == [waiting]
    assert (await house.told(talk)) == ["turn.finished"]


async def test_an_owner_has_its_message_asked_again_and_it_stays_the_services(bus: Bus, house: House) -> None:
    talk = await conversation(house)
    message = await says(house, talk)
    lease = await house.claim(talk)
    await house.answer(lease)
    await bus.rewinds.rewind(talk, ANN, fresh(), message, ask=True, text="pay more")
    brings_back = await house.begin(lease)
    await house.turns.finish(lease, brings_back, "completed", back="1")
    turn = await house.begin(lease)
    assert [(each.id, each.user, each.text) for each in turn.messages] == [(message, BILLING, "pay more")]


async def test_the_audit_log_has_it_as_the_one_who_did_it(bus: Bus, house: House) -> None:
    talk = await conversation(house)
    origin.come_from(BILLING)
    message = await says(house, talk)
    await bus.edits.edit(talk, BILLING, message, "pay less")
    await house.turns.cancel(talk, BILLING, None)
    entries = [each async for each in bus.audit.export().until(await bus.audit.now_ms() + 1)]
    own = [each for each in entries if each.conversation == talk and each.actor == BILLING]
    done = [(each.action, each.connection) for each in own]
    assert done == [("sent", BILLING), ("message.edited", BILLING), ("cancelled", BILLING)]


async def test_others_read_it_and_a_waiting_turn_forgets_it_when_an_owner_deletes_it(
    bus: Bus, house: House
) -> None:
    talk = await conversation(house)
    message = await says(house, talk)
    receipt = await Receipts(house.floor).read(talk, ANN, 1)
    assert (receipt.read.seq, receipt.read.unread) == (1, 0)
    await bus.edits.delete(talk, ANN, message)
    *_, finished, deleted = await house.events(talk)
    assert (finished["type"], deleted["type"], deleted["by"]) == ("turn.finished", "message.deleted", ANN)
