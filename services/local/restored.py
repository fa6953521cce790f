"""`continuo restored`: makes a Redis into which a backup was loaded fit for services; see docs/backup.md.

Called by the command line, while no service runs. With --load it also does what comes before, for the Redis
of this machine: puts the backup in its place and starts the servers for as long as it takes. Must never begin
while somebody still writes, unless told to; may be called again at any time.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from services.local.ending import LocalError, ending_in_a_line, say
from services.local.home import Home
from services.local.loading import lay
from services.local.reached import SENTINELS_VARIABLE, reached_bus, redis_environment
from services.shared.bus.rdb import UnsoundError
from services.shared.bus.restore import WATCH_S, Restored
from services.shared.bus.settings import RedisSettings
from services.shared.model.errors import ContinuoError
from services.shared.runtime import logging
from services.shared.runtime.settings import SettingsError, load

COMMAND = "restored"
NAMED = 3
"""Living processes that are named; the rest is a number."""


class RestoredSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What of the services' settings it works by."""

    grace_s: Annotated[
        float, Meta(ge=0, description="Seconds a user may be away before the leave is announced.")
    ] = 10.0
    redis: RedisSettings = RedisSettings()


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sentinels", metavar="HOST:PORT,...", help="the Redis that a backup was loaded into"
    )
    parser.add_argument("--force", action="store_true", help="also while somebody gives signs of life")
    parser.add_argument(
        "--load", type=Path, metavar="FILE", help="load this backup into this machine's own Redis first"
    )
    parser.epilog = "Stopped in between, it is called again and goes on. The whole way: docs/backup.md."


def run(given: argparse.Namespace) -> int:
    logging.configure(COMMAND, level="error")
    return ending_in_a_line(COMMAND, _restored(given))


async def _restored(given: argparse.Namespace) -> int:
    try:
        if given.load:
            return await _loaded(given)
        await made_fit(redis_environment(given.sentinels, os.environ), force=given.force)
    except (SettingsError, ContinuoError) as error:
        raise LocalError(str(error)) from error
    return 0


async def _loaded(given: argparse.Namespace) -> int:
    if given.sentinels or SENTINELS_VARIABLE in os.environ:
        raise LocalError("--load is for the Redis of this machine; load another one as docs/backup.md tells")
    # Imported here: whoever has no servers of this machine needs no library of theirs.
    from services.local.embedded import EmbeddedRedis  # noqa: PLC0415

    home = Home.of(os.environ)
    with home.claimed():
        try:
            aside = lay(given.load, home.redis)
        except UnsoundError as unsound:
            raise LocalError(f"{given.load} is no whole backup: {unsound}. Nothing was changed") from unsound
        if aside:
            say(f"continuo restored: what was there is in {aside} now")
        async with EmbeddedRedis(home.redis) as servers:
            await made_fit({**os.environ, SENTINELS_VARIABLE: servers.sentinels}, force=given.force)
    return 0


async def made_fit(environ: Mapping[str, str], *, force: bool, watch_s: float = WATCH_S) -> Restored:
    """Do it, and say what was done. Raises LocalError when services run, SettingsError, ContinuoError."""
    settings = load(RestoredSettings, environ)
    async with reached_bus(settings.redis, COMMAND) as bus:
        if not force and (alive := await bus.restore.beating(watch_s)):
            raise LocalError(f"services run: {_some(alive)}. Stop them first; nothing was changed")
        done = await bus.restore.run(grace_ms=int(settings.grace_s * 1000))
    say(
        f"continuo restored: {done.conversations} conversations and {done.users} users begin a new epoch, "
        f"{done.turns} turns wait for workers, {done.seats} seats were freed. Services may start"
    )
    return done


def _some(alive: list[str]) -> str:
    more = f" and {len(alive) - NAMED} more" if len(alive) > NAMED else ""
    return ", ".join(alive[:NAMED]) + more
