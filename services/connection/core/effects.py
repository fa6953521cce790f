"""What a session wants done, in order: one frozen class per effect.

Performed by the shell (device.py). `Write`, `GoLive`, `Leave`, `Opened`, `Close` are synchronous: the shell
performs a whole list without awaiting in between, so a subscribe reply, what the channel buffered, and going
live are one step. Effects with a `ref` start work; its outcome comes back as an event with the same ref. The
shell may run them as tasks.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.connection.core.events import Ref
from services.shared.model.ids import Channel, UserId
from services.shared.model.position import Position
from services.shared.wire.codes import Disconnect


@dataclass(frozen=True, slots=True)
class Write:
    """Send these bytes: one JSON reply or push without line end.

    Several may share a frame, joined by newlines.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Flush what was written (except for 3008), close with this code and reason, let go of every channel.

    Always the last effect.
    """

    why: Disconnect


class TokenKind(StrEnum):
    """What a token is for."""

    CONNECTION = "connection"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True)
class VerifyToken:
    """Judge a token. Answer: TokenVerified, TokenRefused."""

    ref: Ref
    kind: TokenKind
    token: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The connection belongs to `user` now; comes once, right after its connect reply."""

    user: UserId


@dataclass(frozen=True, slots=True)
class Join:
    """Register with the channel first (buffering), then read membership, journal and open messages. Answer:
    Joined, Failed.

    since: the position to recover from, None on a first subscription.
    info: JSON to show with the user's presence, empty if none.
    Nothing of the channel may be written, and no presence announced, before the `GoLive` that follows.
    """

    ref: Ref
    channel: Channel
    user: UserId
    info: bytes
    since: Position | None = None


@dataclass(frozen=True, slots=True)
class GoLive:
    """The subscribe reply was just written: write what was buffered above the read's top, then every event as
    it comes.

    Also the moment to enter the roster of a conversation.
    """

    channel: Channel


@dataclass(frozen=True, slots=True)
class Leave:
    """Let go of the channel; also undoes a `Join` that was answered but refused, or is still under way."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Call:
    """Perform an RPC (method names: wire/rpc). Answer: Answered, Failed."""

    ref: Ref
    user: UserId
    method: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Publish:
    """A client's publish into a conversation: `conversation.send` in other words. Answer: Answered,
    Failed.
    """

    ref: Ref
    user: UserId
    channel: Channel
    data: bytes


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is present. Answer: Answered, Failed."""

    ref: Ref
    user: UserId
    channel: Channel


@dataclass(frozen=True, slots=True)
class PresenceStats:
    """How many are present. Answer: Answered, Failed."""

    ref: Ref
    user: UserId
    channel: Channel


@dataclass(frozen=True, slots=True)
class History:
    """Read publications. limit: 0 = position only. since: exclusive. reverse: newest first. Answer:
    Answered, Failed.
    """

    ref: Ref
    user: UserId
    channel: Channel
    limit: int
    since: Position | None
    reverse: bool


Errand = Call | Publish | Presence | PresenceStats | History
"""What inbound.py performs."""

Question = VerifyToken | Join | Errand
"""What wants an answer with the same ref."""

Effect = Write | Close | Opened | GoLive | Leave | Question
