"""Which data server was the master when a group stopped, by what its Sentinels had written down.

Called by `embedded` when a whole group starts again: the others may hold an older data set, and the master's
is copied to all. Must never ask a process: none runs yet.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from services.local.servers import MASTER_NAME

DATA_SERVERS = ("redis-1", "redis-2", "redis-3")
SENTINELS = ("sentinel-1", "sentinel-2", "sentinel-3")


def remember_ports(folder: Path, ports: Mapping[str, int]) -> None:
    """Keeps which server had which port, for the next start."""
    (folder / "ports.json").write_text(json.dumps(dict(ports)))


def last_master(folder: Path) -> str:
    """The master the Sentinels agreed on last (the highest epoch is the latest word); the first server if
    none.
    """
    try:
        ports = json.loads((folder / "ports.json").read_text())
    except (FileNotFoundError, ValueError):
        return DATA_SERVERS[0]
    words = [_last_word(folder / name / "server.conf") for name in SENTINELS]
    _, port = max(words, default=(-1, -1))
    return next((name for name in DATA_SERVERS if ports.get(name) == port), DATA_SERVERS[0])


def _last_word(config: Path) -> tuple[int, int]:
    """(config epoch, master port) from the file a Sentinel keeps up to date; (-1, -1) when it has none."""
    text = config.read_text() if config.exists() else ""
    port = re.search(rf"^sentinel monitor {MASTER_NAME} \S+ (\d+)", text, re.MULTILINE)
    epoch = re.search(rf"^sentinel config-epoch {MASTER_NAME} (\d+)", text, re.MULTILINE)
    return (int(epoch[1]) if epoch else 0, int(port[1])) if port else (-1, -1)
