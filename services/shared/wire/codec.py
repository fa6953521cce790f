"""Replies and pushes of the client protocol as bytes.

Called by the session for replies and by the hub, once per event, for pushes. JSON that comes from the journal
is spliced in as it is: never parsed, never encoded again. Nothing here ends with a newline; who frames joins
with newlines.
"""

from collections.abc import Mapping, Sequence

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


def _expiry(expires_in_s: float | None) -> bytes:
    return b"" if expires_in_s is None else b'"expires":true,"ttl":%d' % max(1, int(expires_in_s))


def connect_result(
    client: str, version: str, ping_s: int, expires_in_s: float | None, subs: Mapping[str, bytes]
) -> bytes:
    """Tell a client who it is. `subs`: results of server-side subscriptions by channel name."""
    who = b'"client":%s,"version":%s,"ping":%d,"pong":true' % (text(client), text(version), ping_s)
    joined = b",".join(b"%s:%s" % (text(channel), result) for channel, result in subs.items())
    return _object(who, _expiry(expires_in_s), b'"subs":{%s}' % joined if joined else b"")


def subscribe_result(
    position: Position,
    since: Position | None,
    publications: Sequence[bytes],
    data: bytes,
    expires_in_s: float | None,
    *,
    recovered: bool,
) -> bytes:
    """Tell a client what it is subscribed to, and from where.

    After a recovery the offset is the one the client sent: it advances by consuming the publications.
    """
    offset = since.offset if since and recovered else position.offset
    return _object(
        b'"recoverable":true,"positioned":true,"epoch":%s,"offset":%d' % (text(position.epoch), offset),
        b'"was_recovering":true' if since else b"",
        b'"recovered":true' if recovered else b"",
        b'"publications":[%s]' % b",".join(publications) if recovered and publications else b"",
        _expiry(expires_in_s),
        b'"data":' + data if data else b"",
    )


def refresh_result(expires_in_s: float | None) -> bytes:
    """Tell a client how long its new token lasts."""
    return _object(_expiry(expires_in_s))


def presence_result(infos: Mapping[str, bytes]) -> bytes:
    """Who is present: ClientInfo JSON by connection id."""
    return b'{"presence":{%s}}' % b",".join(b"%s:%s" % (text(client), info) for client, info in infos.items())


def presence_stats_result(clients: int, users: int) -> bytes:
    """How many are present."""
    return b'{"num_clients":%d,"num_users":%d}' % (clients, users)


def history_result(publications: Sequence[bytes], position: Position) -> bytes:
    """Publications and the top of the journal they were read from."""
    listed = b",".join(publications)
    return b'{"publications":[%s],"epoch":%s,"offset":%d}' % (listed, text(position.epoch), position.offset)


def _object(*members: bytes) -> bytes:
    return b"{%s}" % b",".join(member for member in members if member)


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
