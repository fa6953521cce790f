"""The dialogues that only pass a question on: publish, presence, presence_stats, history, rpc.

And the table of all.
"""

from collections.abc import Callable
from typing import Any

from services.connection.core import connecting, subscribing
from services.connection.core.admission import channel_for, position_of
from services.connection.core.dialogue import BreachError, Dialogue, RefusedError, fault_in, require
from services.connection.core.effects import Call, Errand, History, Presence, PresenceStats, Publish
from services.connection.core.events import Answered
from services.connection.core.standing import Standing
from services.shared.model.ids import Channel, ChannelKind
from services.shared.wire import codec
from services.shared.wire.codes import NOT_AVAILABLE, PERMISSION_DENIED, Disconnect, Fault
from services.shared.wire.protocol import (
    Anything,
    ChannelRequest,
    HistoryRequest,
    PublishRequest,
    RpcRequest,
)


def _ask(at: Standing, command: int, method: str, errand: Errand) -> Dialogue:
    answer = yield errand
    if not isinstance(answer, Answered):
        raise RefusedError(fault_in(answer))
    at.write(codec.reply(command, method, answer.result))


def _channel(at: Standing, name: str) -> Channel:
    require(name)
    channel = channel_for(name, at.user)
    if isinstance(channel, Fault):
        raise RefusedError(channel)
    return channel


def _conversation(at: Standing, name: str, otherwise: Fault) -> Channel:
    channel = _channel(at, name)
    if channel.kind is not ChannelKind.CONVERSATION:
        raise RefusedError(otherwise)
    return channel


def publish(at: Standing, command: int, request: PublishRequest) -> Dialogue:
    """Say something in a conversation."""
    data = bytes(request.data)
    require(data)
    channel = _conversation(at, request.channel, otherwise=PERMISSION_DENIED)
    yield from _ask(at, command, "publish", Publish(at.ref(), at.user, channel, data))


def presence(at: Standing, command: int, request: ChannelRequest) -> Dialogue:
    """Who is here?"""
    channel = _conversation(at, request.channel, otherwise=NOT_AVAILABLE)
    yield from _ask(at, command, "presence", Presence(at.ref(), at.user, channel))


def presence_stats(at: Standing, command: int, request: ChannelRequest) -> Dialogue:
    """How many are here?"""
    channel = _conversation(at, request.channel, otherwise=NOT_AVAILABLE)
    yield from _ask(at, command, "presence_stats", PresenceStats(at.ref(), at.user, channel))


def history(at: Standing, command: int, request: HistoryRequest) -> Dialogue:
    """What was published?"""
    channel = _channel(at, request.channel)
    most = at.limits.history
    limit = min(request.limit, most) if request.limit >= 0 else most
    since = position_of(request.since.epoch, request.since.offset) if request.since else None
    errand = History(at.ref(), at.user, channel, limit, since, request.reverse)
    yield from _ask(at, command, "history", errand)


def rpc(at: Standing, command: int, request: RpcRequest) -> Dialogue:
    """Call a method; which ones there are is the business of deeds.py."""
    data = bytes(request.data) or b"{}"
    yield from _ask(at, command, "rpc", Call(at.ref(), at.user, request.method, data))


def ping(_at: Standing, _command: int, _request: Anything) -> Dialogue:
    """Clients do not ask for pings."""
    yield from ()
    raise RefusedError(NOT_AVAILABLE)


def send(_at: Standing, _command: int, _request: Anything) -> Dialogue:
    """Nobody here takes messages without an answer."""
    yield from ()
    raise BreachError(Disconnect.NOT_AVAILABLE)


DIALOGUES: dict[str, Callable[[Standing, int, Any], Dialogue]] = {
    "connect": connecting.connect,
    "ping": ping,
    "subscribe": subscribing.subscribe,
    "unsubscribe": subscribing.unsubscribe,
    "publish": publish,
    "presence": presence,
    "presence_stats": presence_stats,
    "history": history,
    "rpc": rpc,
    "send": send,
    "refresh": connecting.refresh,
    "sub_refresh": subscribing.sub_refresh,
}
"""How to work through a command, by method."""
