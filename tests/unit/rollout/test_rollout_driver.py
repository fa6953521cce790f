"""How a rollout's endpoints reach its balancer: late, each by its own dice, and only the newest word."""

from random import Random
from typing import Any

import pytest

from tests.cluster.cluster import SimulatedCluster
from tests.cluster.world import World
from tests.rollout.driver import LATE_S, Driver


class Shown:
    """A balancer that remembers what it was told."""

    def __init__(self) -> None:
        self.endpoints: list[set[str]] = []

    async def set(self, endpoints: dict[str, str]) -> None:
        self.endpoints.append(set(endpoints))


@pytest.fixture
def balancer() -> Shown:
    return Shown()


@pytest.fixture
def driver(balancer: Shown, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A driver whose slice is `driver.slice`: (pod, ready, serving)."""
    made: Any = Driver(SimulatedCluster(World(1)), balancer, Random(7))  # type: ignore[arg-type]
    made.slice = []

    def entries(*_: object) -> dict[str, Any]:
        return {
            "endpoints": [
                {
                    "targetRef": {"name": pod},
                    "addresses": [pod],
                    "conditions": {"ready": ready, "serving": serving},
                }
                for pod, ready, serving in made.slice
            ]
        }

    monkeypatch.setattr(made._cluster.store, "find", entries)
    return made


async def test_a_change_is_shown_within_its_bounds_and_not_before(driver: Any, balancer: Shown) -> None:
    driver.slice = [("a", True, True), ("b", True, True)]
    shown_at: dict[str, float] = {}
    for tick in range(60):
        await driver._follow(tick / 10)
        for pod in balancer.endpoints[-1] if balancer.endpoints else ():
            shown_at.setdefault(pod, tick / 10)
    assert shown_at.keys() == {"a", "b"}
    assert all(LATE_S[0] <= at <= LATE_S[1] + 0.1 for at in shown_at.values())
    assert shown_at["a"] != shown_at["b"]


async def test_what_is_taken_back_before_it_was_shown_is_never_shown(driver: Any, balancer: Shown) -> None:
    driver.slice = [("a", True, True)]
    await driver._follow(0.0)
    driver.slice = []
    for second in range(1, 20):
        await driver._follow(float(second))
    assert balancer.endpoints == []


async def test_pods_that_only_serve_are_endpoints_where_none_is_ready(driver: Any, balancer: Shown) -> None:
    driver.slice = [("old", False, True), ("new", True, True)]
    await driver._follow(0.0)
    await driver._follow(6.0)
    assert balancer.endpoints[-1] == {"new"}
    driver.slice = [("old", False, True)]
    await driver._follow(7.0)
    await driver._follow(13.0)
    assert balancer.endpoints[-1] == {"old"}
