"""A user in a conversation: seats taken and freed in, joins and leaves out. The rule that the scripts keep.

    ABSENT --a seat: join--> PRESENT --the last seat is gone--> AWAY --the grace is over: leave--> ABSENT
                                ^                                |
                                +---------- a seat: nothing -----+

`roster_enter`, `roster_leave` and `depart` (services/shared/bus/lua) decide so in Redis, where two that
do the same at once must not announce it twice; a contract test holds them equal to this module, and the
simulation of thousands of users runs it. Must stay what the scripts do: neither is changed without the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from services.shared.model.ids import ConnectionId
from services.shared.model.presence import State, state_of


class Told(StrEnum):
    """What others hear of a user."""

    JOIN = "join"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Standing:
    """One user in one conversation.

    seats: by connection, with the stamp each was taken under. announced: a join was told, and no leave since.
    due_ms: when the leave may be told. last_seen_ms: when the last seat went; None while there is one.
    """

    seats: Mapping[ConnectionId, str] = field(default_factory=dict)
    announced: bool = False
    due_ms: int | None = None
    last_seen_ms: int | None = None

    @property
    def state(self) -> State:
        """Absent, present or away."""
        return state_of(connections=len(self.seats), announced=self.announced)


NEVER_HERE = Standing()


def enter(user: Standing, connection: ConnectionId, stamp: str) -> tuple[Standing, Told | None]:
    """A connection takes its seat, or takes it anew under another stamp."""
    seats = {**user.seats, connection: stamp}
    return Standing(seats, announced=True), None if user.announced else Told.JOIN


def leave(
    user: Standing, connection: ConnectionId, now_ms: int, grace_ms: int, stamp: str | None = None
) -> Standing:
    """A seat is free again. stamp: free it only if it was taken under this one. A repeat changes nothing."""
    held = user.seats.get(connection)
    if held is None or (stamp is not None and held != stamp):
        return user
    seats = {each: taken for each, taken in user.seats.items() if each != connection}
    if seats:
        return replace(user, seats=seats)
    return replace(user, seats=seats, due_ms=now_ms + grace_ms, last_seen_ms=now_ms)


def depart(user: Standing, now_ms: int) -> tuple[Standing, Told | None]:
    """Announce the leave if its grace is over."""
    if user.due_ms is None or user.due_ms > now_ms:
        return user, None
    gone = user.announced and not user.seats
    left = replace(user, due_ms=None, announced=user.announced and not gone)
    return left, Told.LEAVE if gone else None
