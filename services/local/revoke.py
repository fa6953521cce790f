"""`continuo revoke`: have tokens taken no more, and end what they opened, on every server.

Called by the command line. It speaks to the Redis of CONTINUO_REDIS_SENTINELS, else to the one `continuo up`
started here.
"""

import argparse
import getpass
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from services.local.ending import LocalError, ending_in_a_line
from services.local.reached import reached_bus, redis_environment, unanswered
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.model.errors import BusUnavailable, ContinuoError
from services.shared.model.revocation import Revocation
from services.shared.runtime import logging
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.settings import SettingsError, load

COMMAND = "revoke"
Deed = Callable[[Bus], Awaitable[str]]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentinels", metavar="HOST:PORT,...", help="speak to this Redis instead")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--token", metavar="JTI", help="the token with this id (`jti`)")
    which.add_argument("--user", help="all tokens of this user that were issued before now, or --before")
    parser.add_argument("--before", metavar="TIME", type=_time, help="an ISO time, or seconds since 1970")
    parser.add_argument("--until", metavar="TIME", type=_time, help="when the token ends by itself (`exp`)")


def run(given: argparse.Namespace) -> int:
    if (given.before is not None and not given.user) or (given.until is not None and not given.token):
        print(f"continuo {COMMAND}: --before goes with --user, --until with --token")
        return 2
    before_ms = (given.before if given.before is not None else SystemClock().now_ms()) if given.user else 0
    revocation = Revocation(given.token or "", given.user or "", before_ms)

    async def revoke(bus: Bus) -> str:
        await bus.revocations.revoke(revocation, by=getpass.getuser(), until_ms=given.until or 0)
        whose = (
            f"token {given.token}"
            if given.token
            else f"tokens of {given.user} issued before {_iso(before_ms)}"
        )
        return f"revoked: {whose}"

    return done(COMMAND, given, revoke)


def done(command: str, given: argparse.Namespace, deed: Deed) -> int:
    """Do one thing on the Redis meant, and say in a line that it is done; the exit code."""
    logging.configure(command, level="error")

    async def carried_out() -> int:
        try:
            settings = load(RedisSettings, redis_environment(given.sentinels, os.environ))
            async with reached_bus(settings, command) as bus:
                print(await deed(bus))
        except BusUnavailable as error:
            raise unanswered(error, given.sentinels, os.environ) from error
        except (SettingsError, ContinuoError) as error:
            raise LocalError(str(error)) from error
        return 0

    return ending_in_a_line(command, carried_out())


def _time(given: str) -> int:
    """Milliseconds since 1970."""
    try:
        if given.isdecimal():
            return int(given) * 1000
        told = datetime.fromisoformat(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{given!r} is no time: ISO 8601, or seconds since 1970") from error
    return int((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1000)


def _iso(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="seconds")
