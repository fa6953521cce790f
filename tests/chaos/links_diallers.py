"""Who dialled: the name of the process at the other end of a loopback connection, by the kernel's own tables.

Called by the proxy. Works without privileges for processes of the same user. A process is found through its
socket's inode, which stays the same while the connection lives: so a dialler may be named after it dialled.
"""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

UNKNOWN = "?"
Ports = tuple[int, int]
"""Of a dialler's socket on loopback: its own, and ours that it dialled."""
_LOOPBACK = "0100007F:"
_ESTABLISHED = ("01", "08")  # and CLOSE_WAIT: it may be over already when we look


class Diallers:
    """The processes that have a name, and the search for sockets among them."""

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}

    def know(self, name: str, pid: int) -> None:
        """From now on `name` is this process; the one it was before keeps the connections it made."""
        self._pids[name] = pid

    def names_of(self, wanted: Collection[Ports], among: Callable[[str], bool]) -> dict[Ports, str]:
        """Who holds each socket, as far as it is one of those whose name `among` accepts.

        Looking costs milliseconds, whatever is looked for: ask for many at once, and only when it matters.
        """
        sought = {inode: ports for ports, inode in _inodes() if ports in wanted}
        found: dict[Ports, str] = {}
        for name, pid in self._pids.items():
            if among(name):
                found |= {sought[inode]: name for inode in _sockets(pid) if inode in sought}
        return found


def _inodes() -> Iterator[tuple[Ports, str]]:
    """Every connected socket on loopback with its inode."""
    for line in Path("/proc/net/tcp").read_text().splitlines():
        fields = line.split()
        near, far = fields[1], fields[2]
        if fields[3] in _ESTABLISHED and near.startswith(_LOOPBACK) and far.startswith(_LOOPBACK):
            yield (int(near[9:], 16), int(far[9:], 16)), fields[9]


def _sockets(pid: int) -> Iterator[str]:
    """The inodes of a process's sockets."""
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):
        for number in os.listdir(folder):  # noqa: PTH208 - pathlib costs ten times as much
            with suppress(OSError):
                target = os.readlink(f"{folder}/{number}")  # noqa: PTH115 - the same
                if target.startswith("socket:["):
                    yield target[8:-1]
