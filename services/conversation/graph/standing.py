"""Which pending writes a checkpoint's children stand on: those its DeltaChannels are made from.

A failover can take such a write back and leave the checkpoint it was written at: a child kept then would have
lost it without a word. So a put names what it stands on, and the script looks whether that is there. Kept by
the saver of what it wrote and read; forgetting is safe for whoever reads again before writing.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable

from services.shared.model.thread import Place, Write

REMEMBERED = 256
"""Checkpoints whose pending writes are remembered."""


class Standing:
    """Pending writes by the checkpoint they were written at."""

    def __init__(self) -> None:
        self._known: OrderedDict[Place, dict[tuple[str, int], str]] = OrderedDict()

    def note(self, place: Place, writes: Iterable[Write]) -> None:
        """Hear of writes that are kept at a place."""
        if found := {(write.task, write.index): write.channel for write in writes}:
            self._known[place] = self._known.pop(place, {}) | found
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def on(self, place: Place, channels: Collection[str]) -> tuple[tuple[str, int], ...]:
        """Task and index of the writes to these channels at a place."""
        known = self._known.get(place, {})
        return tuple(write for write, channel in known.items() if channel in channels)
