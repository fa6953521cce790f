"""Protections of a rollout taken out of its connection servers, one at a time: each must be missed.

Installed by `launched` into real servers, for control runs only.
"""

import os
from collections.abc import Callable
from typing import Any, NoReturn
from unittest.mock import patch


def _budget() -> None:
    """Whatever a pod wants of the fleet's budget is granted; its own rate still holds."""
    from services.shared.bus.drain_budget import DrainBudget  # noqa: PLC0415 - only what is broken is loaded

    async def take(self: Any, fleet: str, rate: float, *, wanted: int, must: int) -> int:
        del self, fleet, rate
        return max(wanted, must)

    patch.object(DrainBudget, "take", take).start()


def _pace() -> None:
    """All connections of a process are closed at once."""
    from services.connection.core.pacing import Due, Pace  # noqa: PLC0415

    def due(self: Any, now: float, left: int, deadline: float) -> Due:
        del self, now, deadline
        return Due(left, left)

    patch.object(Pace, "due", due).start()


def _resume() -> None:
    """Who comes back is told that it missed nothing."""
    from services.connection import arrivals  # noqa: PLC0415
    from services.connection.core.events import Joined  # noqa: PLC0415

    def joined(ref: int, position: Any, recovered: bool, missed: Any, *more: Any) -> Joined:
        del missed
        return Joined(ref, position, recovered, (), *more)

    patch.object(arrivals, "Joined", joined).start()


def _lame_duck() -> None:
    """A process that is told to end is gone: it waits for no endpoint, and sends nobody away."""
    from services.connection.drain import Drain  # noqa: PLC0415

    async def gone(self: Any, *, crashed: bool) -> NoReturn:
        del self, crashed
        os._exit(0)

    patch.object(Drain, "to_the_end", gone).start()


PROTECTIONS: dict[str, Callable[[], None]] = {
    "budget": _budget,
    "pace": _pace,
    "resume": _resume,
    "lame-duck": _lame_duck,
}
