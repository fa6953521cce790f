"""What a run of `presence_play` came to: who was said to have left, and when presence could say so.

Pure but for reading the folder. Leaves and ghosts are timed by the presence service's own notes of its rounds
(`sweeping`), not by when devices on a busy machine got to hear of them. A limit is the promised time and the
time in which that service did not run: of each round what it ended later than a second behind the one before,
in the interval that is judged; and what leaves wait after a stall, by design. So a machine that is short of
processors makes a limit longer by what it took, and by nothing else.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.history import load_devices
from tests.chaos.records import Connected, DeviceLine, Disconnected, Left, Life
from tests.chaos.rules_presence import GRACE_S, SLACK_S, Stays, longest_absence, stays_by_user, stays_of

GONE_S = 10.0
"""A connection is gone from presence so long after its process's death; a leave is told within that and the
grace; presence is right so long after an interruption."""
EVERY_S = 1.0
"""Between two rounds of the presence service (CONTINUO_PRESENCE_SWEEP_S as it comes)."""
STALL_S, CALM_S = 2.0, 5.0
"""A round that comes so late is an interruption, after which no leave is told until all servers were heard
anew and three seconds are over: at most so long."""
KEPT_AWAY = 0.02
"""Of the users who stay, as many a busy machine may keep away for the grace. More are the house's doing."""
AROUND_S = 2.0
"""Who followed from so long before a leave was told until so long after must have heard it."""
REVOKED_S = 1.0
"""Connections end so long after their token was revoked, wherever they are; twice that is a fault."""
REVOKED = 3500
LOOK_S = 0.3
"""Between two looks of the play itself."""


class Swept(msgspec.Struct, frozen=True):
    """A round of the presence service, noted when it was over."""

    t: float
    began: float
    well: bool
    freed: int
    announced: int


@dataclass
class Verdict:
    """lines: what was measured, in words; faults: promises that were not kept."""

    lines: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def within(self, what: str, took_s: float, limit_s: float, held_s: float) -> str:
        """Hold a time to a limit that is longer by the time in which presence could not run; in words."""
        kept = f"{held_s:.1f} s in which presence could not tell"
        told = f"{what} {took_s:.1f} s (limit {limit_s:.0f} s, and {kept})"
        if took_s > limit_s + held_s:
            self.faults.append(f"too late: {told}")
        return told


