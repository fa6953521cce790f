"""Every code a client can see, in one table each: error replies, unsubscribe pushes, disconnects.

docs/protocol.md is generated from here. The SDKs act on ranges: an error with `temporary` (or 109) is tried
again; unsubscribe codes from 2500 resubscribe; 3500-3999 and 4500-4999 end the connection for good, all
others reconnect.
"""

from dataclasses import dataclass, replace
from enum import Enum

from services.shared.model.errors import (
    AlreadyAnswered,
    BadRequest,
    Broken,
    BusUnavailable,
    Busy,
    ContinuoError,
    MessageConflict,
    NotAsked,
    NotMember,
    NotReplicated,
    OutsideWindow,
    QueueFull,
    Refused,
    TooFarBack,
    UnknownConversation,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One error reply: `message` is short and constant; `temporary` tells the SDK to try again."""

    code: int
    message: str
    temporary: bool = False


INTERNAL = Fault(100, "internal server error", temporary=True)
UNAUTHORIZED = Fault(101, "unauthorized")
UNKNOWN_CHANNEL = Fault(102, "unknown channel")
PERMISSION_DENIED = Fault(103, "permission denied")
METHOD_NOT_FOUND = Fault(104, "method not found")
ALREADY_SUBSCRIBED = Fault(105, "already subscribed")
LIMIT_EXCEEDED = Fault(106, "limit exceeded")
BAD_REQUEST = Fault(107, "bad request")
NOT_AVAILABLE = Fault(108, "not available")
TOKEN_EXPIRED = Fault(109, "token expired")
EXPIRED = Fault(110, "expired")
TOO_MANY_REQUESTS = Fault(111, "too many requests", temporary=True)
UNRECOVERABLE = Fault(112, "unrecoverable position")
REFUSED = Fault(403, "refused")
CONFLICT = Fault(409, "message id already used")
OUTSIDE_WINDOW = Fault(410, "message id outside the window")
ANSWERED = Fault(411, "already answered")
NOT_ASKED = Fault(412, "not asked")
TOO_FAR_BACK = Fault(416, "too far back")
BUSY = Fault(423, "busy")

FAULTS: dict[Fault, str] = {
    INTERNAL: "no answer in time, or no store; nothing was acknowledged: repeat with the same ids",
    UNAUTHORIZED: "reserved: the token carries no right to do this",
    UNKNOWN_CHANNEL: "the channel name is of no kind the server has",
    PERMISSION_DENIED: "not a member, no such conversation, or another user's channel",
    METHOD_NOT_FOUND: "there is no RPC of this name",
    ALREADY_SUBSCRIBED: "this connection holds the channel already",
    LIMIT_EXCEEDED: "too many channels on this connection",
    BAD_REQUEST: "an argument is missing or malformed",
    NOT_AVAILABLE: "the protocol knows it, this server or channel does not offer it",
    TOKEN_EXPIRED: "get a new token and try again",
    EXPIRED: "the token is good, but what it grants is over",
    TOO_MANY_REQUESTS: "too many turns wait here or in all, or changes of members; nothing was stored",
    UNRECOVERABLE: "the position cannot be served: read the conversation anew",
    REFUSED: "understood, and this user may not do it; the text says why: which role, which operation",
    CONFLICT: "the message id stands for another text or another user's message",
    OUTSIDE_WINDOW: "the message id was made too long ago to be taken now, or in the future; the text tells",
    ANSWERED: "somebody else answered it first, or it was withdrawn; the text says who",
    NOT_ASKED: "no agent asked this, or it is too long ago to be known",
    TOO_FAR_BACK: "one cannot go back so far, or the message is gone; the text says how far one can",
    BUSY: "the agent is at work, and this conversation takes no message then; nothing was stored",
}
"""All error replies with what they mean to a client."""

_OF_ERROR: dict[type[ContinuoError], Fault] = {
    NotMember: PERMISSION_DENIED,
    UnknownConversation: UNKNOWN_CHANNEL,
    BadRequest: BAD_REQUEST,
    BusUnavailable: INTERNAL,
    Broken: INTERNAL,
    NotReplicated: INTERNAL,
    QueueFull: TOO_MANY_REQUESTS,
    MessageConflict: CONFLICT,
    OutsideWindow: OUTSIDE_WINDOW,
    AlreadyAnswered: ANSWERED,
    NotAsked: NOT_ASKED,
    TooFarBack: TOO_FAR_BACK,
    Busy: BUSY,
    Refused: REFUSED,
}


_SPOKEN = frozenset((BAD_REQUEST, OUTSIDE_WINDOW, ANSWERED, TOO_FAR_BACK, REFUSED))
"""Told with the error's own sentence: which argument, how far, who answered, where it ends, which role."""


def kind_of(error: ContinuoError) -> Fault:
    """Return the kind of error reply: one of `FAULTS`."""
    return next((_OF_ERROR[kind] for kind in type(error).__mro__ if kind in _OF_ERROR), INTERNAL)


def sentence_of(error: ContinuoError) -> str:
    """Return what the error says of itself, where a client may be told that; else nothing."""
    return str(error) if kind_of(error) in _SPOKEN else ""


def fault_of(error: ContinuoError) -> Fault:
    """Return what a client is told of an error; some say in their text what is wrong."""
    fault, said = kind_of(error), sentence_of(error)
    return replace(fault, message=f"{fault.message}: {said}") if said else fault


class Unsubscribe(Enum):
    """Why the server ended a subscription: (code, reason, meaning)."""

    SERVER = (
        2000,
        "server unsubscribe",
        "for good: the user is no longer a member, or the conversation is deleted",
    )
    INSUFFICIENT = (2500, "insufficient state", "the log goes on elsewhere: resubscribe and recover")
    EXPIRED = (2501, "subscription expired", "resubscribe with a new subscription token")

    def __init__(self, code: int, reason: str, meaning: str) -> None:
        self.code = code
        self.reason = reason
        self.meaning = meaning


class Disconnect(Enum):
    """Why the server closed a connection: (code, reason, meaning).

    The reason fits a close frame (under 124 bytes).
    """

    TOO_BIG = (1009, "message size limit exceeded", "a message was larger than the server takes")
    CLOSED = (3000, "connection closed", "the client went away; in metrics only")
    SHUTDOWN = (3001, "shutdown", "this server stops: reconnect elsewhere and recover")
    SERVER_ERROR = (3004, "internal server error", "a fault of the server")
    EXPIRED = (3005, "connection expired", "the token was not refreshed in time")
    SUBSCRIPTION_EXPIRED = (3006, "subscription expired", "it was refreshed with an expired token")
    SLOW = (3008, "slow", "the device reads too slowly; it recovers later")
    WRITE_ERROR = (3009, "write error", "the transport failed")
    INSUFFICIENT = (3010, "insufficient state", "the stream has a hole; it recovers later")
    RECONNECT = (3011, "force reconnect", "the server asks this client to connect anew")
    NO_PONG = (3012, "no pong", "a ping was not answered in time")
    TOO_MANY_REQUESTS = (3013, "too many requests", "more commands waited than one connection may have")
    INVALID_TOKEN = (3500, "invalid token", "signature or claims are wrong, or the token is another user's")
    BAD_REQUEST = (3501, "bad request", "the client broke the protocol")
    STALE = (3502, "stale", "no successful connect in time")
    FORCED = (3503, "force disconnect", "the server does not want this client to come back")
    CONNECTION_LIMIT = (3504, "connection limit", "too many connections")
    CHANNEL_LIMIT = (3505, "channel limit", "too many channels")
    INAPPROPRIATE = (3506, "inappropriate protocol", "data that the negotiated protocol cannot carry")
    PERMISSION_DENIED = (3507, "permission denied", "anonymous connections are not taken")
    NOT_AVAILABLE = (3508, "not available", "a command without an answer that this server does not offer")

    def __init__(self, code: int, reason: str, meaning: str) -> None:
        self.code = code
        self.reason = reason
        self.meaning = meaning

    @property
    def reconnects(self) -> bool:
        """Whether SDKs come back after this code."""
        return reconnects(self.code)


def reconnects(code: int) -> bool:
    """The SDKs' range rule. 1009 is their one exception below 3000: the message would be too big again."""
    return code != Disconnect.TOO_BIG.code and not (3500 <= code <= 3999 or 4500 <= code <= 4999)
