"""Real Redis servers with Sentinels for every test here.

`shared_redis` is one group for the whole run: use fresh ids, hurt nothing. `workers_redis` is one for a
module that runs workers: these would answer turns that other tests left behind. `own_redis` is a group of its
own for a test that kills, freezes or reconfigures.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from tests.support.loops import Loops, loops_of
from tests.support.open_bus import open_bus
from tests.support.redis_group import redis_group
from tests.support.saver_twins import InMemory, Ours, SaverKind


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    yield from redis_group(tmp_path_factory.mktemp("redis"))


@pytest.fixture(scope="module")
def workers_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    yield from redis_group(tmp_path_factory.mktemp("redis"))


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    async with EmbeddedRedis(tmp_path / "redis") as servers:
        yield servers


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as bus:
        yield bus


@pytest.fixture(params=["in memory", "ours"])
def kind(request: pytest.FixtureRequest, bus: Bus) -> SaverKind:
    """LangGraph's in-memory saver and ours, one after the other: what holds for one must hold for both."""
    return InMemory() if request.param == "in memory" else Ours(bus)


@pytest.fixture
def twins(bus: Bus) -> tuple[SaverKind, SaverKind]:
    """Both, for doing the same with each and comparing."""
    return InMemory(), Ours(bus)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Loops:
    """Tests that are marked run on other loops."""
    return loops_of(item)