class Judge:
    """Judges the folder of one run."""

    def __init__(self, history: Path) -> None:
        self._devices = load_devices(history)
        self._steps: dict[str, dict[str, Any]] = {
            one["name"]: one for one in map(msgspec.json.decode, _lines(history / "steps.jsonl"))
        }
        files = sorted((history / "sweeps").glob("*.jsonl"))
        self._lives = [life for file in files for life in _lives(file)]
        """The rounds of each life of each replica."""
        self._sweeps = sorted((sweep for life in self._lives for sweep in life), key=lambda one: one.t)
        self._stays: dict[str, Stays] = stays_by_user(self._devices)
        self._lefts = [
            (device, line)
            for device, lines in self._devices.items()
            for line in lines
            if isinstance(line, Left)
        ]

    def verdict(self) -> Verdict:
        """Judge each step that was played, and the leaves of all who stayed."""
        found = Verdict()
        for name, judge in (
            ("rolling", self._rolling),
            ("lost", self._lost),
            ("dead", self._dead),
            ("failover", self._failover),
            ("revoked", self._revoked),
        ):
            if name in self._steps:
                judge(found, self._steps[name])
        self._others(found)
        return found

    # ------------------------------------------------------------------------------------------------- steps

    def _rolling(self, found: Verdict, step: dict[str, Any]) -> None:
        devices = {device: lines for device, lines in self._devices.items() if device.startswith("device-")}
        stayed = [
            device for device, lines in devices.items() if not _came(lines, step["began"], step["restarted"])
        ]
        if stayed:
            found.faults.append(f"rolling: {len(stayed)} devices did not have to come again: {stayed[:3]}")
        away_s = max((self._away_s(user, step["restarted"]) for user in self._staying()), default=0.0)
        until = self._next_began("rolling")
        gone = {line.user for _, line in self._lefts if step["began"] <= line.t < until}
        told = f"{len(gone)} users were" if gone else "nobody was"
        found.lines.append(
            f"rolling restart of all connection processes: {len(devices)} devices came again, no user was"
            f" away for more than {away_s:.1f} s, and {told} said to have left"
        )

    def _lost(self, found: Verdict, step: dict[str, Any]) -> None:
        killed, users = step["killed"], step["users"]
        freed = found.within(
            "its connections were gone from presence after",
            step["freed"] - killed,
            GONE_S + LOOK_S,
            self.held_s(killed, step["freed"]),
        )
        told = self._leaves(found, "lost", users, killed, GRACE_S + GONE_S)
        found.lines.append(
            f"a connection process and one of two presence services killed, and with them {len(users)} users"
            f" who stay away: {freed}; {told}"
        )

    def _dead(self, found: Verdict, step: dict[str, Any]) -> None:
        died, back, users = step["died"], step["back"], step["users"]
        early = [line for _, line in self._lefts if died <= line.t <= back]
        if early:
            found.faults.append(f"dead: {len(early)} leaves were told while no presence service ran")
        first = max((_first_s(life, back) for life in self._lives), default=back)
        told = self._leaves(found, "dead", users, first, GONE_S)
        found.lines.append(
            f"presence dead for {back - died:.0f} s while {len(users)} users went: nobody announced; {told},"
            " counted from the end of its first round"
        )

    def _failover(self, found: Verdict, step: dict[str, Any]) -> None:
        healed, right = step["healed"], step["right"]
        told = found.within(
            "all was right again after", max(0.0, right - healed), GONE_S, self.held_s(healed, right)
        )
        found.lines.append(
            f"the Redis master and a connection process killed together: nobody was said to have left; {told}"
        )

    def _revoked(self, found: Verdict, step: dict[str, Any]) -> None:
        asked: dict[str, float] = step["asked"]
        took = {user: self._ended(user) - since for user, since in asked.items()}
        found.faults += [f"revoked: {user} was not sent away" for user in took if took[user] == float("inf")]
        most = max((each for each in took.values() if each < float("inf")), default=0.0)
        told = (
            f"the last connection ended after {most:.2f} s (limit {REVOKED_S:.0f} s, twice that is a fault)"
        )
        if most > 2 * REVOKED_S:
            found.faults.append(f"revoked too late: {told}")
        found.lines.append(f"tokens of {len(asked)} users revoked, who are at both servers: {told}")

    def _ended(self, user: str) -> float:
        """When the one device of somebody whose token was revoked was sent away for good."""
        lines = self._devices.get(user, ())
        ends = [line.t for line in lines if isinstance(line, Disconnected) and line.code == REVOKED]
        return min(ends, default=float("inf"))

    # ------------------------------------------------------------------------------------------------ leaves

    def _leaves(self, found: Verdict, step: str, users: Sequence[str], since: float, limit_s: float) -> str:
        """Hold the leaves of those who went to once each, and in time by presence's own word."""
        heard = Counter((device, line.user) for device, line in self._lefts if line.user in users)
        unheard = [user for user in users if not any(user == about for _, about in heard)]
        twice = sorted({user for (_, user), count in heard.items() if count > 1})
        found.faults += [f"{step}: nobody was told that {user} left" for user in unheard]
        found.faults += [f"{step}: the leave of {user} was told twice" for user in twice]
        found.faults += [
            f"{step}: {device} did not hear that {user} left" for user in users for device in self._deaf(user)
        ]
        rounds = [one for one in self._of_step(step, since) if one.announced]
        announced, last = sum(one.announced for one in rounds), max((one.t for one in rounds), default=since)
        if announced < len(users):
            found.faults.append(f"{step}: presence announced {announced} of {len(users)} leaves")
        what = f"{len(users)} leaves, each told once, the last after"
        return found.within(what, last - since, limit_s, self.held_s(since, last))

    def _deaf(self, user: str) -> list[str]:
        """Devices that followed while others were told that somebody left, and were not told."""
        heard = {device: line for device, line in self._lefts if line.user == user}
        if not heard:
            return []
        times = [line.t for line in heard.values()]
        first, last, where = (
            min(times) - AROUND_S,
            max(times) + AROUND_S,
            next(iter(heard.values())).conversation,
        )
        return [
            device
            for device, lines in self._devices.items()
            if device not in heard
            and any(begin <= first and last <= end for begin, end in stays_of(lines).get(where, []))
        ]

    def _next_began(self, step: str) -> float:
        begun = [one["began"] for one in self._steps.values() if one["began"] > self._steps[step]["began"]]
        return min(begun, default=float("inf"))

    def _of_step(self, step: str, since: float) -> Iterator[Swept]:
        """The rounds until the next step began."""
        until = self._next_began(step)
        return (one for one in self._sweeps if since <= one.began < until)

    def _others(self, found: Verdict) -> None:
        """Whoever did not go never left, unless a busy machine kept it away for the grace."""
        away: set[str] = set()
        for device, line in self._lefts:
            if line.user not in self._staying():
                continue
            away_s = longest_absence(self._stays[line.user].get(line.conversation, []), line.t)
            if away_s >= GRACE_S - SLACK_S:
                away.add(line.user)
            else:
                told = f"{line.user} was said to have left and was away for {away_s:.1f} s at most"
                found.faults.append(f"presence: {told} ({device})")
        if away:
            found.lines.append(f"{len(away)} users were away for longer than the grace: a busy machine")
        if len(away) > max(1.0, KEPT_AWAY * len(self._staying())):
            found.faults.append(f"presence: {len(away)} of {len(self._staying())} users could not come back")

    def _staying(self) -> set[str]:
        return {user for user in self._stays if user.startswith("user-")}

    def _away_s(self, user: str, until: float) -> float:
        return max(longest_absence(stays, until) for stays in self._stays[user].values())

    def held_s(self, since: float, until: float) -> float:
        """For how long a replica of presence that ran did not come to its work between two moments, by the
        ends of its rounds, or waited because of that; of several the longest.
        """
        return max((_held_s(life, since, until) for life in self._lives), default=0.0)


