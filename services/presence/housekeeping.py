"""Housekeeping: deletes conversations nobody uses, where that is wanted, clears away what deleted ones leave,
and lets go of what is old in the audit log. Run by `app`, beside the sweep, which must never wait for it.

Any number of replicas may do it at once: the bus gives each deletion to one of them for a while, and to
another when that one falls silent.
"""

import asyncio
from math import inf

from services.shared.bus.audit import Audit
from services.shared.bus.deletion import Deletion
from services.shared.model.errors import Broken, Temporary
from services.shared.runtime.clock import Clock
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.trouble import Trouble

EVERY_S = 1.0
"""Between two rounds."""
TRIM_S = 60.0
"""Between two looks at the audit log, when nothing had to go."""
AGAIN_S = 10.0
"""After what cannot be read: it will not be better at once."""

log = get_logger(__name__)


class Housekeeping:
    """The porter's broom."""

    def __init__(
        self, deletion: Deletion, audit: Audit, clock: Clock, metrics: Metrics, *, conversation_ttl_s: int
    ) -> None:
        """conversation_ttl_s: conversations nobody wrote in for so long are deleted; 0: never."""
        self._audit = audit
        self._clock = clock
        self._trim_at = -inf
        self._deletion = deletion
        self._metrics = metrics
        self._ttl_s = conversation_ttl_s

    async def run(self) -> None:
        """Clear away until cancelled; an unreachable Redis is waited out."""
        paused = Trouble(log, "housekeeping paused", "housekeeping goes on")
        unreadable = Trouble(
            log, "housekeeping met what it cannot read", "housekeeping reads again", severe=True
        )
        while True:
            pause_s = EVERY_S
            try:
                await self.once()
            except Temporary as error:
                paused.met(error=str(error))
            except Broken:  # one unreadable record must not end every replica in turn
                unreadable.met(exc_info=True)
                pause_s = AGAIN_S
            else:
                paused.over()
                unreadable.over()
            await asyncio.sleep(pause_s)

    async def once(self) -> None:
        """One round. Raises Temporary; what was done stays done."""
        if self._ttl_s and (retired := await self._deletion.retire(self._ttl_s)):
            log.info("conversations retired", count=retired)
        done = await self._deletion.work_off()
        self._metrics.deletions_due.set(await self._deletion.waiting())
        if done:
            log.info("conversations cleared away", count=done)
        await self._trim_audit()

    async def _trim_audit(self) -> None:
        """Also where no log is kept any more: what it held goes by age. Where much went, more may be due."""
        if self._clock.monotonic() < self._trim_at:
            return
        trimmed = await self._audit.trim()
        self._trim_at = self._clock.monotonic() + (EVERY_S if trimmed else TRIM_S)
        if trimmed:
            log.info("audit log trimmed", entries=trimmed)
