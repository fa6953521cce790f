"""`continuo audit`: the audit log as JSON lines, in order of time.

Called by the command line. It looks at the Redis of CONTINUO_REDIS_SENTINELS, else at the one `continuo up`
started here, and changes nothing. Each line has every member; what does not apply is null.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from services.local.ending import LocalError, ending_in_a_line, tell
from services.local.reached import reached_bus, redis_environment, unanswered
from services.shared.bus.audit import Audit, AuditExport
from services.shared.bus.settings import RedisSettings
from services.shared.model.audit import Action, AuditEntry
from services.shared.model.errors import BusUnavailable, ContinuoError
from services.shared.model.ids import is_actor, is_uuid
from services.shared.runtime import logging
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.settings import SettingsError, load

COMMAND = "audit"
EVERY_S = 1.0
"""Between two looks while following."""
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
"""Milliseconds of each."""

Wanted = Callable[[AuditEntry], bool]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentinels", metavar="HOST:PORT,...", help="look at this Redis instead")
    parser.add_argument(
        "--since", metavar="TIME", type=_time, help="from then on: 2026-11-28, or 90m, 2h, 7d ago"
    )
    parser.add_argument("--until", metavar="TIME", type=_time, help="up to then, not including")
    parser.add_argument(
        "--user",
        metavar="USER",
        type=_actor,
        help="what this user (or service:<key>) did, and what was done to it",
    )
    parser.add_argument("--conversation", metavar="ID", type=_conversation, help="in this conversation only")
    parser.add_argument("--follow", action="store_true", help="go on with what comes, until ended")
    parser.epilog = "What the members mean: docs/audit.md."


def _time(given: str) -> int:
    """A moment, in milliseconds since 1970: ISO 8601 (UTC unless it says otherwise), or an age."""
    number, unit = given[:-1], given[-1:]
    try:
        if unit in _UNITS and number.isdecimal():
            return max(0, SystemClock().now_ms() - int(number) * _UNITS[unit])
        when = datetime.fromisoformat(given)
        return max(0, int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{given!r} is no time; 2026-11-28, 2026-11-28T09:30:00Z and 90m, 2h, 7d are"
        ) from error


def _actor(given: str) -> str:
    if not is_actor(given):
        raise argparse.ArgumentTypeError(f"{given!r} is not the name of a user or a service")
    return given


def _conversation(given: str) -> str:
    if not is_uuid(given):
        raise argparse.ArgumentTypeError(f"{given!r} is not a conversation id; a UUID in lower case is")
    return given


def run(given: argparse.Namespace) -> int:
    logging.configure(COMMAND, level="error")  # what the bus has to tell must not stand between the lines
    return ending_in_a_line(COMMAND, _exported(given))


async def _exported(given: argparse.Namespace) -> int:
    try:
        settings = load(RedisSettings, redis_environment(given.sentinels, os.environ))
        async with reached_bus(settings, COMMAND) as bus:
            export = bus.audit.export(given.since or 0)
            while True:
                is_over = await _printed(bus.audit, export, given)
                if is_over or not given.follow:
                    return 0
                await asyncio.sleep(EVERY_S)
    except BusUnavailable as error:
        raise unanswered(error, given.sentinels, os.environ) from error
    except (SettingsError, ContinuoError) as error:
        raise LocalError(str(error)) from error


async def _printed(audit: Audit, export: AuditExport, given: argparse.Namespace) -> bool:
    """Print what there is by now; whether nothing more can come."""
    wanted, now_ms = _filter(given), await audit.now_ms()
    ends = given.until is not None and given.until <= now_ms
    async for entry in export.until(given.until if ends else now_ms):
        if wanted(entry):
            tell(json.dumps(line(entry)))
    return ends


def _filter(given: argparse.Namespace) -> Wanted:
    def wanted(entry: AuditEntry) -> bool:
        return (given.user is None or _concerns(entry, given.user)) and (
            given.conversation in (None, entry.conversation)
        )

    return wanted


def _concerns(entry: AuditEntry, user: str) -> bool:
    """Whether a user did it, or is whom it was done to; what else is a target may look like a user's id."""
    changed = entry.action in (Action.MEMBER_ADDED, Action.MEMBER_REMOVED)
    return entry.actor == user or (changed and entry.target == user)


def line(entry: AuditEntry) -> dict[str, Any]:
    """An entry as it is exported."""
    when = datetime.fromtimestamp(entry.time_ms / 1000, UTC)
    said = {
        "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "actor": entry.actor,
        "action": entry.action,
        "conversation": entry.conversation,
        "target": entry.target,
        "connection": entry.connection,
        "trace": entry.trace,
        "code": entry.code,
    }
    return {name: value or None for name, value in said.items()} | {"times": entry.times}
