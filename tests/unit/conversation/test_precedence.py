"""The order of work: who has not spoken goes before who has, and nobody is held up for long."""

import asyncio
import threading
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager

from services.conversation import precedence
from services.conversation.graph.callbacks import RunCallbacks
from services.conversation.graph.watch import UNWATCHED
from services.conversation.precedence import AT_ONCE, Precedence
from tests.support.waiting import eventually


async def test_turns_start_in_the_order_in_which_they_came_a_few_at_a_time() -> None:
    order, begun = Precedence(), list[int]()

    async def turn(number: int) -> None:
        start = await order.start()
        begun.append(number)
        await asyncio.sleep(0)
        assert len(begun) <= number + AT_ONCE
        start.leave()
        start.leave()

    await asyncio.gather(*(turn(number) for number in range(3 * AT_ONCE)))
    assert begun == list(range(3 * AT_ONCE))
    assert order.clear.is_set()


async def test_who_has_spoken_waits_for_who_has_not() -> None:
    order = Precedence()
    first, second = await order.start(), await order.start()
    assert not first.waits
    await first.give_way()  # it has not spoken itself
    first.leave()
    assert first.waits
    giving = asyncio.create_task(first.give_way())
    await asyncio.sleep(0)
    assert not giving.done()
    second.leave()
    await giving
    assert not first.waits


async def test_who_has_given_way_for_long_enough_goes_on_whoever_starts(monkeypatch: Any) -> None:
    monkeypatch.setattr(precedence, "GIVES_WAY_S", 0.01)
    monkeypatch.setattr(precedence, "START_S", 60.0)
    order = Precedence()
    first, second = await order.start(), await order.start()
    first.leave()
    await first.give_way()
    assert not second.over
    assert not first.waits
    second.leave()


async def test_a_start_that_takes_its_time_makes_room(monkeypatch: Any) -> None:
    monkeypatch.setattr(precedence, "START_S", 0.01)
    order = Precedence()
    slow = [await order.start() for _ in range(AT_ONCE)]
    await order.start()
    assert any(each.over for each in slow)


async def test_one_whose_model_is_waited_for_makes_room(monkeypatch: Any) -> None:
    monkeypatch.setattr(precedence, "START_S", 60.0)
    monkeypatch.setattr(precedence, "ELSEWHERE_S", 0.01)
    order = Precedence()
    start = await order.start()
    start.elsewhere()
    await eventually(lambda: start.over)


async def test_a_turn_that_is_stopped_while_it_waits_to_start_holds_up_nobody() -> None:
    order = Precedence()
    starts = [await order.start() for _ in range(AT_ONCE)]
    waiting = asyncio.create_task(order.start())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    for start in starts:
        start.leave()
    assert order.clear.is_set()


async def test_a_model_is_held_between_two_tokens_never_before_the_first_that_says_something() -> None:
    order = Precedence()
    first, second = await order.start(), await order.start()
    model = AsyncCallbackManager([RunCallbacks(UNWATCHED, first)])
    [run] = await model.on_chat_model_start({}, [[]], run_id=uuid4())
    await run.on_llm_new_token("")
    assert not first.over
    await run.on_llm_new_token("Hel")
    assert first.over
    held = asyncio.create_task(run.on_llm_new_token("lo"))
    await asyncio.sleep(0)
    assert not held.done()
    second.leave()
    await held


async def test_a_model_that_is_called_in_a_thread_is_not_held_and_leaves_on_the_loop() -> None:
    order, here, threads = Precedence(), threading.get_ident(), list[int]()
    first, second = await order.start(), await order.start()
    honest = order.left
    order.left = lambda: (threads.append(threading.get_ident()), honest())[1]  # type: ignore[method-assign]

    def say() -> None:
        callbacks = CallbackManager([RunCallbacks(UNWATCHED, first)])
        [run] = callbacks.on_chat_model_start({}, [[]], run_id=uuid4())
        first.elsewhere()
        run.on_llm_new_token("Hel")
        run.on_llm_new_token("lo")

    await asyncio.to_thread(say)
    await eventually(lambda: first.over)
    assert threads == [here]
    second.leave()
