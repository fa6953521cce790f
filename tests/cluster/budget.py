"""The fleet's budget of closes as the connection pods share it in Redis:

The same arithmetic on the world's clock.
"""

from tests.cluster.world import World

BURST = 0.1
SPARED = 0.25


class AwayError(Exception):
    """Redis does not answer."""


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
        kept = max(1.0, self.rate * BURST)
        spared = kept * SPARED if kept * SPARED >= 1 else 0.0
        tokens = min(kept, self._tokens + self.rate * (self._world.now - self._at))
        granted = max(must, min(wanted, int(tokens - spared)))
        self._tokens = max(-max(self.rate, 1.0), tokens - granted)
        self._at = self._world.now
        return granted
