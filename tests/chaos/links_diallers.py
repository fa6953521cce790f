"""Who dialled: the name of the process at the other end of a loopback connection, by the kernel's own tables.

Called by the proxy. Works without privileges for processes of the same user. A process is found through its
socket's inode, which stays the same while the connection lives: so a dialler may be named after it dialled.
"""

from contextlib import suppress
from pathlib import Path

UNKNOWN = "?"
_ESTABLISHED = ("01", "08")  # and CLOSE_WAIT: it may be over already when we look


def inode_of(dialler_port: int, our_port: int) -> str:
    """The inode of the socket on loopback that dialled us from `dialler_port`; empty when it is gone."""
    near, far = f"0100007F:{dialler_port:04X}", f"0100007F:{our_port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines():
        if near in line:
            fields = line.split()
            if fields[1] == near and fields[2] == far and fields[3] in _ESTABLISHED:
                return fields[9]
    return ""


class Diallers:
    """The processes that have a name, and the search for a socket among them."""

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}

    def know(self, name: str, pid: int) -> None:
        """From now on `name` is this process; the one it was before keeps the connections it made."""
        self._pids[name] = pid

    def name_of(self, inode: str) -> str:
        """Who holds the socket; "?" while nobody we know does."""
        if inode:
            for name, pid in self._pids.items():
                if _holds(pid, f"socket:[{inode}]"):
                    return name
        return UNKNOWN


def _holds(pid: int, target: str) -> bool:
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(entry.readlink()) == target:
                    return True
    return False
