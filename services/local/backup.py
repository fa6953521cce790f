"""`continuo backup`: a copy of all data in a file, taken from the replica that holds the most, checked.

Called by the command line and by the chart's CronJob. The file gets its name, with the time of its beginning
(UTC), when it is whole, checked and on the disk; until then it has another. Must never load the master: where
no replica is in step, there is no backup.
"""

import argparse
import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from services.local.ending import LocalError, StoppedError, ending_in_a_line, say, stops_on_signals
from services.local.fitness import name
from services.local.reached import redis_environment, who_named_it
from services.shared.bus import examine, rdb, snapshot
from services.shared.bus.examine import Access, Address, UnansweredError
from services.shared.bus.keys import RESTORING
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.clock import Clock, SystemClock
from services.shared.runtime.settings import SettingsError, load

KEEP = 7
FORM = "continuo-%Y%m%dT%H%M%SZ.rdb"
_NAMED = re.compile(r"continuo-\d{8}T\d{6}Z\.rdb")
_UNDER_WAY = ".part"
STALE_S = 3600.0
"""A file under way to which nobody wrote for so long is what a killed backup left."""


class NoBackupError(LocalError):
    """There is no new backup, and those before are as they were."""


class NoSentinelError(NoBackupError):
    """Nobody says where the Redis is."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="where the file goes")
    parser.add_argument("--keep", type=_number, default=KEEP, metavar="N", help="newest files kept (7)")
    parser.add_argument("--sentinels", metavar="HOST:PORT,...", help="back this Redis up instead")
    parser.epilog = "How to restore one: docs/backup.md."


def _number(given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is no number of backups; it must be 1 or more")
    return int(given)


def run(given: argparse.Namespace) -> int:
    return ending_in_a_line("backup", _backed_up(given))


async def _backed_up(given: argparse.Namespace) -> int:
    try:
        settings = load(RedisSettings, redis_environment(given.sentinels, os.environ))
        async with stops_on_signals():
            await Backup(settings, given.to, given.keep, SystemClock()).run()
    except SettingsError as error:
        raise LocalError(str(error)) from error
    except NoSentinelError as unanswered:
        raise LocalError(f"{unanswered} {who_named_it(given.sentinels, os.environ)}".rstrip()) from unanswered
    except StoppedError as stopped:
        raise NoBackupError("stopped before the copy was whole") from stopped
    return 0


class Backup:
    """One backup of one Redis into a folder."""

    def __init__(self, settings: RedisSettings, folder: Path, keep: int, clock: Clock) -> None:
        self._settings = settings
        self._folder = folder
        self._keep = keep
        self._clock = clock
        self._user = Access(settings.redis_username or None, settings.redis_password.reveal() or None)

    async def run(self) -> Path:
        """Take it, and remove the oldest beyond `keep`; the new file. Raises NoBackupError or OSError."""
        self._clear_away()
        replica = await self._fullest()
        await self._refuse_midst(replica)
        self._folder.mkdir(parents=True, exist_ok=True)  # not before: what cannot begin leaves no folder
        began = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        final = self._folder / began.strftime(FORM)
        with _under_way(final) as file:
            try:
                size = await snapshot.copied(replica, self._user, take=file.write)
                file.flush()
                os.fsync(file.fileno())
                await asyncio.to_thread(_checked, Path(file.name), size)
            except (UnansweredError, rdb.UnsoundError) as error:
                raise NoBackupError(f"no whole copy of {name(replica)}: {error}") from error
        say(f"continuo backup: {final} holds the {size} bytes of replica {name(replica)}, checked")
        for old in sorted(self._backups())[: -self._keep]:
            old.unlink()
            say(f"continuo backup: removed {old}")
        return final

    async def _fullest(self) -> Address:
        """The replica in step with the master that received the most. Raises NoBackupError."""
        known, master = await self._known()
        said = {}
        for server in known - {master}:
            with contextlib.suppress(UnansweredError):
                said[server] = await examine.replication(server, self._user)
        in_step = {server: each for server, each in said.items() if each.role == "slave" and each.link_up}
        if not in_step:
            names = ", ".join(sorted(map(name, known - {master}))) or "none"
            raise NoBackupError(f"no replica is in step with the master; the Sentinels know of {names}")
        return max(in_step, key=lambda server: in_step[server].offset)

    async def _refuse_midst(self, replica: Address) -> None:
        """Raises NoBackupError while a restore is under way: its data are neither of before nor of after."""
        try:
            under_way = await examine.holds(replica, RESTORING, self._user)
        except UnansweredError as error:
            raise NoBackupError(f"nobody says whether a restore is under way: {error}") from error
        if under_way:
            raise NoBackupError(
                "a restore is under way or was stopped: let `continuo restored` end, or call it again"
            )

    async def _known(self) -> tuple[set[Address], Address]:
        """Every server the Sentinels know of, and the master by the word of the first that answers."""
        keeper = Access(None, self._settings.redis_sentinel_password.reveal() or None)
        views, why = [], ""
        for sentinel in self._settings.sentinel_addresses():
            try:
                views.append(await examine.sentinel_view(sentinel, self._settings.redis_master, keeper))
            except UnansweredError as error:
                why = why or str(error)
        if not views:
            raise NoSentinelError(f"no Sentinel answers for {self._settings.redis_master!r} ({why})")
        return {server for view in views for server in view.replicas}, views[0].master

    def _backups(self) -> Iterator[Path]:
        return (each for each in self._folder.iterdir() if _NAMED.fullmatch(each.name))

    def _clear_away(self) -> None:
        for left in self._folder.glob(f".continuo-*{_UNDER_WAY}"):
            if self._clock.now_ms() / 1000 - left.stat().st_mtime > STALE_S:
                left.unlink(missing_ok=True)


@contextmanager
def _under_way(final: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when the block ends well, and is gone when it does not."""
    here = final.with_name(f".{final.stem}.{os.getpid()}{_UNDER_WAY}")
    opened: Callable[[str, int], int] = lambda path, flags: os.open(path, flags, 0o600)  # noqa: E731
    try:
        with open(here, "xb", opener=opened) as file:
            yield file
        here.rename(final)
    except BaseException:
        here.unlink(missing_ok=True)
        raise
    _settle(final.parent)


def _settle(folder: Path) -> None:
    """Have the name on the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checked(file: Path, size: int) -> None:
    written = file.stat().st_size
    if written != size:
        raise rdb.UnsoundError(f"{size} bytes were sent, {written} were written")
    with file.open("rb") as copy:
        rdb.check(copy, size)
