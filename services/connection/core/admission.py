"""What a connection may have: its limits, and which channels it may name.

Called by the session only. Membership is not judged here: the atomic read of a join does that, so that no
removal can fall between.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from services.shared.model.ids import Channel, ChannelKind, UserId
from services.shared.model.position import Position
from services.shared.wire.codes import BAD_REQUEST, PERMISSION_DENIED, UNKNOWN_CHANNEL, Fault

CHANNEL_NAME_CHARS = 255
"""Longest channel name read; the protocol's own bound."""
_LARGEST_OFFSET = 1 << 53
"""Offsets above it cannot be real: JSON readers in JavaScript could not hold them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection: seconds, bytes, counts. Set once for all connections."""

    message_bytes: int = 65_536
    """Largest message taken; above it the connection closes with 1009."""
    channels: int = 128
    """Subscriptions at a time; above it error 106. Bounds what one join burst may cost."""
    waiting_commands: int = 512
    """Commands held behind one that waits for I/O; above it 3013. SDKs send all subscribes in one burst."""
    waiting_bytes: int = 1 << 20
    """The same in bytes, so that 512 commands of 64 KiB cannot be parked."""
    stale_s: float = 10
    """Without a successful connect in this time: 3502."""
    answer_s: float = 4
    """Every command is answered in this time, if need be with temporary error 100: SDKs give up after 5."""
    ping_s: int = 25
    """Between pings; proxies cut silent connections after 30 to 60."""
    pong_s: float = 8
    """Without a pong in this time after a ping: 3012. Must be below `ping_s`."""
    grace_s: float = 25
    """After a token's end before the connection (3005) or subscription (2501) ends: time to refresh."""
    history: int = 300
    """Most publications one history command returns."""

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        if self.pong_s >= self.ping_s:
            raise ValueError(f"pong_s {self.pong_s} must be below ping_s {self.ping_s}")


def channel_for(name: str, user: UserId) -> Channel | Fault:
    """Read a channel name as this user may use it.

    A conversation still needs membership, which is judged later.
    """
    if len(name) > CHANNEL_NAME_CHARS:
        return BAD_REQUEST
    channel = Channel.parse(name)
    if channel is None:
        return UNKNOWN_CHANNEL
    if channel.kind is ChannelKind.USER and channel.id != user:
        return PERMISSION_DENIED
    return channel


def channels_at_connect(user: UserId, claimed: Iterable[str]) -> list[Channel] | None:
    """Return what to subscribe this connection to: its own user channel, and those its token names.

    None when it names one of no kind the server has. Another user's is left out: a token is no permission.
    """
    channels = {Channel.of_user(user): None}
    for name in claimed:
        channel = channel_for(name, user)
        if channel is UNKNOWN_CHANNEL or channel is BAD_REQUEST:
            return None
        if isinstance(channel, Channel):
            channels[channel] = None
    return list(channels)


def position_of(epoch: str, offset: int) -> Position:
    """Read a client's position; one that cannot be real is kept as one that no journal serves."""
    return Position(epoch, min(offset, _LARGEST_OFFSET))
