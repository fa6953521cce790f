"""The fleet's budget of closes as the connection pods share it in Redis:

The same arithmetic on the world's clock; a test holds the two equal (tests/contract/test_drain_budget.py).
"""

import math

from tests.cluster.world import World

BURST = 0.1
SPARED = 0.25


class AwayError(Exception):
    """Redis does not answer."""


def taken(rate: float, tokens: float, passed_s: float, wanted: int, must: int) -> tuple[int, float]:
    """How many closes are granted, and the tokens left. tokens: those there were `passed_s` seconds ago."""
    kept = max(1.0, rate * BURST)
    spared = kept * SPARED if kept * SPARED >= 1 else 0.0
    there = min(kept, tokens + rate * max(0.0, passed_s))
    granted = max(must, min(wanted, math.floor(there - spared)))
    return granted, max(-max(rate, 1.0), there - granted)


class FleetBudget:
    """A token bucket;

    `away` is an outage of Redis. What a pod must close is taken off it whatever it holds.
    """

    def __init__(self, world: World, rate: float) -> None:
        self.rate = rate
        self.away = False
        self._world = world
        self._tokens = 0.0
        self._at = world.now

    def take(self, wanted: int, must: int) -> int:
        """How many of the wanted closes are granted, `must` in any case. Raises AwayError."""
        if self.away:
            raise AwayError
        passed = self._world.now - self._at
        granted, self._tokens = taken(self.rate, self._tokens, passed, wanted, must)
        self._at = self._world.now
        return granted
