"""What can happen to a connection, as its session hears it: one frozen class per happening.

Made by the shell (device.py, hub.py, inbound.py, tokens.py). Every answer carries the `ref` of the effect it
answers; an answer whose effect was given up meanwhile (time-out, removal) is ignored.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from services.shared.model.ids import Channel
from services.shared.model.position import Position
from services.shared.model.revocation import Credential
from services.shared.wire.codes import Disconnect, Fault, Unsubscribe

Ref = NewType("Ref", int)
"""Names one effect of one session that wants an answer; never used twice by that session."""


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """A whole WebSocket message arrived."""

    data: bytes
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says.

    user: empty for an anonymous token. channel: of a subscription token.
    expires_in_s: what the connection or subscription has left; None = for ever, not above zero = over.
    info: JSON shown to others with this user's presence.
    channels: names the token asks to be subscribed to at connect.
    token, issued_ms: what it may be revoked by, see `Credential`.
    """

    user: str
    expires_in_s: float | None = None
    channel: str = ""
    info: bytes = b""
    channels: tuple[str, ...] = ()
    token: str = ""
    issued_ms: int = 0

    @property
    def credential(self) -> Credential:
        """What is remembered of it."""
        return Credential(self.user, self.token, self.issued_ms)


class Refusal(StrEnum):
    """Why a token was not accepted."""

    EXPIRED = "expired"
    INVALID = "invalid"
    UNVERIFIABLE = "unverifiable"
    """The keys to judge it could not be had just now: try again."""


@dataclass(frozen=True, slots=True)
class TokenVerified:
    """Answer to `VerifyToken`: signature, times, audience and issuer are right."""

    ref: Ref
    claims: Claims


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """Answer to `VerifyToken`."""

    ref: Ref
    why: Refusal


@dataclass(frozen=True, slots=True)
class Publication:
    """One journal event as a device gets it: `data` is the event's JSON."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Joined:
    """Answer to `Join`: the device is registered with the channel (which buffers for it) and the journal was
    read.

    position: top of the journal in that read. recovered: whether `Join.since` was asked for and served.
    publications: if recovered, the events after `since`, without deltas, ascending. data: JSON for the
    subscribe reply, `{"open": [...], "asked": [...], "settings": {...}, "read": {...}}` on a conversation,
    empty on a user channel. unfinished: how many messages are open. sessions: traceparents of the user's
    sessions that left the channel lately.
    """

    ref: Ref
    position: Position
    recovered: bool = False
    publications: tuple[Publication, ...] = ()
    data: bytes = b""
    unfinished: int = 0
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """Answer to `Call`, `Publish`, `Presence`, `PresenceStats`, `History`: `result` is the JSON object of
    that reply.
    """

    ref: Ref
    result: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """Answer to any effect with a ref, `Join` included: it was not done; `fault` is what the client is
    told.
    """

    ref: Ref
    fault: Fault


@dataclass(frozen=True, slots=True)
class Removed:
    """The server ends this device's subscription (member removed, conversation deleted: 2000; channel
    fell back: 2500).

    The hub still holds it.
    """

    channel: Channel
    why: Unsubscribe


@dataclass(frozen=True, slots=True)
class Moved:
    """A server-side subscription goes on from another position (its epoch changed): the client adopts it by
    a push.
    """

    channel: Channel
    position: Position


@dataclass(frozen=True, slots=True)
class TimePassed:
    """`Session.due()` has come (earlier calls are harmless): pings, pongs, expiries, time-outs, staleness."""


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The server ends the connection: drain (3001), slow device (3008), revoked (3503) and so on."""

    why: Disconnect


@dataclass(frozen=True, slots=True)
class Parting:
    """The server ends the connection as soon as the command under way is answered; none that waits behind
    it is begun.
    """

    why: Disconnect


@dataclass(frozen=True, slots=True)
class TransportLost:
    """The peer closed or the socket broke.

    The session falls silent; the shell lets go of everything it held.
    """


Answer = TokenVerified | TokenRefused | Joined | Answered | Failed
"""What comes back for an effect with a ref."""

Event = FrameReceived | Answer | Removed | Moved | TimePassed | Dismissed | Parting | TransportLost
