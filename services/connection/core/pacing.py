"""How many connections a drain closes just now: enough for its deadline, else no more than it may.

Driven by drain.py a few times a second. Three rates meet, in closes per second:
- the least: what is left by the time that is left. It always holds, or the deadline would not;
- the pod's own most (r), unless the least is more;
- the fleet's (R): a budget in Redis which all that drain share. What it grants lies between the two; while
  Redis is away the least alone is closed.
Pure: carries fractions of closes from one look to the next, and nothing else.
"""

from dataclasses import dataclass
from math import inf

UNBOUND_RATE = 400.0
"""Closes per second where neither a pod's rate nor a fleet's is set: a small process ends at once."""
STALL_S = 0.25
"""The most time one look makes up for: a process that slept must not close in one go what it missed."""
LAST_S = 0.06
"""So shortly before the deadline whoever is left goes."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Closes per second: `pod` of this process at most (r), `fleet` of all together (R); 0: no bound."""

    pod: float
    fleet: float


@dataclass(frozen=True, slots=True)
class Due:
    """Closes due at one look: at least `must`, at most `may`."""

    must: int
    may: int


class Pace:
    """The pace of one drain; `due` asks what is due, `closed` tells what was done."""

    __slots__ = ("_at", "_may", "_must", "_rates")

    def __init__(self, rates: Rates, now: float) -> None:
        self._rates = rates
        self._at = now
        self._must = 0.0
        self._may = 0.0

    def due(self, now: float, left: int, deadline: float) -> Due:
        """What is due at a look. left: connections that were not told to go yet."""
        passed_s = min(STALL_S, max(0.0, now - self._at))
        self._at = now
        time_left_s = deadline - now
        if time_left_s <= LAST_S:
            return Due(left, left)
        # What passed since the last look was part of the time there was.
        least = left / (time_left_s + passed_s)
        self._must = min(float(left), self._must + least * passed_s)
        must = int(self._must)
        return Due(must, max(must, self._most(least, passed_s, left)))

    def closed(self, count: int) -> None:
        """So many were told to go at this look."""
        self._must = max(0.0, self._must - count)
        self._may = max(0.0, self._may - count)

    def _most(self, least: float, passed_s: float, left: int) -> int:
        most = self._rates.pod or (inf if self._rates.fleet else UNBOUND_RATE)
        if most == inf:
            return left
        rate = max(most, least)
        # What others' closes kept back is not made up for: the bound would not hold then.
        self._may = min(rate * STALL_S + 1, self._may + rate * passed_s)
        return min(left, int(self._may))
