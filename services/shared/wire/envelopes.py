"""Words between processes: the live payload a script publishes, control entries, and how events become JSON.

Live payload, format 1: `1 <kind> <epoch> <offset> <body>`. The body goes to devices as it is, so it is
encoded once and never parsed on the way. A next format may put more words between the offset and the body,
which is a JSON object and begins with the first brace.
"""

from dataclasses import dataclass, fields
from typing import Literal

import msgspec

from services.shared.model import formats
from services.shared.model.events import Event
from services.shared.model.position import Position

LIVE_FORMAT = b"%d" % formats.WRITES
_READABLE = {b"%d" % each for each in formats.READS}

KIND_EVENT = "e"
KIND_DELTA = "d"
KIND_TRANSIENT = "t"
KIND_JOIN = "j"
KIND_LEAVE = "l"

_TIME = b'{"time":'

_encoder = msgspec.json.Encoder()


class EnvelopeError(ValueError):
    """A payload on the bus is not in a format this release reads."""


@dataclass(frozen=True, slots=True)
class LivePush:
    """One published journal entry or transient; `position` is None for what has no place in the journal."""

    kind: str
    position: Position | None
    body: bytes


ControlKind = Literal[
    "member.removed",
    "conversation.deleted",
    "turn.cancel",
    "token.revoked",
    "user.disconnected",
    "user.reconnected",
    "gap",
]


@dataclass(frozen=True, slots=True)
class ControlEntry:
    """Word to all processes: `member.removed` ends this user's subscriptions, `conversation.deleted` all
    there are, `turn.cancel` stops a turn, `token.revoked` ends connections that came with such a token (by
    its id, or by user and before_ms), `user.disconnected` and `user.reconnected` all of a user's.

    `gap` is never sent: it tells a follower that entries may be missing before the next one.
    """

    kind: ControlKind
    conversation: str = ""
    user: str = ""
    turn: str = ""
    token: str = ""
    before_ms: int = 0


def decode_live(payload: bytes) -> LivePush:
    """Read a live payload; raise `EnvelopeError` for a format or shape this release does not know."""
    parts = payload.split(b" ", 4)
    if len(parts) != 5 or parts[0] not in _READABLE or not parts[3].isdigit():
        raise EnvelopeError(f"live payload has no known format: it begins with {payload[:32]!r}")
    written, kind, epoch, offset, body = parts
    if written != LIVE_FORMAT:
        body = _behind_additions(body)
    number = int(offset)
    position = Position(epoch.decode("ascii"), number) if number else None
    return LivePush(kind.decode("ascii"), position, body)


def time_of(body: bytes) -> int | None:
    """When an entry was appended, in milliseconds by Redis's clock; None where the body does not begin so.

    Scripts put the time first, so that it is found without parsing.
    """
    if not body.startswith(_TIME):
        return None
    digits, more, _ = body[len(_TIME) : len(_TIME) + 24].partition(b",")
    return int(digits) if more and digits.isdigit() else None


def _behind_additions(rest: bytes) -> bytes:
    """The body of a later format's payload, behind the words that it adds."""
    begins = rest.find(b"{")
    if begins < 0:
        raise EnvelopeError("live payload has no body")
    return rest[begins:]


def encode_event(event: Event) -> bytes:
    """Encode an event as the JSON object that scripts store; None fields are left out, `time` is spliced in
    by the script.
    """
    body: dict[str, object] = {"type": event.type}
    for each in fields(event):
        value = getattr(event, each.name)
        if value is not None:
            body[each.name] = value
    return _encoder.encode(body)
