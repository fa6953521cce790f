"""What the presence service itself says of its work: a note of each round, in the campaign's history.

Installed by `launched` into a presence process. `presence_judge` takes from it when leaves were announced and
seats freed, and how long the machine kept the service from its work.
"""

import time
from typing import Any

from services.presence.sweep import Sweep
from services.shared.bus.roster import Roster
from tests.chaos.journaling import Notes


def note_sweeps(notes: Notes) -> None:
    """Have every round noted when it is over: when it began, what it freed and announced, and whether it was
    done to its end; and when the process started.
    """
    honest, reap, depart_due = Sweep.once, Roster.reap, Roster.depart_due
    counts = {"freed": 0, "announced": 0}

    async def counted_reap(self: Roster, *args: Any, **kwargs: Any) -> int:
        freed = await reap(self, *args, **kwargs)
        counts["freed"] += freed
        return freed

    async def counted_depart_due(self: Roster, *args: Any, **kwargs: Any) -> int:
        announced = await depart_due(self, *args, **kwargs)
        counts["announced"] += announced
        return announced

    async def once(self: Sweep) -> None:
        began, well = time.time(), False
        counts.update(freed=0, announced=0)
        try:
            await honest(self)
            well = True
        finally:
            notes.write("swept", began=began, well=well, **counts)

    notes.write("started")
    Sweep.once = once  # type: ignore[method-assign]
    Roster.reap = counted_reap  # type: ignore[method-assign]
    Roster.depart_due = counted_depart_due  # type: ignore[method-assign]
