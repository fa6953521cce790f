"""The tool that cancels at every await: it counts them, cancels for real, and catches who does it wrong."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from tests.support.nth_await import (
    Cut,
    Moment,
    NeverEndsError,
    Subject,
    SwallowedError,
    cut_everywhere,
    run_cut,
)

MOMENTS = list(Moment)


class Room:
    """A place that is taken and given back."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(1)
        self.done = 0

    async def careful(self) -> None:
        async with self.free:
            await asyncio.sleep(0)
            await a_reply()
        self.done += 1

    async def leaky(self) -> None:
        await self.free.acquire()
        await a_reply()
        await a_reply()
        self.free.release()
        self.done += 1

    async def all_free(self) -> None:
        assert self.free._value == 1


async def a_reply() -> str:
    """A future somebody else fulfils, as a socket's reader does."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def answer() -> None:
        if not future.done():
            future.set_result("reply")

    asyncio.get_running_loop().call_later(0.001, answer)
    return await future


async def nothing() -> None:
    """Whatever is left behind is well."""


@pytest.mark.parametrize("moment", MOMENTS)
async def test_every_await_is_cut_once_and_then_the_work_comes_through(moment: Moment) -> None:
    rooms: list[Room] = []

    async def make() -> Subject:
        rooms.append(Room())
        return Subject(rooms[-1].careful(), rooms[-1].all_free)

    assert await cut_everywhere(make, moment) == 2
    assert len(rooms) == 4
    assert rooms[-1].done == 1


@pytest.mark.parametrize("moment", MOMENTS)
async def test_what_is_taken_and_not_given_back_is_caught(moment: Moment) -> None:
    async def make() -> Subject:
        room = Room()
        return Subject(room.leaky(), room.all_free)

    with pytest.raises(AssertionError) as caught:
        await cut_everywhere(make, moment)
    assert caught.value.__notes__ == [f"cut: await 1, {moment}"]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_cancellation_that_is_swallowed_is_caught(moment: Moment) -> None:
    async def deaf() -> None:
        with suppress(asyncio.CancelledError):
            await a_reply()
        with suppress(asyncio.CancelledError):
            await a_reply()

    async def make() -> Subject:
        return Subject(deaf(), nothing)

    with pytest.raises(SwallowedError):
        await cut_everywhere(make, moment)


async def test_work_that_goes_on_for_ever_after_its_cancellation_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.support.nth_await.ENDS_WITHIN_S", 0.1)

    lives = 3

    async def at_last_mortal() -> None:
        nonlocal lives
        while lives:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                lives -= 1

    with pytest.raises(NeverEndsError):
        await run_cut(Subject(at_last_mortal(), nothing), Cut(1))


async def test_the_result_that_came_with_the_cancellation_is_never_seen() -> None:
    seen: list[str] = []

    async def asks() -> None:
        seen.append(await a_reply())

    assert not await run_cut(Subject(asks(), nothing), Cut(1, Moment.WITH_THE_REPLY))
    assert seen == []
    assert not await run_cut(Subject(asks(), nothing), Cut(1, Moment.AS_IT_GOES_ON))
    assert seen == ["reply"]


async def test_a_timeout_still_is_one_and_a_cancellation_is_none() -> None:
    async def patient() -> str:
        try:
            async with asyncio.timeout(0.005):
                await asyncio.sleep(10)
        except TimeoutError:
            return "late"
        return "never"

    cut = Cut(7)
    assert await run_cut(Subject(patient(), nothing), cut)
    assert cut.awaits == 1
    assert not await run_cut(Subject(patient(), nothing), Cut(1))


async def test_work_without_an_end_is_ended_once_it_has_done_enough() -> None:
    rounds: list[int] = []

    async def round_and_round() -> None:
        while True:
            await a_reply()
            rounds.append(1)

    async def enough() -> bool:
        return len(rounds) > 2

    async def make() -> Subject:
        rounds.clear()
        work: Coroutine[Any, Any, Any] = round_and_round()
        return Subject(work, nothing, enough)

    assert await cut_everywhere(make, Moment.AT_ONCE) >= 3
