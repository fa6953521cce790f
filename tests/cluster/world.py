"""The simulator's one clock, its queue of things to come, and its dice.

Everything in tests/cluster happens here.

Time is virtual: it stands still until somebody runs the world on. A run is fixed by its seed. Over HTTP the
same world is moved along with the real clock (`served.py`), so the controllers know no difference.
"""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

EPOCH = 1_790_000_000.0
"""What the wall clock of a virtual world shows at its second 0: seconds since 1970."""


class Timer:
    """One thing to come; `cancel` takes it back."""

    __slots__ = ("do", "due")

    def __init__(self, due: float, do: Callable[[], None]) -> None:
        self.due = due
        self.do: Callable[[], None] | None = do

    def cancel(self) -> None:
        self.do = None


class World:
    """Seconds since the start in `now`;

    Callbacks run in the order of their time, then of their being asked for.
    """

    def __init__(self, seed: int = 0, epoch: float = EPOCH) -> None:
        self.now = 0.0
        self.epoch = epoch
        self.dice = Random(seed)
        self._queue: list[tuple[float, int, Timer]] = []
        self._asked = 0

    def after(self, delay: float, do: Callable[[], None]) -> Timer:
        """Run `do` in `delay` seconds; 0: as soon as the world goes on."""
        timer = Timer(self.now + max(0.0, delay), do)
        self._asked += 1
        heapq.heappush(self._queue, (timer.due, self._asked, timer))
        return timer

    def between(self, bounds: tuple[float, float]) -> float:
        """A random number within the bounds: of a delay, mostly."""
        return self.dice.uniform(*bounds)

    @property
    def next_due(self) -> float | None:
        """When something happens next; None: never."""
        while self._queue and self._queue[0][2].do is None:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def step(self) -> bool:
        """Do the next thing, moving the clock to it. False: there is none."""
        if self.next_due is None:
            return False
        due, _, timer = heapq.heappop(self._queue)
        self.now = max(self.now, due)
        do, timer.do = timer.do, None
        assert do is not None
        do()
        return True

    def run_until(self, moment: float) -> None:
        """Do all that is due up to `moment`, and set the clock to it."""
        while (due := self.next_due) is not None and due <= moment:
            self.step()
        self.now = max(self.now, moment)

    def run(self, seconds: float) -> None:
        """Run the world on."""
        self.run_until(self.now + seconds)

    def stamp(self, after: float = 0.0) -> str:
        """The wall clock as Kubernetes writes it: whole seconds, in UTC."""
        moment = datetime.fromtimestamp(self.epoch + self.now + after, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def age(self, stamp: str | None) -> float:
        """Seconds from that stamp until now; what never happened is 0 seconds old."""
        return 0.0 if not stamp else self.epoch + self.now - seconds_of(stamp)


def seconds_of(stamp: str) -> float:
    """Seconds since 1970 of a stamp of Kubernetes, with or without a fraction."""
    return datetime.fromisoformat(stamp).timestamp()
