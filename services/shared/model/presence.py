"""Who is where: the seats that connections take in conversations, and the beats of the nodes that hold
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.shared.model.ids import NodeId, UserId


@dataclass(frozen=True, slots=True)
class Seat:
    """One connection in one conversation. `info` is the JSON that others are shown with it, None if there
    is none.
    """

    user: UserId
    info: bytes | None
    node: NodeId


@dataclass(frozen=True, slots=True)
class Beat:
    """A node's latest sign of life.

    mark: when it came, by the Redis master's clock in milliseconds. Masters' clocks differ, so watchers
    compare it for equality, or with a beat of their own, and believe nothing else. census: what the node said
    it holds, empty if that has expired.
    """

    mark: int
    census: Mapping[str, int]


Beats = Mapping[NodeId, Beat]


NUMBERS = ("connections", "draining", "users", "channels", "connects")
"""What a census tells of each node, and the sums of. draining: connections that are being closed; users:
different ones on that node; channels: followed; connects: new connections a second.
"""


@dataclass(frozen=True, slots=True)
class Look:
    """The beats at one moment; now_ms: which, by the clock of the master that told them."""

    beats: Beats
    now_ms: int


@dataclass(frozen=True, slots=True)
class ShardLease:
    """One replica's right to a shard of the presence service's work, until a time of the master's clock."""

    replica: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class ShardLook:
    """The replicas' beats, by when each came, and the leases, at `now_ms` by the master's clock."""

    beats: Mapping[str, int]
    leases: Mapping[int, ShardLease]
    now_ms: int


class State(StrEnum):
    """How a user is in a conversation. present: has a seat. away: the last seat is gone and the grace runs;
    to others still here. absent: announced as gone, or never here.
    """

    ABSENT = "absent"
    PRESENT = "present"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Attendee:
    """A user of a conversation. connections: how many seats; last_seen: when the last one went, in ms since
    1970; None for one who has a seat, or whose seat went before that was kept.
    """

    user: UserId
    state: State
    connections: int
    last_seen: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """How many users of a conversation are present, how many away, and how many connections they have."""

    present: int
    away: int
    connections: int


@dataclass(frozen=True, slots=True)
class AttendeesPage:
    """Some who sit or sat in a conversation, by user id. more: there are others behind them. replid: the
    Redis replication id it was read under.
    """

    users: tuple[Attendee, ...]
    more: bool
    totals: Totals
    replid: str


def state_of(*, connections: int, announced: bool) -> State:
    """The state of a user with so many seats. announced: a join was told, and no leave since."""
    if connections:
        return State.PRESENT
    return State.AWAY if announced else State.ABSENT
