"""Calls of tools on a real Redis: told once however often they are sent, by their owner, ended by name."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.scripts import Call
from services.shared.model.doing import Doing, Ended
from services.shared.model.errors import LeaseLost, Refused
from services.shared.model.turn import Lease, Spoken, Turn
from tests.support.bus_house import AGENT, ANN, SHORT_MS, House, fresh, open_house
from tests.support.waiting import eventually

SHOP = Doing("shop", ("team", "buyers"))
ENDED = Ended('{"a":1}', "completed", "done")


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


async def started(house: House, lease_ms: int = 60_000) -> tuple[Lease, Turn]:
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation, lease_ms)
    return lease, await house.begin(lease)


async def called(house: House, lease: Lease, turn: Turn, *texts: str) -> str:
    """A call that is under way, with these pieces of arguments."""
    call, speaking, at = fresh(), house.turns.speaking, 0
    await speaking.one(speaking.begin(lease, turn, call, SHOP))
    for text in texts:
        await speaking.one(speaking.argue(lease, turn, call, SHOP, at, text))
        at += len(text)
    return call


async def tools(house: House, lease: Lease) -> list[dict[str, Any]]:
    events = await house.events(lease.conversation)
    return [event for event in events if event["type"].startswith("tool.")]


async def test_who_comes_now_is_given_the_call_whole_and_messages_apart(house: House) -> None:
    lease, turn = await started(house)
    message = await house.say(lease, turn, "so far")
    call = await called(house, lease, turn, '{"a"', ":1}")
    page = await house.messages.history(lease.conversation, ANN)
    assert [each.message for each in page.open] == [message]
    [underway] = page.underway
    assert (underway.kind, underway.call, underway.name) == ("tool", call, "shop")
    assert (underway.path, underway.text, underway.at) == (("team", "buyers"), '{"a":1}', 7)
    assert (underway.agent, underway.turn, underway.attempt) == (AGENT, turn.id, turn.attempt)


async def test_every_step_is_harmless_to_repeat(house: House) -> None:
    lease, turn = await started(house)
    call, speaking = await called(house, lease, turn), house.turns.speaking
    steps: list[Call] = [
        speaking.begin(lease, turn, call, SHOP),
        speaking.argue(lease, turn, call, SHOP, 0, "{}"),
        speaking.end(lease, turn, call, SHOP, ENDED, 1),
        speaking.spend(lease, turn, {"total_tokens": 3}),
    ]
    for step in steps:
        first = await speaking.one(step)
        told = await tools(house, lease)
        assert await speaking.one(step) == first
        assert await tools(house, lease) == told
    assert [event["type"] for event in await tools(house, lease)] == ["tool.started", "tool.finished"]


async def test_a_whole_batch_is_harmless_to_repeat(house: House) -> None:
    lease, turn = await started(house)
    one, other = [await called(house, lease, turn) for _ in range(2)]
    speaking, message = house.turns.speaking, await house.say(lease, turn, "he")
    batch = [
        speaking.end(lease, turn, one, SHOP, ENDED, 1),
        speaking.delta(lease, turn, message, 2, "llo"),  # type: ignore[arg-type]
        speaking.end(lease, turn, other, SHOP, ENDED, 2),
        speaking.spend(lease, turn, {"total_tokens": 3}),
    ]
    await speaking.say(batch)
    before = await house.events(lease.conversation)
    await speaking.say(batch)
    assert await house.events(lease.conversation) == before
    assert [event["call"] for event in before if event["type"] == "tool.finished"] == [one, other]


async def test_of_a_batch_only_what_does_not_fit_is_refused(house: House) -> None:
    lease, turn = await started(house)
    call, speaking = await called(house, lease, turn), house.turns.speaking
    refused, done = await speaking.say(
        [speaking.argue(lease, turn, call, SHOP, 5, "late"), speaking.argue(lease, turn, call, SHOP, 0, "{")]
    )
    assert isinstance(refused, Refused)
    assert isinstance(done, Spoken)


async def test_nobody_but_the_owner_tells_of_calls(house: House) -> None:
    lease, turn = await started(house, SHORT_MS)
    call, speaking = await called(house, lease, turn, "{"), house.turns.speaking
    again = await eventually(lambda: house.try_claim(lease.conversation))
    await house.begin(again)
    before = await house.events(lease.conversation)
    for step in (
        speaking.begin(lease, turn, fresh(), SHOP),
        speaking.argue(lease, turn, call, SHOP, 1, "}"),
        speaking.end(lease, turn, call, SHOP, ENDED, 9),
        speaking.spend(lease, turn, {"total_tokens": 3}),
    ):
        with pytest.raises(LeaseLost):
            await speaking.one(step)
    assert await house.events(lease.conversation) == before


async def test_what_a_dead_attempt_left_under_way_ends_as_cancelled_with_its_arguments(house: House) -> None:
    lease, turn = await started(house, SHORT_MS)
    call = await called(house, lease, turn, '{"said": "ü')
    again = await eventually(lambda: house.try_claim(lease.conversation))
    await house.begin(again)
    [started_, ended] = await tools(house, lease)
    assert (started_["call"], ended["call"]) == (call, call)
    assert {name: ended[name] for name in ("outcome", "arguments", "name", "path", "turn", "attempt")} == {
        "outcome": "cancelled", "arguments": '{"said": "ü', "name": "shop", "path": ["team", "buyers"],
        "turn": turn.id, "attempt": turn.attempt,
    }  # fmt: skip
    at = house.floor.keys.conversation(lease.conversation)
    assert not await house.floor.commands.exists(at.open, at.spoken, at.draft(call))


async def test_an_end_whose_beginning_a_failover_took_is_told_all_the_same(house: House) -> None:
    lease, turn = await started(house)
    speaking, call = house.turns.speaking, fresh()
    await speaking.one(speaking.end(lease, turn, call, SHOP, ENDED, 1))
    [ended] = await tools(house, lease)
    assert (ended["call"], ended["arguments"], ended["result"]) == (call, '{"a":1}', "done")


async def test_usage_is_the_sum_over_attempts_as_each_told_it_last(house: House) -> None:
    lease, turn = await started(house, SHORT_MS)
    speaking = house.turns.speaking
    await speaking.one(speaking.spend(lease, turn, {"input_tokens": 1, "total_tokens": 1}))
    await speaking.one(speaking.spend(lease, turn, {"input_tokens": 3, "total_tokens": 4}))
    again = await eventually(lambda: house.try_claim(lease.conversation, 60_000))
    second = await house.begin(again)
    for _ in range(2):
        await house.turns.finish(again, second, "completed", usage={"input_tokens": 10, "total_tokens": 11})
    finished = (await house.events(lease.conversation))[-1]
    assert finished["usage"] == {"input_tokens": 13, "total_tokens": 15}


async def test_a_turn_whose_models_counted_nothing_tells_no_usage(house: House) -> None:
    lease, turn = await started(house)
    await house.turns.finish(lease, turn, "completed")
    assert "usage" not in (await house.events(lease.conversation))[-1]


async def test_what_nodes_wrote_is_told_once_however_often_it_is_sent_and_by_its_owner_only(
    house: House,
) -> None:
    lease, turn = await started(house, SHORT_MS)
    speaking = house.turns.speaking
    steps = [speaking.write(lease, turn, [f"{n}", "[]"], ("team",), False, n) for n in (1, 2)]
    for step in (*steps, *steps):
        await speaking.one(step)
    again = await eventually(lambda: house.try_claim(lease.conversation))
    await house.begin(again)
    with pytest.raises(LeaseLost):
        await speaking.one(speaking.write(lease, turn, ["3"], (), False, 3))
    written = [each for each in await house.events(lease.conversation) if each["type"] == "agent.custom"]
    assert [(each["values"], each["path"]) for each in written] == [([1, []], ["team"]), ([2, []], ["team"])]


async def test_numbers_are_of_an_attempt(house: House) -> None:
    lease, turn = await started(house, SHORT_MS)
    speaking = house.turns.speaking
    await speaking.one(speaking.write(lease, turn, ["1"], (), False, 7))
    again = await eventually(lambda: house.try_claim(lease.conversation))
    second = await house.begin(again)
    await speaking.one(speaking.write(again, second, ["2"], (), False, 1))
    written = [each for each in await house.events(lease.conversation) if each["type"] == "agent.custom"]
    assert [each["values"] for each in written] == [[1], [2]]


@pytest.mark.parametrize("kind", ["reasoning", "subagent"])
async def test_a_dead_attempts_thought_is_taken_back_and_its_agent_ends_as_cancelled(
    house: House, kind: Any
) -> None:
    lease, turn = await started(house, SHORT_MS)
    doing, name, speaking = Doing("", ("team",), kind), fresh(), house.turns.speaking
    await speaking.one(speaking.begin(lease, turn, name, doing))
    [now] = (await house.messages.history(lease.conversation, ANN)).underway
    assert (now.kind, now.message or now.subagent, now.path) == (kind, name, ("team",))
    again = await eventually(lambda: house.try_claim(lease.conversation))
    await house.begin(again)
    [begun, over] = [
        each
        for each in await house.events(lease.conversation)
        if name in (each.get("subagent"), each.get("message"))
    ]
    assert begun["type"] == f"{kind}.started"
    if kind == "reasoning":
        assert (over["type"], over["attempt"]) == ("message.retracted", turn.attempt)
    else:
        assert (over["type"], over["outcome"], over["path"]) == ("subagent.finished", "cancelled", ["team"])
