"""What a connection is and holds, and the effects of the event at hand.

Shared by the session, which owns it, and the dialogues, which change it. Nothing else sees it.
"""

from enum import Enum, auto
from math import inf

from services.connection.core.admission import Limits
from services.connection.core.effects import Close, Effect, Leave, Write
from services.connection.core.events import Ref
from services.shared.model.ids import Channel, ConnectionId, UserId
from services.shared.model.revocation import Credential
from services.shared.wire import codec
from services.shared.wire.codes import Disconnect, Fault, Unsubscribe


class Phase(Enum):
    """Where a connection stands: NEW -> CONNECTING -> OPEN or REFUSED; CLOSED from anywhere, and for good."""

    NEW = auto()
    CONNECTING = auto()
    OPEN = auto()
    REFUSED = auto()
    """Connect got an error reply: what the client sends is discarded until it goes or grows stale."""
    CLOSED = auto()


class Standing:
    """A connection's state. `now` and `out` belong to the event being handled."""

    __slots__ = (
        "channels",
        "connection",
        "credential",
        "ended",
        "expires_at",
        "expiries",
        "held",
        "info",
        "last_ref",
        "limits",
        "now",
        "out",
        "phase",
        "user",
        "version",
    )

    def __init__(self, connection: ConnectionId, limits: Limits, version: str, now: float) -> None:
        """Begin as a stranger."""
        self.connection = connection
        self.limits = limits
        self.version = version
        self.now = now
        self.out: list[Effect] = []
        self.phase = Phase.NEW
        self.user = UserId("")
        #: What the connection's token may be revoked by; None before connect.
        self.credential: Credential | None = None
        #: JSON the connection token shows to others, empty if none.
        self.info = b""
        #: Subscriptions that are live; True for server-side ones.
        self.channels: dict[Channel, bool] = {}
        #: Ends of subscriptions that came with a token.
        self.expiries: dict[Channel, float] = {}
        #: End of the connection's own token.
        self.expires_at = inf
        #: Channels asked for by the command under way, not live yet: given back when it is given up.
        self.held: list[Channel] = []
        self.last_ref = 0
        #: Why subscriptions were ended from the server's side, until somebody counts them.
        self.ended: list[Unsubscribe] | None = None

    def ref(self) -> Ref:
        """Make a name for an effect that wants an answer."""
        self.last_ref += 1
        return Ref(self.last_ref)

    def write(self, data: bytes) -> None:
        """Send one reply or push."""
        self.out.append(Write(data))

    def refuse(self, command: int, fault: Fault) -> None:
        """Answer with an error; to a connect, that is the end of what this client may ask."""
        self.write(codec.error_reply(command, fault))
        if self.phase in {Phase.NEW, Phase.CONNECTING}:
            self.phase = Phase.REFUSED

    def close(self, why: Disconnect) -> None:
        """End the connection: the last effect there is."""
        self.out.append(Close(why))
        self.phase = Phase.CLOSED

    def give_back(self) -> None:
        """Undo the joins of a command that is given up."""
        self.out.extend(Leave(channel) for channel in self.held)
        self.held.clear()

    def drop(self, channel: Channel) -> None:
        """End a live subscription."""
        del self.channels[channel]
        self.expiries.pop(channel, None)
        self.out.append(Leave(channel))

    def unsubscribe(self, channel: Channel, why: Unsubscribe) -> None:
        """End a live subscription from the server's side."""
        self.drop(channel)
        self.write(codec.push_unsubscribe(channel.name, why))
        self.ended = [*(self.ended or ()), why]

    def expire(self, channel: Channel, end: float) -> None:
        """Let a live subscription end at a time, or never (infinity)."""
        if end == inf:
            self.expiries.pop(channel, None)
        else:
            self.expiries[channel] = end
