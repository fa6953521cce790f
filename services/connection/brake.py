"""The brake: whether turns may be queued at all, or too many wait already in all conversations together.

Called by deeds.py for each message. Looks at the backlog about once a second and adds what this process
accepted since. Policy beyond the bound: refuse, before anything is stored; what all processes accept between
two looks is what it can be overrun by.
"""

import asyncio
from typing import Protocol

from services.shared.model.errors import Broken, Overloaded, QueueFull, Temporary
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.trouble import Trouble

LOOK_S = 1.0
"""Between two looks."""
RECOUNT_LOOKS = 60
"""Every so many looks the turns are counted anew instead."""

log = get_logger(__name__)


class Backlog(Protocol):
    """What is needed of the bus; both raise Temporary."""

    async def depth(self) -> int: ...
    async def recount(self) -> int: ...


class Brake:
    """`full`: whether messages that would queue turns are to be refused. `run` is its task."""

    def __init__(self, backlog: Backlog, most: int, metrics: Metrics) -> None:
        """`most`: turns that may wait or run in all conversations together."""
        self._backlog = backlog
        self._most = most
        self._metrics = metrics
        self._unseen = Trouble(log, "backlog not seen", "backlog seen again")
        self._unreadable = Trouble(log, "backlog unreadable", "backlog readable again", severe=True)
        self._seen = 0
        self._since = 0

    @property
    def full(self) -> bool:
        """Whether the bound is reached, as far as this process knows."""
        return self._seen + self._since >= self._most

    def accepted(self, turns: int) -> None:
        """This process has queued turns."""
        self._since += turns

    def refused(self, error: QueueFull) -> None:
        """A message was refused: by its conversation, or by the bound of all."""
        where = "all" if isinstance(error, Overloaded) else "conversation"
        self._metrics.sends_refused.labels(where=where).inc()

    async def run(self) -> None:
        """Look until cancelled. While Redis does not answer the last look counts; nothing is accepted then
        anyway.
        """
        looks = 0
        while True:
            await self._look(recount=looks % RECOUNT_LOOKS == 0)
            looks += 1
            await asyncio.sleep(LOOK_S)

    async def _look(self, *, recount: bool) -> None:
        before, was_full = self._since, self.full
        try:
            seen = await (self._backlog.recount() if recount else self._backlog.depth())
        except Temporary as error:
            self._unseen.met(error=type(error).__name__)
            return
        except Broken:  # a fault in the data of one partition must not end a process that serves all others
            self._unreadable.met(exc_info=True)
            return
        self._unseen.over()
        self._unreadable.over()
        self._seen, self._since = seen, self._since - before
        self._metrics.turns_queued.set(seen)
        if self.full != was_full:
            log.warning("queue full" if self.full else "queue has room", turns=seen, most=self._most)
