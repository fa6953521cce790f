"""What a channel's merge has its pod do to the channel's devices.

Made by merge.py, carried out by outbound.py. Values only: never decides or writes anything.
"""

from dataclasses import dataclass

from services.shared.model.conversation import Entry
from services.shared.model.position import Position


@dataclass(frozen=True, slots=True)
class Show:
    """Write these entries to the channel's devices, in this order. Entries with offset 0 have no place in
    the journal.
    """

    epoch: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """The channel goes on in another epoch, from `position`, with nothing lost: take the devices there
    before showing more.
    """

    position: Position


@dataclass(frozen=True, slots=True)
class Reset:
    """No entries lead from what devices were shown to `position`: it was lost with a master, or retention
    overtook this pod. Whether a device's own position can be served is judged when it comes again.
    """

    position: Position


Effect = Show | Move | Reset
