"""Sets up again what this worker needs of a Redis that lost everything.

Wired by app.py: `emptied` is told by the bus, `run` is the task. Groups of the ready streams need nothing
here: their readers make them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from services.shared.model.errors import ContinuoError
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

AGAIN_S = 1.0
"""Pause after Redis did not answer."""

log = get_logger(__name__)


class Mending:
    """What has to be opened again; each of `openings` may be repeated."""

    def __init__(self, openings: Sequence[Callable[[], Awaitable[object]]]) -> None:
        self._openings = openings
        self._due = asyncio.Event()

    def emptied(self) -> None:
        """Redis lost everything."""
        self._due.set()

    async def run(self) -> None:
        """Open again when told, until cancelled."""
        failing = Trouble(log, "not set up again yet", "set up again at last")
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                for open_again in self._openings:
                    await open_again()
            except ContinuoError as error:
                failing.met(error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
                self._due.set()
            else:
                failing.over()
                log.info("set up again")
