"""What a connection may have: limits, and which channels are open to whom.

Called by the session only. Membership is not judged here: the atomic read of a join does that.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection. Seconds, bytes, counts; the app sets them once for all connections."""

    message_bytes: int = 65_536
    """Largest message taken; above it the connection closes with 1009."""
    channels: int = 128
    """Subscriptions at a time; above it error 106.

    SDK users' rule of thumb, and what one join burst may cost.
    """
    waiting_commands: int = 512
    """Commands held behind one that waits for I/O; above it 3013.

    SDKs send all their subscribes in one burst.
    """
    waiting_bytes: int = 1 << 20
    """The same in bytes, so that 512 commands of 64 KiB cannot be parked."""
    stale_s: float = 10
    """Without a successful connect in this time: 3502."""
    answer_s: float = 4
    """Every command is answered in this time, if need be with temporary error 100: SDKs give up after 5."""
    ping_s: float = 25
    """Between pings; proxies cut silent connections after 30 to 60."""
    pong_s: float = 8
    """Without a pong in this time after a ping: 3012. Must be below `ping_s`."""
    grace_s: float = 25
    """After a token's end before the connection (3005) or subscription (2501) ends: time to refresh."""