def _first_s(life: Sequence[Swept], since: float) -> float:
    """The end of the first round, of a life that began later."""
    return life[0].t if life and life[0].began >= since else since


def _held_s(life: Sequence[Swept], since: float, until: float) -> float:
    pairs = pairwise(one.t for one in life)
    gaps = [end - begin for begin, end in pairs if end > since and begin < until]
    return sum(max(0.0, gap - EVERY_S) + CALM_S * (gap > STALL_S) for gap in gaps)


def _came(lines: Sequence[DeviceLine], since: float, until: float) -> bool:
    return any(isinstance(line, Connected) and since <= line.t <= until for line in lines)


def count_devices(history: Path) -> int:
    """How many devices there were."""
    return sum(any(isinstance(line, Life) for line in lines) for lines in load_devices(history).values())


def _lives(file: Path) -> Iterator[list[Swept]]:
    """A replica's rounds, those of each of its processes apart."""
    life: list[Swept] = []
    for line in _lines(file):
        if msgspec.json.decode(line)["kind"] == "started":
            yield life
            life = []
        else:
            life.append(msgspec.json.decode(line, type=Swept))
    yield life


def _lines(file: Path) -> list[bytes]:
    """Whole ones; a killed process leaves half a line."""
    return [line for line in file.read_bytes().split(b"\n") if line.endswith(b"}")]
