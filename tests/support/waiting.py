"""Waiting for a condition instead of sleeping: the one place in the tests that polls."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def eventually(condition: Callable[[], Any], within_s: float = 5.0, every_s: float = 0.01) -> Any:
    """The condition's first true value.

    Polls a plain or an async condition. Raises AssertionError with the last value, or the last
    AssertionError the condition raised, when `within_s` seconds pass without one.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        failure: AssertionError | None = None
        value: Any = None
        try:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
        except AssertionError as error:
            failure, value = error, None  # a coroutine that raised is still an object, and true
        if value:
            return value
        if asyncio.get_running_loop().time() > deadline:
            raise failure or AssertionError(f"not within {within_s} s; last seen: {value!r}")
        await asyncio.sleep(every_s)
