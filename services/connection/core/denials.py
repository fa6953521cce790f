"""What of all that is denied gets an entry of its own in the audit log, and when the rest is told: so that a
client that asks and asks fills no log, and no denial is left out of the count.

Called by auditing.py, one for the process. Pure.
"""

from dataclasses import dataclass, replace

from services.shared.model.audit import AuditEntry

WINDOW_S = 60.0
"""The first of a kind is told at once; those like it are counted so long and told as one."""
MOST = 100
"""Kinds told apart at a time. Beyond it only what was asked for and the answer count, not who asked."""


@dataclass(slots=True)
class _Window:
    """How many came since `entry`, the last of them, was told; and when they are told."""

    entry: AuditEntry
    until: float
    times: int = 0


@dataclass(frozen=True, slots=True)
class _Kind:
    """What makes two denials alike."""

    actor: str
    conversation: str
    target: str
    code: int


class Denials:
    """Counts them. In a window a process tells of `MOST` kinds and of those without who asked, twice each."""

    def __init__(self) -> None:
        self._windows: dict[_Kind, _Window] = {}

    def denied(self, entry: AuditEntry, now: float) -> AuditEntry | None:
        """Something was denied: what to tell at once, None: nothing but to count it. `now`: monotonic
        seconds.
        """
        kind = _Kind(entry.actor, entry.conversation, entry.target, entry.code)
        if kind not in self._windows and len(self._windows) >= MOST:
            entry = replace(entry, actor="", conversation="", connection="", trace="")
            kind = _Kind("", "", entry.target, entry.code)
        window = self._windows.get(kind)
        if window is None:
            self._windows[kind] = _Window(entry, now + WINDOW_S)
            return entry
        window.entry = entry
        window.times += 1
        return None

    def due(self, now: float) -> list[AuditEntry]:
        """What was counted in the windows that are over: to be told now, once."""
        return self._told([kind for kind, window in self._windows.items() if window.until <= now], now)

    def all(self, now: float) -> list[AuditEntry]:
        """What was counted so far: the process ends."""
        return self._told(list(self._windows), now)

    def _told(self, over: list[_Kind], now: float) -> list[AuditEntry]:
        """A kind that goes on is counted anew; one that has ceased is forgotten."""
        told = []
        for kind in over:
            window = self._windows.pop(kind)
            if window.times:
                told.append(replace(window.entry, times=window.times))
                self._windows[kind] = _Window(window.entry, now + WINDOW_S)
        return told
