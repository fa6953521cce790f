"""Every service as a process, with a real Redis behind Sentinels: one house for all tests here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from tests.support.back_end import KeysFile, api_door
from tests.support.door import Door
from tests.support.machine import Machine
from tests.support.official_client import Official
from tests.support.open_bus import open_bus
from tests.support.redis_group import redis_group
from tests.support.whole_house import WholeHouse

Arrive = Callable[..., Awaitable[Official]]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeHouse]:
    whole = WholeHouse(tmp_path_factory.mktemp("house"))
    try:
        whole.start()
        yield whole
    finally:
        whole.stop()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeysFile:
    """The keys of `door`'s back ends: one, `billing`."""
    return KeysFile(tmp_path_factory.mktemp("keys"), "billing")


@pytest.fixture(scope="module")
def door(redis: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory, keys: KeysFile) -> Iterator[Door]:
    """A connection process that back ends get into."""
    with api_door(redis, tmp_path_factory.mktemp("door"), keys) as door:
        yield door


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """A `continuo up` of its own, whose agent talks fast."""
    started = Machine(tmp_path / "home", {"CONTINUO_TOKEN_MS": "2"})
    try:
        await started.ready()
        yield started
    finally:
        started.end()


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the agents of `doing_house` wait for files."""
    return tmp_path_factory.mktemp("things")


@pytest.fixture(scope="module")
def doing_house(tmp_path_factory: pytest.TempPathFactory, things: Path) -> Iterator[WholeHouse]:
    """A house whose agents think and use tools: `doing_graph`."""
    graphs = "assistant=tests.support.doing_graph:agent,team=tests.support.doing_graph:team"
    more = {"CONTINUO_GRAPHS": graphs, "DOING": str(things), "CONTINUO_LEASE_S": "1.5"}
    whole = WholeHouse(tmp_path_factory.mktemp("doing"), **more)
    try:
        whole.start()
        yield whole
    finally:
        whole.stop()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """Servers of a module's own, for processes that it starts itself."""
    yield from redis_group(tmp_path_factory.mktemp("redis"))


@pytest.fixture
async def bus(redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(redis) as bus:
        yield bus


@pytest.fixture
async def arrive(house: WholeHouse) -> AsyncIterator[Arrive]:
    """Connects a user's official client to a server; all of them leave at the end of the test."""
    here: list[Official] = []

    async def arrive(user: str, *, server: int = 0, ttl_s: float = 600, **more: Any) -> Official:
        official = Official(house.address(server), lambda: house.token(user, ttl_s=ttl_s), user, **more)
        here.append(official)
        return await official.connect()

    yield arrive
    for official in here:
        await official.leave()
