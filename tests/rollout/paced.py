"""Whether servers closed as slowly as their fleet's budget says, by what each of them logged of its closes.

Pure but for reading the logs. A server logs each look at which it sent connections away, with the moments
between which Redis granted them. Redis grants a token bucket: in any t seconds at most what is kept (a tenth
of a second's, R / 10) and R x t. So of closes between two moments, whichever, there are at most that, and
beyond it:
- R for each second that the first of them took from asking to closing: so much earlier may it be granted;
- one for each server that drained: its deadline's floor, while the floors together are within R, goes on
  without the bucket's leave, in whole closes;
- those made alone, while Redis was not there to ask.
The ways of a rollout have time enough (k x C / R), so a floor is never an excuse for more.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from services.shared.bus.drain_budget import most_kept

SECOND_MS = 1000
MARK = b'"sent away"'


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Connections that a server (`node`) sent away at one look, as services/connection/drain.py logs it."""

    node: str
    connections: int
    by: str
    since_ms: int
    until_ms: int


class Span(msgspec.Struct, frozen=True):
    """So many closes within some seconds, and how many at most there may be."""

    closes: int
    seconds: float
    most: float

    @property
    def kept(self) -> bool:
        return self.closes <= self.most

    def __str__(self) -> str:
        return f"{self.closes} closes within {self.seconds:.2f} s, of at most {self.most:.1f}"


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The pace of one way. alone: closes without Redis. cut: at the deadline. in_a_second: the most within
    any one. delay_ms: the longest from asking the budget to the closes. tightest: what used most of its
    bound, or was furthest beyond.
    """

    closes: int
    alone: int
    cut: int
    in_a_second: int
    delay_ms: int
    tightest: Span | None


def told_by_servers(logs: Path) -> list[Sent]:
    """What all servers logged of their closes, by when it was done. Raises msgspec.MsgspecError."""
    decoder = msgspec.json.Decoder(Sent)
    lines = (line for file in logs.glob("*.log") for line in file.read_bytes().splitlines() if MARK in line)
    return sorted(map(decoder.decode, lines), key=lambda each: (each.until_ms, each.since_ms))


def pace(sent: Sequence[Sent], rate: float) -> Pace:
    """The pace of these closes, sorted by when they were done, in a fleet of `rate` a second (R)."""
    return Pace(
        closes=sum(each.connections for each in sent),
        alone=sum(each.connections for each in sent if each.by == "alone"),
        cut=sum(each.connections for each in sent if each.by == "deadline"),
        in_a_second=max((_within_a_second(sent, last) for last in range(len(sent))), default=0),
        delay_ms=max((each.until_ms - each.since_ms for each in sent), default=0),
        tightest=_tightest(sent, rate),
    )


def _tightest(sent: Sequence[Sent], rate: float) -> Span | None:
    """Of all spans, from any of these to any later one, the one that used most of its bound."""
    share, found = 0.0, None
    for last in range(len(sent)):
        for span in _spans(sent, last, rate):
            closes, _, most = span
            if closes / most > share:
                share, found = closes / most, span
    return found and Span(found[0], found[1], round(found[2], 2))


def _spans(sent: Sequence[Sent], last: int, rate: float) -> Iterable[tuple[int, float, float]]:
    """What a Span holds, of all that end with this one."""
    end_ms = since_ms = sent[last].until_ms
    closes = alone = 0
    servers: set[str] = set()
    for place in range(last, -1, -1):
        each = sent[place]
        closes += each.connections
        alone += each.connections if each.by == "alone" else 0
        servers.add(each.node)
        since_ms = min(since_ms, each.since_ms)
        granted_s = (end_ms - since_ms + 1) / SECOND_MS  # the clock tells whole milliseconds
        most = most_kept(rate) + rate * granted_s + len(servers) + alone
        yield closes, (end_ms - each.until_ms) / SECOND_MS, most


def _within_a_second(sent: Sequence[Sent], last: int) -> int:
    end_ms, closes = sent[last].until_ms, 0
    for each in reversed(sent[: last + 1]):
        if each.until_ms <= end_ms - SECOND_MS:
            break
        closes += each.connections
    return closes
