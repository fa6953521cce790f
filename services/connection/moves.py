"""Tells the log of channels that go on in another epoch: a failover moves all that are followed, in one line.

Called by outbound.py. Must never keep anybody waiting.
"""

from __future__ import annotations

import asyncio

from services.shared.model.ids import Channel
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.logging import get_logger

GATHER_S = 1.0
"""From the first channel that moves to the line about all that did."""

log = get_logger(__name__)


class Moves:
    """What moved since the last line."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._channels = self._devices = self._resets = 0

    def told(self, channel: Channel, devices: int, *, reset: bool) -> None:
        """This channel moved, with so many devices; reset: what they hold could not be gone on with."""
        log.debug("channel moved", channel=channel.name, devices=devices, reset=reset)
        self._channels += 1
        self._devices += devices
        self._resets += reset
        if self._channels == 1:
            self._tasks.start("moves", self._tell())

    async def _tell(self) -> None:
        try:
            await asyncio.sleep(GATHER_S)
        finally:
            log.info("channels moved", channels=self._channels, devices=self._devices, resets=self._resets)
            self._channels = self._devices = self._resets = 0
