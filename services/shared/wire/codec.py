"""Replies and pushes of the client protocol as bytes.

Called by the session for replies and by the hub, once per event, for pushes. JSON that comes from the journal
is spliced in as it is: never parsed, never encoded again. Nothing here ends with a newline; who frames joins
with newlines.
"""

import msgspec

from services.shared.model.position import Position
from services.shared.wire.codes import Fault, Unsubscribe

PING = b"{}"
"""What a server sends to ask whether a client is there; clients answer with the same."""

_encoder = msgspec.json.Encoder()
text = _encoder.encode
"""Encode any builtin value as JSON without whitespace."""


def reply(command: int, method: str, result: bytes) -> bytes:
    """Answer a command: `result` is the JSON object of that method's result."""
    return b'{"id":%d,"%s":%s}' % (command, method.encode(), result)


def error_reply(command: int, fault: Fault) -> bytes:
    """Answer a command with an error."""
    more = b',"temporary":true' if fault.temporary else b""
    return b'{"id":%d,"error":{"code":%d,"message":%s%s}}' % (command, fault.code, text(fault.message), more)


def client_info(user: str, client: str, conn_info: bytes = b"") -> bytes:
    """ClientInfo: who a connection is to others. `conn_info`: JSON from the connection token."""
    more = b',"conn_info":' + conn_info if conn_info else b""
    return b'{"user":%s,"client":%s%s}' % (text(user), text(client), more)


def publication(data: bytes, offset: int = 0) -> bytes:
    """One publication; without an offset (0) it is transient and clients keep their position."""
    return b'{"data":%s,"offset":%d}' % (data, offset) if offset else b'{"data":%s}' % data


def _push(channel: str, kind: bytes, body: bytes) -> bytes:
    return b'{"push":{"channel":%s,"%s":%s}}' % (text(channel), kind, body)


def push_publication(channel: str, data: bytes, offset: int = 0) -> bytes:
    """An event for the followers of a channel."""
    return _push(channel, b"pub", publication(data, offset))


def push_join(channel: str, info: bytes) -> bytes:
    """A user became present; `info` is ClientInfo JSON."""
    return _push(channel, b"join", b'{"info":%s}' % info)


def push_leave(channel: str, info: bytes) -> bytes:
    """A user is present no more; `info` is ClientInfo JSON."""
    return _push(channel, b"leave", b'{"info":%s}' % info)


def push_unsubscribe(channel: str, why: Unsubscribe) -> bytes:
    """The server ended this subscription."""
    return _push(channel, b"unsubscribe", b'{"code":%d,"reason":%s}' % (why.code, text(why.reason)))


def push_subscribe(channel: str, position: Position) -> bytes:
    """A server-side subscription begins, or goes on from `position`, which clients adopt."""
    place = b'"epoch":%s,"offset":%d' % (text(position.epoch), position.offset)
    body = b'{"recoverable":true,"positioned":true,%s}' % place
    return _push(channel, b"subscribe", body)
