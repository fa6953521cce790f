"""Which Redis a command of this machine is about, and the bus it gets there: the Redis named, else the
environment's, else the one that `continuo up` started here.

Called by the commands that ask Redis. Must never start or change anything.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from services.local.ending import LocalError
from services.local.home import Home
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.model.errors import BusUnavailable
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics

SENTINELS_VARIABLE = "CONTINUO_REDIS_SENTINELS"


def redis_environment(sentinels: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the Sentinels filled in; `sentinels` as typed, "host:port,...", or None."""
    found = dict(environ)
    running = Home.of(environ).running()
    if sentinels:
        found[SENTINELS_VARIABLE] = sentinels
    elif SENTINELS_VARIABLE not in found and running:
        found[SENTINELS_VARIABLE] = running.sentinels
    return found


def who_named_it(sentinels: str | None, environ: Mapping[str, str]) -> str:
    """What to say when no Sentinel answers and nobody named one, so that it had to be the one of this folder;
    else empty.
    """
    if sentinels or SENTINELS_VARIABLE in environ:
        return ""
    return f"Is `continuo up` running? For another Redis: --sentinels or {SENTINELS_VARIABLE}."


def unanswered(error: BusUnavailable, sentinels: str | None, environ: Mapping[str, str]) -> LocalError:
    """What a command ends with where Redis did not answer."""
    said = str(error).rstrip(": ")  # some causes have no words
    return LocalError(f"{said}. {who_named_it(sentinels, environ)}".rstrip())


@asynccontextmanager
async def reached_bus(settings: RedisSettings, command: str) -> AsyncIterator[Bus]:
    """A bus for one command, closed behind it. Raises BusUnavailable when Redis cannot be reached."""
    process = f"{command}-{os.getpid()}"
    bus = await Bus.open(settings, process=process, clock=SystemClock(), metrics=Metrics())
    try:
        yield bus
    finally:
        await bus.close()
