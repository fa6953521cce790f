"""Watches how well this pod hears and, when it stays deaf, looks whether its neighbours hear.

Wired by app.py: `watch` is its task, `finding` and `fit` are checks of the health pages. Asks Redis for the
others' beats only while this pod is deaf. Never closes a device: those here go on from the journal.
"""

import asyncio
from typing import Protocol

from services.connection.core.hearing import NOBODY, Neighbours, gives_way, neighbours, stays_deaf
from services.shared.model.errors import ContinuoError
from services.shared.model.hearing import Hearing
from services.shared.model.ids import NodeId
from services.shared.model.presence import Beats
from services.shared.runtime.health import Finding
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

LOOK_S = 1.0
"""Between looks."""

log = get_logger(__name__)


class LiveFeed(Protocol):
    """What is needed of the bus's live feed."""

    @property
    def hearing(self) -> Hearing: ...


class Roster(Protocol):
    """What is needed of the bus's roster."""

    async def beats(self) -> Beats: ...


class Ears:
    """This pod's hearing among its neighbours'."""

    def __init__(self, feed: LiveFeed, roster: Roster, node: NodeId) -> None:
        self._feed = feed
        self._roster = roster
        self._node = node
        self._others = NOBODY
        self._gave_way = False
        self._unreadable = Trouble(log, "beats unreadable", "beats readable again")

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._others = await self._look()
            self._tell()

    def finding(self) -> Finding:
        """For /health: whether the feed hears."""
        own = self._feed.hearing
        return Finding.of(not own.deaf, hearing=not own.deaf, silent_s=round(own.silent_s, 1))

    def fit(self) -> Finding:
        """For readiness: not deaf among neighbours that hear. Well again as soon as anything is heard."""
        others = self._others
        return Finding.of(not self._gives_way, others_hearing=others.hearing, others_deaf=others.deaf)

    @property
    def _gives_way(self) -> bool:
        return gives_way(self._feed.hearing, self._others)

    async def _look(self) -> Neighbours:
        if not stays_deaf(self._feed.hearing):
            return NOBODY
        try:
            beats = await self._roster.beats()
        except ContinuoError as error:
            self._unreadable.met(error=type(error).__name__)
            return NOBODY
        self._unreadable.over()
        return neighbours(beats, self._node)

    def _tell(self) -> None:
        gives_way = self._gives_way
        if gives_way and not self._gave_way:
            log.error("deaf among neighbours that hear", silent_s=round(self._feed.hearing.silent_s, 1))
        elif self._gave_way and not gives_way:
            log.info("fit again")
        self._gave_way = gives_way
