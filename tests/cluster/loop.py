"""An event loop whose time is the world's: what awaits in it sleeps through virtual seconds at once.

The operator's own coroutines run in it unchanged: `asyncio.sleep`, timeouts and task groups keep the world's
time, and the world goes on whenever the loop has nothing else to do.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

from tests.cluster.world import World


class StoodStillError(AssertionError):
    """Everybody waits, and nothing is ever going to happen."""


class _WorldSelector(selectors.SelectSelector):
    """Where a loop would wait for its sockets, this one runs the world on."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.loop: WorldLoop | None = None

    def select(self, timeout: float | None = None) -> list[Any]:
        assert self.loop is not None
        until = None if timeout is None else self.world.now + max(0.0, timeout)
        while not self.loop.has_ready and until != self.world.now:
            due = self.world.next_due
            if due is None and until is None:
                raise StoodStillError(f"at {self.world.now:.1f} s")
            if due is None or (until is not None and due > until):
                assert until is not None
                self.world.now = max(self.world.now, until)
                break
            self.world.step()
        return super().select(0)


class WorldLoop(asyncio.SelectorEventLoop):
    """A loop over one world. Deterministic: no threads, no sockets but its own."""

    def __init__(self, world: World) -> None:
        selector = _WorldSelector(world)
        super().__init__(selector)
        selector.loop = self
        self.world = world
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.world.now

    @property
    def has_ready(self) -> bool:
        """Whether something can run now; a loop keeps this to itself."""
        return bool(self._ready)  # type: ignore[attr-defined]


def run_in(world: World, work: Coroutine[Any, Any, Any]) -> Any:
    """What `work` returns, run on the world's time to its end. May be called again and again on one world."""
    loop = WorldLoop(world)
    try:
        return loop.run_until_complete(work)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
