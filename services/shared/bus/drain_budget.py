"""The closes per second that a whole fleet may make while it drains: one token bucket in Redis.

Called by a connection pod's drain a few times a second. Counts by Redis' own clock, so pods need not agree on
the time. What a pod has to close whatever the budget says is taken off it all the same: others wait for it.
Must never be waited for: a drain has its deadline, with Redis or without.
"""

from services.shared.bus import keys
from services.shared.bus.floor import Floor

BURST = 0.1
"""Most tokens kept, as a share of one second's."""
SPARED = 0.25
"""Of the tokens kept: left to pods that must close, so that these need not overdraw."""
TTL_MS = 60_000
"""A budget nobody asked for so long is forgotten; it would be full again, and begins empty."""


class DrainBudget:
    """The budgets of all fleets."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts

    async def take(self, fleet: str, rate: float, *, wanted: int, must: int) -> int:
        """Take up to `wanted` closes out of a fleet's budget of `rate` a second, and `must` in any case;
        return how many are granted.

        A fleet that must close more than its budget owes it at most one second's. Raises BusUnavailable.
        """
        kept = most_kept(rate)
        spared = kept * SPARED if kept * SPARED >= 1 else 0.0
        args = [rate, kept, max(rate, 1.0), spared, max(wanted, must), must, TTL_MS]
        return int(await self._scripts.run("drain", [keys.drain(fleet)], args))


def most_kept(rate: float) -> float:
    """Tokens kept at most: a tenth of a second's closes, and one in any case."""
    return max(1.0, rate * BURST)
