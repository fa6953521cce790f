"""What every test run shares: how long property tests may think, how long a test may wait, what is read."""

import asyncio
import functools
import inspect
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

WAITS_S = 270.0
"""A test that awaits for longer fails where it waits. pytest-timeout is for what hears no loop: it ends the
process, which a run of several processes may not survive.
"""
SLOW_WAITS_S = 540.0

settings.register_profile("quick", max_examples=60, deadline=None)
settings.register_profile(
    "thorough", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only slow tests are asked for, leave files unread that have none: each process reads them all.

    tests/unit/house sees to it that a mark stands in the file of its test.
    """
    if config.option.markexpr != "slow" or not collection_path.name.startswith("test_"):
        return None
    return None if "mark.slow" in collection_path.read_text() else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bound every test that is a coroutine, where it does not say itself how long it may take."""
    for item in items:
        if not isinstance(item, pytest.Function) or item.get_closest_marker("timeout") is not None:
            continue
        if inspect.iscoroutinefunction(item.obj):
            slow = item.get_closest_marker("slow") is not None
            item.obj = _bounded(item.obj, SLOW_WAITS_S if slow else WAITS_S)


def _bounded(test: Callable[..., Awaitable[None]], within_s: float) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def bounded(*args: Any, **named: Any) -> None:
        async with asyncio.timeout(within_s):
            await test(*args, **named)

    return bounded
