"""The fleet's budget on a real Redis: pods that drain together, a lost key, a clock that goes back.

What a test waits for is Redis' own clock; nothing here asserts how fast this machine is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from services.connection import drain as module
from services.connection.core.drain import Terms
from services.connection.core.pacing import Rates
from services.connection.drain import Drain, Manner
from services.local.embedded import EmbeddedRedis
from services.shared.bus import keys
from services.shared.bus.drain_budget import TTL_MS, most_kept
from services.shared.bus.house import Bus
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from tests.cluster.budget import taken
from tests.support.bus_house import fresh
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually

Take = Callable[[int, int], Awaitable[int]]
WINDOW_US = 1_000_000


async def redis_us(bus: Bus) -> int:
    seconds, micros = await bus.floor.commands.time()
    return int(seconds) * 1_000_000 + int(micros)


async def set_back(bus: Bus, fleet: str, *, tokens: float, by_us: int) -> None:
    """Have a budget say so much, and that it was counted so long ago; negative: by a clock ahead."""
    at_us = await redis_us(bus) - by_us
    await bus.floor.commands.hset(keys.drain(fleet), mapping={"tokens": str(tokens), "at_us": str(at_us)})


@pytest.fixture
def fleet() -> str:
    return f"fleet-{fresh()}"


async def test_a_new_budget_is_empty_and_fills_up_to_a_tenth_of_a_second(bus: Bus, fleet: str) -> None:
    assert await bus.drain_budget.take(fleet, 1000, wanted=500, must=0) == 0
    await set_back(bus, fleet, tokens=0, by_us=50_000)
    granted = await bus.drain_budget.take(fleet, 1000, wanted=500, must=0)
    assert 25 <= granted <= 100, "fifty were earned, and a quarter of what may be kept is spared"
    await set_back(bus, fleet, tokens=0, by_us=3_600_000_000)
    assert await bus.drain_budget.take(fleet, 1000, wanted=500, must=0) == 75
    assert 0 < await bus.floor.commands.pttl(keys.drain(fleet)) <= TTL_MS


async def test_a_fleet_however_slow_closes_one_at_a_time(bus: Bus, fleet: str) -> None:
    assert most_kept(0.5) == most_kept(10) == 1
    await set_back(bus, fleet, tokens=0, by_us=1_900_000)
    assert await bus.drain_budget.take(fleet, 0.5, wanted=10, must=0) == 0
    await set_back(bus, fleet, tokens=0, by_us=60_000_000)
    assert [await bus.drain_budget.take(fleet, 0.5, wanted=10, must=0) for _ in range(2)] == [1, 0]


async def test_who_must_close_does_and_the_others_wait_for_it(bus: Bus, fleet: str) -> None:
    await set_back(bus, fleet, tokens=0, by_us=0)
    assert await bus.drain_budget.take(fleet, 10, wanted=50, must=7) == 7
    await set_back(bus, fleet, tokens=-7, by_us=600_000)
    assert await bus.drain_budget.take(fleet, 10, wanted=50, must=0) == 0


async def test_a_fleet_owes_no_more_than_one_seconds_closes(bus: Bus, fleet: str) -> None:
    await bus.drain_budget.take(fleet, 10, wanted=500, must=500)
    tokens = await bus.floor.commands.hget(keys.drain(fleet), "tokens")
    assert float(tokens) == -10


async def test_a_lost_budget_and_a_clock_ahead_grant_nothing(bus: Bus, fleet: str) -> None:
    """What a failover can do: take the key away, bring an older one back, or a clock that is behind."""
    await set_back(bus, fleet, tokens=5, by_us=0)
    await bus.floor.commands.delete(keys.drain(fleet))
    assert await bus.drain_budget.take(fleet, 100, wanted=100, must=0) == 0
    await set_back(bus, fleet, tokens=1_000_000, by_us=10**12)
    assert await bus.drain_budget.take(fleet, 100, wanted=100, must=0) <= most_kept(100)
    await set_back(bus, fleet, tokens=0, by_us=-60_000_000)
    assert await bus.drain_budget.take(fleet, 100, wanted=100, must=0) == 0
    await set_back(bus, fleet, tokens=0, by_us=3_000_000)
    assert await bus.drain_budget.take(fleet, 100, wanted=100, must=0) > 0, "and then it goes on"


async def test_the_simulator_of_clusters_counts_as_redis_does(bus: Bus, fleet: str) -> None:
    """The same random requests to the script and to the simulator's copy of its arithmetic."""
    dice = Random(7)
    for _ in range(300):
        rate = dice.choice([0.5, 3.0, 10.0, 40.0, 120.0, 1000.0])
        tokens = round(dice.uniform(-1.2, 0.3) * rate, 6)
        must = dice.choice([0, 0, dice.randrange(20)])
        wanted = must + dice.randrange(60)
        await set_back(bus, fleet, tokens=tokens, by_us=dice.choice([-50_000, 0, dice.randrange(3_000_000)]))
        before = int(await bus.floor.commands.hget(keys.drain(fleet), "at_us"))
        granted = await bus.drain_budget.take(fleet, rate, wanted=wanted, must=must)
        left, at_us = await bus.floor.commands.hmget(keys.drain(fleet), "tokens", "at_us")
        passed_s = (int(at_us) - before) / 1e6
        same, same_left = taken(rate, tokens, passed_s, wanted, must)
        assert granted == same
        assert float(left) == pytest.approx(same_left, abs=1e-5)


