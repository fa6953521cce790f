"""A namespace of its own on the real cluster, and the chart in it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.cluster.facts_driver import Facts, real_road
from tests.e2e.cluster.release import Release, missing


@pytest.fixture
async def facts() -> AsyncIterator[Facts]:
    if reason := missing():
        pytest.skip(reason)
    async with real_road() as road:
        yield Facts(road)


@pytest.fixture
async def release(facts: Facts) -> AsyncIterator[Release]:
    made = Release(facts.road.namespace)
    await asyncio.to_thread(made.install)
    yield made
    await asyncio.to_thread(made.uninstall)
