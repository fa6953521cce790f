"""Faults that go on: the first is told, then their end with their number; what repeats in between is not.

Made by whatever tries again: Redis away for an hour is two lines of each part that needs it, not thousands.
At debug every one is told.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from structlog.stdlib import BoundLogger

MOST = 1000
"""Keys that are remembered at a time; beyond them one that is still in trouble may be told anew."""


class Trouble:
    """One kind of fault in one place. `began` and `over` are its two lines, with `times` on the last.

    severe: it is our fault and told as an error, not as a warning.
    """

    __slots__ = ("_began", "_log", "_over", "_severe", "times")

    def __init__(self, log: BoundLogger, began: str, over: str, *, severe: bool = False) -> None:
        self._log, self._began, self._over, self._severe = log, began, over, severe
        self.times = 0

    def met(self, **facts: Any) -> None:
        """It failed, perhaps once more. `exc_info`: the exception, where its place matters."""
        self.times += 1
        if self.times > 1:
            self._log.debug(self._began, times=self.times, **facts)
        elif self._severe:
            self._log.error(self._began, **facts)
        else:
            self._log.warning(self._began, **facts)

    def over(self, **facts: Any) -> None:
        """It went well; nothing is said where it had not failed before."""
        if self.times:
            self._log.info(self._over, times=self.times, **facts)
            self.times = 0


class Troubles:
    """The same fault in many things, each by its key."""

    def __init__(self, log: BoundLogger, began: str, over: str, *, severe: bool = False) -> None:
        self._log, self._began, self._over, self._severe = log, began, over, severe
        self._met: dict[Hashable, Trouble] = {}

    def __bool__(self) -> bool:
        """Whether anything is in trouble."""
        return bool(self._met)

    def met(self, key: Hashable, **facts: Any) -> None:
        """It failed with this one."""
        if key not in self._met:
            if len(self._met) >= MOST:
                del self._met[next(iter(self._met))]
            self._met[key] = Trouble(self._log, self._began, self._over, severe=self._severe)
        self._met[key].met(**facts)

    def over(self, key: Hashable, **facts: Any) -> None:
        """It went well with this one."""
        if trouble := self._met.pop(key, None):
            trouble.over(**facts)
