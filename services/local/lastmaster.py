"""Which data server a group that starts again begins with: the last master by what its Sentinels had written
down, unless its disk had not caught up with what it held.

Called by `embedded`: the others may hold an older data set, and the master's is copied to all. Must never ask
a process: none runs yet.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from services.local.servers import MASTER_NAME

DATA_SERVERS = ("redis-1", "redis-2", "redis-3")
SENTINELS = ("sentinel-1", "sentinel-2", "sentinel-3")
AOF_FOLDER, MANIFEST, ASIDE = "appendonlydir", "appendonly.aof.manifest", "temp-appendonly.aof.incr"
"""The names that servers give by themselves."""


def remember_ports(folder: Path, ports: Mapping[str, int]) -> None:
    """Keeps which server had which port, for the next start."""
    (folder / "ports.json").write_text(json.dumps(dict(ports)))


def last_master(folder: Path) -> str:
    """The master the Sentinels agreed on last (the highest epoch is the latest word); the first server if
    none. In place of one whose disk is not whole, the one that wrote last among those whose disks are: it was
    the master before, or has followed since.
    """
    named = _named(folder)
    whole = [name for name in DATA_SERVERS if is_whole(folder / name)]
    if named in whole or not whole:
        return named
    return max(whole, key=lambda name: _last_written(folder / name))


def is_whole(home: Path) -> bool:
    """Whether a data server's disk had all that it ever copied from a master when it stopped.

    Some servers write their append-only file anew behind a copy (Redis always, Valkey unless it can keep what
    it was sent): until that is done a start would find the old one, and commands go to a file put aside.
    """
    aside, current = home / AOF_FOLDER / ASIDE, home / AOF_FOLDER / MANIFEST
    if not aside.exists():
        return True
    # One that is older than the manifest was left behind by a stop before.
    return current.exists() and current.stat().st_mtime_ns > aside.stat().st_mtime_ns


def forget_aside(home: Path) -> None:
    """What a data server reads at its start is the truth from now on: call it before it starts as master."""
    (home / AOF_FOLDER / ASIDE).unlink(missing_ok=True)


def _named(folder: Path) -> str:
    try:
        ports = json.loads((folder / "ports.json").read_text())
    except (FileNotFoundError, ValueError):
        return DATA_SERVERS[0]
    words = [_last_word(folder / name / "server.conf") for name in SENTINELS]
    _, port = max(words, default=(-1, -1))
    return next((name for name in DATA_SERVERS if ports.get(name) == port), DATA_SERVERS[0])


def _last_written(home: Path) -> int:
    return max((path.stat().st_mtime_ns for path in (home / AOF_FOLDER).glob("appendonly.*")), default=0)


def _last_word(config: Path) -> tuple[int, int]:
    """(config epoch, master port) from the file a Sentinel keeps up to date; (-1, -1) when it has none."""
    text = config.read_text() if config.exists() else ""
    port = re.search(rf"^sentinel monitor {MASTER_NAME} \S+ (\d+)", text, re.MULTILINE)
    epoch = re.search(rf"^sentinel config-epoch {MASTER_NAME} (\d+)", text, re.MULTILINE)
    return (int(epoch[1]) if epoch else 0, int(port[1])) if port else (-1, -1)
