"""The dialogues about one channel: subscribe, sub_refresh, unsubscribe."""

from services.connection.core.admission import channel_for, position_of
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
from services.connection.core.effects import TokenKind
from services.connection.core.events import Claims, Refusal
from services.connection.core.standing import Standing
from services.shared.model.ids import Channel
from services.shared.wire import codec
from services.shared.wire.codes import (
    ALREADY_SUBSCRIBED,
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    UNRECOVERABLE,
    Disconnect,
    Fault,
)
from services.shared.wire.protocol import ChannelRequest, SubRefreshRequest, SubscribeRequest

_REJECT_UNRECOVERABLE = 2
"""Bit of a subscribe's `flag`: answer 112 rather than subscribe without what was missed."""


def subscribe(at: Standing, command: int, request: SubscribeRequest) -> Dialogue:
    """Follow a channel, from where the client stands if it asks to recover."""
    require(request.channel)
    channel = _may_subscribe(at, request)
    claims = yield from _ask_permit(at, channel, request.token)
    since = position_of(request.epoch, request.offset) if request.recover else None
    joined = yield from ask_join(at, channel, since)
    if since and not joined.recovered and request.flag & _REJECT_UNRECOVERABLE:
        raise RefusedError(UNRECOVERABLE)
    at.write(codec.reply(command, "subscribe", subscription(joined, since, claims.expires_in_s)))
    settle(at, channel, server_side=False)
    at.expire(channel, end_of(claims, at.now))


def _may_subscribe(at: Standing, request: SubscribeRequest) -> Channel:
    if request.type:
        raise RefusedError(NOT_AVAILABLE)
    if request.delta not in {"", "fossil"} or bytes(request.tf) not in {b"", b"null"}:
        raise RefusedError(BAD_REQUEST)
    channel = channel_for(request.channel, at.user)
    if isinstance(channel, Fault):
        raise RefusedError(channel)
    if channel in at.channels:
        raise RefusedError(ALREADY_SUBSCRIBED)
    if len(at.channels) >= at.limits.channels:
        raise RefusedError(LIMIT_EXCEEDED)
    return channel


def _ask_permit(at: Standing, channel: Channel, token: str) -> Asking[Claims]:
    """Judge the subscription token, if there is one.

    It can end a subscription in time; it makes nobody a member.
    """
    if not token:
        return Claims(at.user)
    claims = yield from ask_token(at, TokenKind.SUBSCRIPTION, token)
    if isinstance(claims, Refusal):
        raise RefusedError(TOKEN_EXPIRED if claims is Refusal.EXPIRED else PERMISSION_DENIED)
    return still_good(_meant_for(at, channel, claims))


def _meant_for(at: Standing, channel: Channel, claims: Claims) -> Claims:
    if (claims.user, claims.channel) != (at.user, channel.name):
        raise BreachError(Disconnect.INVALID_TOKEN)
    return claims


def sub_refresh(at: Standing, command: int, request: SubRefreshRequest) -> Dialogue:
    """Take a new subscription token in place."""
    require(request.channel, request.token)
    channel = _held_channel(at, request.channel)
    claims = yield from ask_token(at, TokenKind.SUBSCRIPTION, request.token)
    if isinstance(claims, Refusal):
        expired = claims is Refusal.EXPIRED
        raise BreachError(Disconnect.SUBSCRIPTION_EXPIRED if expired else Disconnect.INVALID_TOKEN)
    end = end_of(still_good(_meant_for(at, channel, claims)), at.now)
    at.expire(_held_channel(at, request.channel), end)  # asked again: the server may have ended it meanwhile
    at.write(codec.reply(command, "sub_refresh", codec.refresh_result(claims.expires_in_s)))


def _held_channel(at: Standing, name: str) -> Channel:
    channel = Channel.parse(name)
    if channel is None or channel not in at.channels:
        raise RefusedError(PERMISSION_DENIED)
    return channel


def unsubscribe(at: Standing, command: int, request: ChannelRequest) -> Dialogue:
    """Stop following; harmless when it was not followed."""
    require(request.channel)
    yield from ()
    channel = Channel.parse(request.channel)
    if channel is not None and channel in at.channels:
        at.drop(channel)
    at.write(codec.reply(command, "unsubscribe", b"{}"))
