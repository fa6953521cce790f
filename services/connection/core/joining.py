"""The seam between a joining device's reading and its channel's live tail.

Called by outbound.py, one `JoinMerge` per followed channel. Pure: it never reads, waits or writes.
"""

from collections import deque

from services.connection.core.showing import Show
from services.shared.model.conversation import Entry
from services.shared.model.position import Position

RECENT_LIMIT = 1024
"""Shown entries kept per channel for devices that are just joining. Policy beyond it: drop the oldest; a
device whose reading is older than that reads again."""


class JoinMerge:
    """What a channel has shown since devices began to join it, so that none of it falls between their
    reading and the live tail.

    One per followed channel, for all its joiners: an entry is kept once, however many devices wait for
    their readings. A joiner calls `begin` BEFORE it reads; `answer` decides in one step what it still
    lacks; `end` in any case.
    """

    __slots__ = ("_floor", "_recent", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self._recent: deque[Entry] = deque()
        self._floor: Position | None = None

    def begin(self, shown: Position | None) -> None:
        """A device begins to join. `shown`: the channel's position now, None when its merge has not
        started.
        """
        if self.waiting == 0:
            self._floor = shown
        self.waiting += 1

    def started(self, shown: Position) -> None:
        """The channel's merge began at this position, after devices had begun to join."""
        if self._floor is None:
            self._floor = shown

    def show(self, effect: Show) -> None:
        """Keep what the channel shows while anybody is joining."""
        if not self.waiting or self._floor is None:
            return
        self._recent.extend(each for each in effect.entries if each.offset)
        while len(self._recent) > RECENT_LIMIT:
            self._floor = Position(self._floor.epoch, self._recent.popleft().offset)

    def cross(self, position: Position) -> None:
        """The channel goes on from `position` in another epoch: readings of an older one lead nowhere."""
        self._recent.clear()
        if self._floor is not None:
            self._floor = position

    def answer(self, top: Position) -> tuple[Entry, ...] | None:
        """Return what was shown above a reading's top, in order; None when the two do not meet and it has
        to be read again.

        The device's live tail begins behind both: entries the channel shows later but not above `top` are
        not for it.
        """
        floor = self._floor
        if floor is None or floor.epoch != top.epoch or top.offset < floor.offset:
            return None
        return tuple(each for each in self._recent if each.offset > top.offset)

    def end(self) -> None:
        """A device that had begun to join is done, or gone."""
        self.waiting -= 1
        if self.waiting == 0:
            self._recent.clear()
            self._floor = None
