"""What a process does at its end, in app.py's order: everybody goes, then their seats, then Redis is left.

Registered by app.py with the lifecycle, which bounds all of it. How connections are emptied is drain.py's.
"""

import asyncio

from services.connection.api.port import Api
from services.connection.attendance import Attendance
from services.connection.drain import Drain
from services.connection.pulse import Pulse
from services.connection.server import Server
from services.shared.runtime.lifecycle import Lifecycle
from services.shared.runtime.logging import get_logger

SEATS_SETTLE_S = 2.0
"""What the end waits for leaves to reach the roster; the presence service finds the rest."""

log = get_logger(__name__)


async def see_off(life: Lifecycle, drain: Drain, server: Server, api: Api | None, pulse: Pulse) -> None:
    """Before the server's own end: everybody is told to go elsewhere. Back ends are served until then: what
    they ask may be about those who still are here.
    """
    await drain.to_the_end(crashed=life.tasks.crash is not None)
    async with asyncio.TaskGroup() as last:
        last.create_task(server.emptied())
        if api is not None:
            last.create_task(api.close())
    pulse.stop()


async def on_crash(life: Lifecycle, drain: Drain) -> None:
    """What is half broken serves nobody new while it drains, and takes half the time."""
    await life.tasks.crashed.wait()
    await life.stopping.wait()
    assert life.tasks.crash is not None, "set with the event"
    life.health.crash = life.tasks.crash[0]
    drain.told(crashed=True)
    drain.hurry()


async def settle(attendance: Attendance) -> None:
    """Have the seats of who left freed, within a bound."""
    try:
        async with asyncio.timeout(SEATS_SETTLE_S):
            await attendance.settled()
    except TimeoutError:
        log.warning("seats not all freed")
