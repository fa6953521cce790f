"""The dialogues about the connection itself: connect and refresh."""

from services.connection.core.admission import channels_at_connect, position_of
from services.connection.core.dialogue import (
    Asking,
    BreachError,
    Dialogue,
    RefusedError,
    ask_join,
    ask_token,
    end_of,
    require,
    settle,
    still_good,
    subscription,
)
from services.connection.core.effects import Opened, TokenKind
from services.connection.core.events import Claims, Refusal
from services.connection.core.standing import Phase, Standing
from services.shared.model.ids import Channel, UserId, is_user
from services.shared.wire import codec
from services.shared.wire.codes import (
    LIMIT_EXCEEDED,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    UNKNOWN_CHANNEL,
    Disconnect,
)
from services.shared.wire.protocol import ConnectRequest, RefreshRequest


def connect(at: Standing, command: int, request: ConnectRequest) -> Dialogue:
    """Learn who this is, subscribe what comes by itself, and open the connection."""
    require(request.token)
    at.phase = Phase.CONNECTING
    claims = yield from ask_token(at, TokenKind.CONNECTION, request.token)
    if claims is Refusal.EXPIRED:
        raise RefusedError(TOKEN_EXPIRED)
    if not isinstance(claims, Claims) or not is_user(claims.user or "anonymous"):
        raise BreachError(Disconnect.INVALID_TOKEN)
    if not claims.user:
        raise BreachError(Disconnect.PERMISSION_DENIED)
    at.user = UserId(still_good(claims).user)
    at.info = claims.info
    at.credential = claims.credential
    joined = yield from _join_all(at, claims, request)
    _open(at, command, claims, joined)


def _join_all(at: Standing, claims: Claims, request: ConnectRequest) -> Asking[dict[Channel, bytes]]:
    """Join the server-side channels.

    What the user may not have is left out; any other fault fails connect.
    """
    channels = channels_at_connect(at.user, claims.channels)
    if channels is None:
        raise RefusedError(UNKNOWN_CHANNEL)
    if len(channels) > at.limits.channels:
        raise RefusedError(LIMIT_EXCEEDED)
    results: dict[Channel, bytes] = {}
    for channel in channels:
        known = request.subs.get(channel.name)
        since = position_of(known.epoch, known.offset) if known and known.recover else None
        try:
            results[channel] = subscription((yield from ask_join(at, channel, since)), since)
        except RefusedError as refused:
            if refused.fault.code != PERMISSION_DENIED.code:
                raise
    return results


def _open(at: Standing, command: int, claims: Claims, joined: dict[Channel, bytes]) -> None:
    at.phase = Phase.OPEN
    at.expires_at = end_of(claims, at.now)
    subs = {channel.name: result for channel, result in joined.items()}
    result = codec.connect_result(at.connection, at.version, at.limits.ping_s, claims.expires_in_s, subs)
    at.write(codec.reply(command, "connect", result))
    at.out.append(Opened(at.user))
    for channel in joined:
        settle(at, channel, server_side=True)


def refresh(at: Standing, command: int, request: RefreshRequest) -> Dialogue:
    """Take a new connection token in place."""
    require(request.token)
    claims = yield from ask_token(at, TokenKind.CONNECTION, request.token)
    if not isinstance(claims, Claims) or claims.user != at.user:
        raise BreachError(Disconnect.INVALID_TOKEN)
    at.expires_at = end_of(still_good(claims), at.now)
    at.credential = claims.credential
    at.write(codec.reply(command, "refresh", codec.refresh_result(claims.expires_in_s)))
