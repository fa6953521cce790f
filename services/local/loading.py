"""Puts a backup where this machine's own Redis finds it at its next start, and nothing else.

Called by `continuo restored --load`, while that Redis does not run. What was there is kept beside it. A
server with an append-only file loads nothing else, so the backup becomes what that file begins with.
"""

import shutil
from pathlib import Path

from services.shared.bus import rdb

FIRST = "redis-1"
"""The server that begins as master of a group nobody has ever run."""
_BASE = "appendonly.aof.1.base.rdb"
_MANIFEST = "appendonly.aof.manifest"


def lay(backup: Path, redis: Path) -> Path | None:
    """Have the folder `redis` hold the backup alone; where what was there is now, None if there was nothing.

    Raises UnsoundError for a backup that is not whole, OSError; then the folder is as it was.
    """
    with backup.open("rb") as file:
        rdb.check(file, backup.stat().st_size)
    fresh = redis.with_name(f"{redis.name}.loading")
    shutil.rmtree(fresh, ignore_errors=True)
    hold(backup, fresh / FIRST)
    aside = None
    if redis.exists() and any(redis.iterdir()):
        aside = _aside(redis)
        redis.rename(aside)
    fresh.rename(redis)  # over an empty folder, too
    return aside


def hold(backup: Path, server: Path) -> None:
    """Make the folder of one data server, which holds this backup and nothing else."""
    appended = server / "appendonlydir"
    appended.mkdir(parents=True)
    shutil.copyfile(backup, appended / _BASE)
    (appended / _MANIFEST).write_text(f"file {_BASE} seq 1 type b\n")


def _aside(redis: Path) -> Path:
    number = 1
    while (aside := redis.with_name(f"{redis.name}.before-{number}")).exists():
        number += 1
    return aside
