"""Graphs that ask people, run by a worker: every form of asking ends the turn, is answered, and goes on where
it stood.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph.func import entrypoint
from langgraph.types import Command, interrupt

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import AlreadyAnswered
from tests.support.asking import Asking, said, talk_of
from tests.support.open_bus import open_bus
from tests.support.workers import worker_in_process


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.mark.parametrize("form", ["simple", "in_a_subgraph"])
async def test_a_question_ends_the_turn_and_its_answer_goes_on(
    bus: Bus, workers_redis: EmbeddedRedis, form: str
) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, getattr(asking, form)()):
        turn = await talk.say("do it")
        end = await talk.finished(turn)
        assert end["outcome"] == "interrupted"
        [question] = await talk.asked()
        assert (json.loads(question.value), question.turn) == ({"question": "really?"}, turn)
        assert await talk.lines() == ["do it", "let me see"]
        taken = await talk.reply(question, "yes")
        assert (await talk.finished(taken.turn))["outcome"] == "completed"
    assert await talk.lines() == ["do it", "let me see", "you said yes", "done: you said yes"]
    assert asking.ran == ["before", "ask", "after"]
    assert [each.text for each in await talk.thread()] == await talk.lines()
    assert (await bus.messages.history(talk.id, "ann")).asked == ()


async def test_questions_of_one_node_come_one_after_the_other(bus: Bus, workers_redis: EmbeddedRedis) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.repeated()):
        await talk.say("do it")
        [first] = await talk.asked()
        assert (await talk.replied(first, 1))["outcome"] == "interrupted"
        [second] = await talk.asked()
        assert (first.value, second.value) == (b'"first?"', b'"second?"')
        with pytest.raises(AlreadyAnswered, match="ann answered it"):
            await talk.reply(first, 7)
        assert (await talk.replied(second, 2))["outcome"] == "completed"
    assert (await talk.lines())[2] == "you said 1 and 2"


async def test_parallel_questions_are_answered_in_any_order(bus: Bus, workers_redis: EmbeddedRedis) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.in_parallel()):
        await talk.say("do it")
        by_branch = {json.loads(each.value)["of"]: each for each in await talk.asked(3)}
        assert (await talk.replied(by_branch["b"], "B"))["outcome"] == "interrupted"
        assert {json.loads(each.value)["of"] for each in await talk.asked(2)} == {"a", "c"}
        one, two = await talk.reply(by_branch["c"], "C"), await talk.reply(by_branch["a"], "A")
        assert (await talk.finished(one.turn))["outcome"] == "interrupted"
        assert (await talk.finished(two.turn))["outcome"] == "completed"
    assert sorted((await talk.lines())[2:5]) == ["a A", "b B", "c C"]
    assert sorted(asking.ran[1:4]) == ["a", "b", "c"], "no branch ran twice to its end"
    assert len(await talk.events("input.requested")) == 3


async def test_a_loop_asks_until_it_has_enough(bus: Bus, workers_redis: EmbeddedRedis) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.in_a_loop()):
        await talk.say("do it")
        seen = set()
        for word in ("one", "two", "enough"):
            [question] = await talk.asked()
            seen.add(question.interrupt)
            await talk.replied(question, word)
    assert len(seen) == 3
    assert await talk.lines() == ["do it", "got one", "got two", "got enough", "done: got enough"]


@pytest.mark.parametrize(
    ("compiled", "before", "coming"),
    [
        ({"interrupt_before": ["ask"]}, ["before"], ["ask"]),
        ({"interrupt_after": ["ask"]}, ["before", "ask"], ["after"]),
        ({"interrupt_before": "*"}, [], ["before"]),
    ],
)
async def test_a_breakpoint_is_a_question_without_a_value(
    bus: Bus, workers_redis: EmbeddedRedis, compiled: Any, before: list[str], coming: list[str]
) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.stopped(**compiled)):
        await talk.say("do it")
        [question] = await talk.asked()
        assert (json.loads(question.value), asking.ran) == ({"next": coming}, before)
        end = await talk.replied(question, True)
        while end["outcome"] == "interrupted":
            [question] = await talk.asked()
            end = await talk.replied(question, True)
    assert asking.ran == ["before", "ask", "after"]
    assert (await talk.lines())[-1] == "done: worked"


async def test_breakpoints_of_a_subgraph_are_asked_one_by_one(bus: Bus, workers_redis: EmbeddedRedis) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.stopped_within()):
        await talk.say("do it")
        [first] = await talk.asked()
        assert asking.ran == ["before"]
        await talk.replied(first, None)
        [second] = await talk.asked()
        assert (asking.ran, first.interrupt != second.interrupt) == (["before", "one"], True)
        assert (await talk.replied(second, None))["outcome"] == "completed"
    assert asking.ran == ["before", "one", "two", "after"]


async def test_a_new_message_starts_anew_and_withdraws_the_question(
    bus: Bus, workers_redis: EmbeddedRedis
) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.simple()):
        await talk.say("do it")
        [old] = await talk.asked()
        end = await talk.finished(await talk.say("something else"))
        assert end["outcome"] == "interrupted"
        [new] = await talk.asked()
        with pytest.raises(AlreadyAnswered, match="withdrawn by what ann did"):
            await talk.reply(old, "yes")
        await talk.replied(new, "yes")
    assert (await talk.lines())[-2:] == ["you said yes", "done: you said yes"]


async def test_an_answer_comes_before_messages_that_wait(bus: Bus, workers_redis: EmbeddedRedis) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.simple()):
        await talk.say("do it")
        [question] = await talk.asked()
    later = await talk.say("and this")
    taken = await talk.reply(question, "yes")
    async with worker_in_process(workers_redis, asking.simple()):
        await talk.finished(later)
    ends = [event["turn"] for event in await talk.events("turn.finished")]
    assert ends[1:] == [taken.turn, later]
    assert (await talk.lines())[2:] == ["and this", "you said yes", "done: you said yes", "let me see"]


async def test_an_answer_that_the_graph_refuses_may_be_given_again(
    bus: Bus, workers_redis: EmbeddedRedis
) -> None:
    def strict(_: Any) -> Any:
        answer = interrupt("a number?", response_schema=int)
        return said(f"got {answer}")

    talk = await talk_of(bus)
    async with worker_in_process(workers_redis, Asking().graph(strict)):
        await talk.say("do it")
        [question] = await talk.asked()
        assert json.loads(question.schema) == {"type": "integer"}
        assert (await talk.replied(question, "no number"))["outcome"] == "failed"
        [again] = await talk.asked()
        assert again.interrupt == question.interrupt
        assert (await talk.replied(again, 7))["outcome"] == "completed"
    assert (await talk.lines())[2] == "got 7"


@pytest.mark.parametrize("value", ["x" * 70_000, {(1, 2): 3}])
async def test_what_cannot_be_asked_fails_the_turn_and_says_why(
    bus: Bus, workers_redis: EmbeddedRedis, value: object
) -> None:
    talk = await talk_of(bus)
    async with worker_in_process(workers_redis, Asking().graph(lambda _: said(str(interrupt(value))))):
        end = await talk.finished(await talk.say("do it"))
    assert end["outcome"] == "failed"
    assert "bytes as JSON, at most 65536" in end["reason"] or "is no JSON" in end["reason"]
    assert (await bus.messages.history(talk.id, "ann")).asked == ()
    async with worker_in_process(workers_redis, Asking().graph(lambda _: said("no question"))):
        assert (await talk.finished(await talk.say("then just do it")))["outcome"] == "completed"


async def test_an_entrypoint_may_ask(bus: Bus, workers_redis: EmbeddedRedis) -> None:
    @entrypoint()
    async def agent(given: Any) -> str:
        answers = [interrupt(each) for each in ("one?", "two?")]
        return f"{given['messages'][-1].text}: {' and '.join(answers)}"

    talk = await talk_of(bus)
    async with worker_in_process(workers_redis, agent):
        await talk.say("do it")
        for word in ("yes", "no"):
            [question] = await talk.asked()
            end = await talk.replied(question, word)
        assert end["outcome"] == "completed"
    assert await talk.lines() == ["do it", "do it: yes and no"]


async def test_an_answer_to_a_thread_that_was_lost_fails_and_says_so(
    bus: Bus, workers_redis: EmbeddedRedis
) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.in_parallel()):
        await talk.say("do it")
        [question, *_] = await talk.asked(3)
        base = bus.floor.keys.conversation(talk.id).base
        thread = [key async for key in bus.floor.commands.scan_iter(match=f"{base}:thread:*")]
        assert await bus.floor.commands.delete(*thread) == 2
        end = await talk.replied(question, "yes")
        assert (end["outcome"], end["reason"]) == ("failed", "what was answered is not asked any more")
        assert (await bus.messages.history(talk.id, "ann")).asked == ()
        assert (await talk.finished(await talk.say("again")))["outcome"] == "interrupted"


async def test_strictly_the_interrupt_that_was_answered_is_resumed(
    bus: Bus, workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it looked at wrongly, LangGraph itself would refuse rather than hand the answer to another one."""
    monkeypatch.setattr("services.conversation.graph.agent.resumption", _to_another)
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.repeated()):
        await talk.say("do it")
        [question] = await talk.asked()
        end = await talk.replied(question, "yes")
        assert (end["outcome"], "UnknownInterruptError" in end["reason"]) == ("failed", True)
        assert [each.interrupt for each in await talk.asked()] == [question.interrupt]
    assert asking.ran == ["before"]


def _to_another(*_: object) -> Command[Any]:
    return Command(resume={"f" * 32: "yes"})


async def test_a_cancel_of_the_answer_s_turn_withdraws_what_else_is_asked(
    bus: Bus, workers_redis: EmbeddedRedis
) -> None:
    asking, talk = Asking(), await talk_of(bus)
    async with worker_in_process(workers_redis, asking.in_parallel()):
        await talk.say("do it")
        questions = await talk.asked(3)
    taken = await talk.reply(questions[0], "yes")
    assert await bus.turns.cancel(talk.id, "ann", None) == [taken.turn]  # type: ignore[arg-type]
    assert (await bus.messages.history(talk.id, "ann")).asked == ()
    async with worker_in_process(workers_redis, asking.in_parallel()):
        end = await talk.finished(await talk.say("again"))
    assert end["outcome"] == "interrupted"
    assert len(await talk.asked(3)) == 3
