"""Connections: a failover of Redis disconnects nobody. Judged only where a run asks for it. Pure."""

from collections.abc import Iterator, Mapping

from tests.chaos.ground import Ground
from tests.chaos.history import History
from tests.chaos.records import Connecting, Disconnected, Fault, FaultOver
from tests.chaos.violations import Kind, Violation

REDIS = ("redis.", "link.replication.")
"""Faults that may disconnect nobody."""
AFTERMATH_S = 10.0
"""After the end of a fault on servers or links its connections may still be lost: pings take their time."""


def connections(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Every connection lost while nothing but Redis was broken."""
    del grounds
    excused = _excused(history)
    for device, lines in history.devices.items():
        for line in lines:
            if not isinstance(line, Connecting | Disconnected) or line.code == 0:
                continue
            if not any(begin <= line.t <= end for begin, end in excused):
                how = "lost its connection" if isinstance(line, Connecting) else "was disconnected for good"
                yield Violation(Kind.DISCONNECTED, "", device, f"the device {how} ({line.code})", line.t)


def _excused(history: History) -> list[tuple[float, float]]:
    """When something else than Redis was broken, or had just been."""
    over = {line.n: line.t for line in history.faults if isinstance(line, FaultOver)}
    return [
        (fault.t, over.get(fault.n, float("inf")) + AFTERMATH_S)
        for fault in history.faults
        if isinstance(fault, Fault) and not fault.fault.startswith(REDIS)
    ]
