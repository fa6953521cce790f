"""Heavy work that is ready at once is not done in one go."""

import asyncio

from services.conversation.graph.turnstile import Turnstile


async def test_whoever_waits_for_the_loop_comes_between_two_pieces_of_work() -> None:
    turnstile, seen = Turnstile(), list[str]()

    async def work(name: str) -> None:
        async with turnstile:
            seen.append(name)

    async def look() -> None:
        while "c" not in seen:
            seen.append("-")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(work(name))
        tasks.create_task(look())
    assert [one for one in seen if one != "-"] == ["a", "b", "c"]
    for one, following in (("a", "b"), ("b", "c")):
        assert "-" in seen[seen.index(one) : seen.index(following)]


async def test_work_that_failed_lets_the_next_one_pass() -> None:
    turnstile = Turnstile()

    async def fail() -> None:
        async with turnstile:
            raise ValueError

    await asyncio.gather(fail(), return_exceptions=True)
    async with asyncio.timeout(5), turnstile:
        pass


async def test_whoever_was_cancelled_while_waiting_is_passed_over() -> None:
    turnstile = Turnstile()

    async def work() -> str:
        async with turnstile:
            return "done"

    async with turnstile:
        waiting, next_one = asyncio.create_task(work()), asyncio.create_task(work())
        await asyncio.sleep(0)
        waiting.cancel()
    assert await next_one == "done"