class Crowd:
    """Connections of one pod; notes by Redis' clock when each batch was told to go."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.was_cut = 0

    def __len__(self) -> int:
        return self.left

    @property
    def staying(self) -> int:
        return self.left

    def part(self, most: int) -> int:
        told = min(most, self.left)
        self.left -= told
        return told

    def cut(self) -> int:
        self.was_cut, self.left = self.left, 0
        return self.was_cut


class NotedBudget:
    """The real budget; notes what it granted between which two readings of Redis' clock."""

    def __init__(self, bus: Bus, grants: list[tuple[int, int, int]]) -> None:
        self._bus = bus
        self._grants = grants

    async def take(self, fleet: str, rate: float, *, wanted: int, must: int) -> int:
        before = await redis_us(self._bus)
        granted = await self._bus.drain_budget.take(fleet, rate, wanted=wanted, must=must)
        if granted:
            self._grants.append((before, await redis_us(self._bus), granted))
        return granted


async def drained(drains: list[Drain]) -> None:
    running = [asyncio.create_task(drain.run()) for drain in drains]
    for drain in drains:
        drain.told()
    await asyncio.gather(*(drain.gone() for drain in drains))
    for each in running:
        each.cancel()
    await asyncio.wait(running)


@pytest.mark.slow
@pytest.mark.parametrize("pods", [1, 4])
async def test_pods_that_drain_together_stay_within_the_fleets_rate(
    bus: Bus, fleet: str, pods: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In no second of Redis' clock more than R and a tenth: counting only what surely fell into it."""
    monkeypatch.setattr(module, "BUDGET_WITHIN_S", 5.0)
    rate, grants = 120.0, list[tuple[int, int, int]]()
    crowds = [Crowd(480 // pods) for _ in range(pods)]
    manner = Manner(Terms(0.0, 60.0), Rates(0, rate), fleet)
    drains = [Drain(manner, crowd, NotedBudget(bus, grants), SystemClock(), Metrics()) for crowd in crowds]
    await drained(drains)
    assert sum(count for _, _, count in grants) == 480
    assert not any(crowd.was_cut for crowd in crowds)
    for start, _, _ in grants:
        inside = [count for before, behind, count in grants if start <= before and behind < start + WINDOW_US]
        assert sum(inside) <= rate * 1.1
    took_us = max(behind for _, behind, _ in grants) - min(before for before, _, _ in grants)
    assert rate * took_us / 1e6 + most_kept(rate) + 1 >= 480


@pytest.mark.slow
async def test_a_budget_below_what_the_deadline_needs_gives_way_to_it(bus: Bus, fleet: str) -> None:
    crowds = [Crowd(200) for _ in range(2)]
    manner = Manner(Terms(0.0, 3.0), Rates(0, 5.0), fleet)
    drains = [Drain(manner, crowd, bus.drain_budget, SystemClock(), Metrics()) for crowd in crowds]
    await drained(drains)
    assert all(drain.closed == 200 for drain in drains)


@pytest.mark.slow
async def test_while_redis_is_away_a_drain_goes_on_and_is_over_by_its_deadline(
    own_redis: EmbeddedRedis, fleet: str
) -> None:
    async with open_bus(own_redis) as bus:
        metrics, crowd = Metrics(), Crowd(300)
        drain = Drain(
            Manner(Terms(0.0, 6.0), Rates(0, 1000.0), fleet), crowd, bus.drain_budget, SystemClock(), metrics
        )
        for name in own_redis.names:
            own_redis.child(name).freeze()
        running = asyncio.create_task(drained([drain]))
        await eventually(lambda: 0 < crowd.left < 250, within_s=6.0)
        await running
        assert drain.closed == 300
        assert metrics.registry.get_sample_value("continuo_drain_alone_total") >= 2
        for name in own_redis.names:
            own_redis.child(name).thaw()
