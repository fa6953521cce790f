"""What clients may say: the commands of the Centrifuge client protocol, JSON flavour, decoded once at the
edge.

Called by the session with whole frames. Unknown fields are ignored; a wrong type, a bad encoding or a deep
nest is `MalformedError`, never another exception. Fields this server has no use for are not listed, so they
are skipped unread.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

Uint32 = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
Offset = Annotated[int, msgspec.Meta(ge=0)]
_NOTHING = msgspec.Raw(b"")


class MalformedError(ValueError):
    """A frame is no list of commands; the text names no part of it."""


class StreamPosition(msgspec.Struct):
    """Where a reader stands."""

    offset: Offset = 0
    epoch: str = ""


class ConnectSubscription(msgspec.Struct):
    """A server-side subscription the client remembers."""

    recover: bool = False
    offset: Offset = 0
    epoch: str = ""


class ConnectRequest(msgspec.Struct):
    """The first command. `name` and `version`: of the client's software, by its own word."""

    token: str = ""
    subs: dict[str, ConnectSubscription] = {}
    name: str = ""
    version: str = ""


class SubscribeRequest(msgspec.Struct):
    """Follow a channel, from a position if `recover`."""

    channel: str = ""
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: Offset = 0
    delta: str = ""
    tf: msgspec.Raw = _NOTHING
    flag: int = 0
    type: int = 0


class ChannelRequest(msgspec.Struct):
    """A command about a channel and nothing more: unsubscribe, presence, presence_stats."""

    channel: str = ""


class PublishRequest(msgspec.Struct):
    """Say something in a channel."""

    channel: str = ""
    data: msgspec.Raw = _NOTHING


class HistoryRequest(msgspec.Struct):
    """Read a channel's publications. `limit`: 0 asks for the position only, below 0 for all."""

    channel: str = ""
    limit: int = 0
    since: StreamPosition | None = None
    reverse: bool = False


class RpcRequest(msgspec.Struct):
    """Call a method of wire/rpc."""

    method: str = ""
    data: msgspec.Raw = _NOTHING


class RefreshRequest(msgspec.Struct):
    """A new connection token."""

    token: str = ""


class SubRefreshRequest(msgspec.Struct):
    """A new subscription token."""

    channel: str = ""
    token: str = ""


class Anything(msgspec.Struct):
    """A request whose content this server does not read."""


Request = (
    ConnectRequest
    | SubscribeRequest
    | ChannelRequest
    | PublishRequest
    | HistoryRequest
    | RpcRequest
    | RefreshRequest
    | SubRefreshRequest
    | Anything
)


class Command(msgspec.Struct):
    """One command. If several methods are set, the first in the order of these fields counts."""

    id: Uint32 = 0
    connect: ConnectRequest | None = None
    ping: Anything | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: ChannelRequest | None = None
    publish: PublishRequest | None = None
    presence: ChannelRequest | None = None
    presence_stats: ChannelRequest | None = None
    history: HistoryRequest | None = None
    rpc: RpcRequest | None = None
    send: Anything | None = None
    refresh: RefreshRequest | None = None
    sub_refresh: SubRefreshRequest | None = None

    @property
    def is_pong(self) -> bool:
        """Whether this is the answer to a ping: no id, and not the one method that needs none."""
        return self.id == 0 and self.send is None

    def asked(self) -> tuple[str, Request] | None:
        """Return method and request; None when no known method is set."""
        requests = ((name, getattr(self, name)) for name in METHODS)
        return next(((name, request) for name, request in requests if request is not None), None)


METHODS: tuple[str, ...] = tuple(field for field in Command.__struct_fields__ if field != "id")
"""Method names in the order that decides when a command sets several."""

_decoder = msgspec.json.Decoder(Command)


def decode_frame(data: bytes) -> list[tuple[Command, int]]:
    """Read a text frame: commands joined by newlines, each with its size in bytes; raise `MalformedError`."""
    try:
        data.decode()  # parts that are passed on unread must be UTF-8 too
        commands = list(_commands(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError("a frame is no list of commands") from error
    if not commands:
        raise MalformedError("a frame holds no command")
    return commands


def _commands(data: bytes) -> Iterator[tuple[Command, int]]:
    for line in data.split(b"\n"):
        if line.strip():
            yield _decoder.decode(line), len(line)
