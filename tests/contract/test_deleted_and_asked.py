"""Messages that are deleted while somebody is to answer them: no agent answers a ghost."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import Refused
from services.shared.model.ids import ConversationId, MessageId, NodeId, UserId
from tests.support.bus_house import SHORT_MS, house_of
from tests.support.going_back import back
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually
from tests.support.workers import ANN, ASSISTANT, BOB, Talk, graph_of, worker_in_process


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as opened:
        yield opened


async def said(talk: Talk, user: UserId, text: str, *named: str) -> tuple[MessageId, Any]:
    message = MessageId(fresh_id())
    taken = await talk.bus.messages.accept(talk.id, user, message, text, mentions=named)
    return message, taken.turns


async def begun(bus: Bus, conversation: ConversationId) -> None:
    """A worker begins the turn at the head, and dies before anything is in the thread."""
    house = house_of(bus)
    lease = await house.claim(conversation, SHORT_MS, NodeId(fresh_id()))
    await house.begin(lease)


def hears(heard: list[list[str]]) -> Any:
    def answer(state: ThreadState) -> dict[str, Any]:
        heard.append([str(each.text) for each in state["messages"]])
        return {"messages": [AIMessage("so it is")]}

    return graph_of(answer=answer)


async def test_who_takes_a_turn_up_answers_no_message_that_was_deleted_meanwhile(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    talk, heard = await Talk.new(bus), list[list[str]]()
    message, [turn] = await said(talk, ANN, "a secret")
    await begun(bus, talk.id)
    await bus.edits.delete(talk.id, ANN, message)
    async with worker_in_process(workers_redis, hears(heard)):
        end = await talk.finished(turn)
    assert (end["outcome"], end["reason"]) == ("cancelled", "deleted")
    assert (heard, await talk.thread()) == ([], [])


async def test_who_takes_a_turn_up_hears_what_is_left_of_it(workers_redis: EmbeddedRedis, bus: Bus) -> None:
    talk, heard = await Talk.new(bus, BOB), list[list[str]]()
    await bus.conversations.configure(talk.id, ANN, answers={ASSISTANT: "mention"})
    gone, _ = await said(talk, BOB, "a secret")
    edited, _ = await said(talk, BOB, "some")
    _, [turn] = await said(talk, ANN, "well?", ASSISTANT)
    await begun(bus, talk.id)
    await bus.edits.delete(talk.id, BOB, gone)
    await bus.edits.edit(talk.id, BOB, edited, "in other words")
    async with worker_in_process(workers_redis, hears(heard)):
        assert (await talk.finished(turn))["outcome"] == "completed"
    assert heard == [["in other words", "well?"]]


async def test_what_the_thread_has_is_answered_though_it_is_deleted_then(
    workers_redis: EmbeddedRedis, bus: Bus
) -> None:
    """The second node's step comes after the message is in the thread."""
    talk, seen = await Talk.new(bus), list[str]()

    async def wait(state: ThreadState) -> dict[str, Any]:
        seen.append("waits")
        await eventually(lambda: "deleted" in seen, within_s=20.0)
        return {}

    def answer(state: ThreadState) -> dict[str, Any]:
        return {"messages": [AIMessage(f"heard {state['messages'][-1].text}")]}

    message, [turn] = await said(talk, ANN, "a question")
    async with worker_in_process(workers_redis, graph_of(wait=wait, answer=answer)):
        await eventually(lambda: "waits" in seen, within_s=20.0)
        await bus.edits.delete(talk.id, ANN, message)
        seen.append("deleted")
        assert (await talk.finished(turn))["outcome"] == "completed"
    assert (await talk.thread())[-1].text == "heard a question"


async def test_whose_question_is_deleted_is_not_answered_by_what_was_only_to_be_heard(bus: Bus) -> None:
    talk = await Talk.new(bus, BOB)
    await bus.conversations.configure(talk.id, ANN, answers={ASSISTANT: "mention"})
    await said(talk, BOB, "between people")
    asking, [turn] = await said(talk, ANN, "well?", ASSISTANT)
    await bus.edits.delete(talk.id, ANN, asking)
    [end] = await talk.events("turn.finished", turn)
    assert (end["outcome"], end["reason"]) == ("cancelled", "deleted")


async def test_a_failed_turn_is_not_queued_anew_for_what_was_deleted(bus: Bus) -> None:
    talk, house = await Talk.new(bus), house_of(bus)
    message, [turn] = await said(talk, ANN, "a secret")
    lease = await house.claim(talk.id)
    await house.turns.finish(lease, await house.begin(lease), "failed", "for a reason", "broken")
    await bus.edits.delete(talk.id, ANN, message)
    letter = await house.dead_letters.find(turn)
    assert letter is not None
    with pytest.raises(Refused, match="is gone"):
        await house.dead_letters.replay(letter)


async def test_nobody_asks_again_what_was_deleted(bus: Bus) -> None:
    talk, house = await Talk.new(bus), house_of(bus)
    message, _ = await said(talk, ANN, "a secret")
    await house.answer(await house.claim(talk.id))
    await bus.edits.delete(talk.id, ANN, message)
    for text in ("", "other words"):
        with pytest.raises(Refused, match="was deleted"):
            await back(house, talk.id, message, text=text)
    await back(house, talk.id, message, ask=False)
    assert (await bus.messages.history(talk.id, ANN)).messages == ()
