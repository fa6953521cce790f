"""What a run came to, from what its devices noted: hops, refused tries, stalls, and the curve of reconnects.

Pure. A hop is a connection that a device had and lost; a stall lasts from there until it follows its
conversation again, and of a newcomer from its first try until it does. A silence is as the failure campaign
judges it: the longest a device waited for something it was owed. How fast connections were closed is told by
the servers themselves (`paced`): devices see it late, where they have to wait for a core.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tests.chaos.history import History
from tests.chaos.pauses import silences
from tests.chaos.records import Connected, Connecting, DeviceLine, Fault, FaultOver, Life, Subscribed
from tests.chaos.report import percentile
from tests.rollout.paced import SECOND_MS, Pace, Sent, pace
from tests.rollout.ways import Way


class Spread(msgspec.Struct, frozen=True):
    """Some durations, in milliseconds."""

    count: int
    p50: float
    p99: float
    most: float


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One way. hops: how many devices lost their connection how often. curve: reconnects in each second.
    pace: as the servers told it; None where that was not asked for yet.
    """

    name: str
    told: str
    seconds: float
    devices: int
    hops: dict[int, int]
    refused: dict[str, int]
    stalls: Spread | None
    silences: Spread | None
    newcomers: Spread | None
    closes: int
    """Most connections lost within one second, as devices saw it: on a busy machine late, and together."""
    curve: list[int]
    pace: Pace | None = None

    @property
    def lost(self) -> int:
        """Connections that devices lost."""
        return sum(hops * devices for hops, devices in self.hops.items())


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. rate: R, what the fleet may close a second."""

    seed: str
    devices: int
    rate: int
    events: int
    acknowledged: int
    violations: list[str]
    ways: list[Measured]


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when a way lasted."""

    begun: float
    over: float

    def has(self, t: float) -> bool:
        return self.begun <= t <= self.over

    def pace(self, closes: Sequence[Sent], rate: float) -> Pace:
        """The pace of those closes that were made in it."""
        return pace([each for each in closes if self.has(each.until_ms / SECOND_MS)], rate)


def windows(faults: Sequence[Fault | FaultOver]) -> list[Window]:
    """The ways' windows, in their order."""
    begun = {fault.n: fault.t for fault in faults if isinstance(fault, Fault)}
    overs = {over.n: over.t for over in faults if isinstance(over, FaultOver)}
    return [Window(begun[number], overs[number]) for number in sorted(begun) if number in overs]


def measured(
    history: History,
    refusals: Mapping[str, Sequence[tuple[float, str]]],
    ways: Sequence[Way],
    closes: Sequence[Sent],
    rate: float,
) -> list[Measured]:
    """Every way of a run. refusals: by device, when it was refused, and why. closes: as all servers told
    them, in a fleet of `rate` a second.
    """
    found = windows(history.faults)
    return [
        msgspec.structs.replace(_way(history, refusals, way, window), pace=window.pace(closes, rate))
        for way, window in zip(ways, found, strict=True)
    ]


def _way(
    history: History, refusals: Mapping[str, Sequence[tuple[float, str]]], way: Way, window: Window
) -> Measured:
    here = {name: lines for name, lines in history.devices.items() if _begun(lines) < window.begun}
    came = [lines for lines in history.devices.values() if window.has(_begun(lines))]
    lost = {name: lost_in(lines, window) for name, lines in here.items()}
    back = sorted(t for lines in here.values() for t in back_in(lines, window))
    refused = Counter(why for each in refusals.values() for t, why in each if window.has(t))
    return Measured(
        name=way.name,
        told=way.told,
        seconds=window.over - window.begun,
        devices=len(here),
        hops=dict(sorted(Counter(map(len, lost.values())).items())),
        refused=dict(refused),
        stalls=_spread(each for lines in here.values() for each in stalls(lines, window)),
        silences=_spread(_longest(lines, window) for lines in here.values()),
        newcomers=_spread(each for lines in came if (each := first_stall(lines)) is not None),
        closes=busiest([t for each in lost.values() for t in each]),
        curve=per_second(back, window),
    )


def lost_in(lines: Iterable[DeviceLine], window: Window) -> list[float]:
    """When a device lost its connection."""
    return [line.t for line in lines if isinstance(line, Connecting) and line.code and window.has(line.t)]


def back_in(lines: Iterable[DeviceLine], window: Window) -> list[float]:
    """When it had one again."""
    found, away = [], False
    for line in lines:
        if isinstance(line, Connecting) and line.code:
            away = window.has(line.t)
        elif isinstance(line, Connected) and away:
            found.append(line.t)
            away = False
    return found


def stalls(lines: Iterable[DeviceLine], window: Window) -> list[float]:
    """Seconds from each loss until it followed again."""
    found, since = [], None
    for line in lines:
        if isinstance(line, Connecting) and line.code and window.has(line.t):
            since = line.t
        elif isinstance(line, Subscribed) and since is not None:
            found.append(line.t - since)
            since = None
    return found


def first_stall(lines: Iterable[DeviceLine]) -> float | None:
    """Seconds from a newcomer's first try until it followed; None: it never did."""
    since = None
    for line in lines:
        if isinstance(line, Life):
            since = line.t
        elif isinstance(line, Subscribed) and since is not None:
            return line.t - since
    return None


def busiest(moments: Sequence[float], span_s: float = 1.0) -> int:
    """The most of these moments within one span."""
    ordered, most, first = sorted(moments), 0, 0
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - span_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def per_second(moments: Iterable[float], window: Window) -> list[int]:
    """How many in each second of a window."""
    counts = Counter(int(t - window.begun) for t in moments)
    return [counts[second] for second in range(int(window.over - window.begun) + 1)]


def _begun(lines: Sequence[DeviceLine]) -> float:
    return lines[0].t if lines else float("inf")


def _longest(lines: Sequence[DeviceLine], window: Window) -> float:
    return max((end - begin for begin, end in silences(lines) if window.has(end)), default=0.0)


def _spread(seconds: Iterable[float]) -> Spread | None:
    values = [1000 * each for each in seconds]
    p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
    if p50 is None or p99 is None:
        return None
    return Spread(len(values), round(p50, 1), round(p99, 1), round(max(values), 1))
