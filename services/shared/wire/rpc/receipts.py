"""RPCs about what people have read, and that they are typing."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.model.position import Position
from services.shared.wire import codes
from services.shared.wire.rpc.fields import Id
from services.shared.wire.rpc.method import MEMBERS_ONLY, Method


class Read(msgspec.Struct):
    """Arguments of `conversation.read`."""

    conversation: Id
    seq: Annotated[int, Meta(ge=1, le=1 << 53)]


class ReadSoFar(msgspec.Struct):
    """Result of `conversation.read`."""

    position: Position
    seq: int
    unread: int
    repeated: bool


class Typing(msgspec.Struct):
    """Arguments of `conversation.typing`."""

    conversation: Id
    typing: bool


class TypingTaken(msgspec.Struct):
    """Result of `conversation.typing`."""


METHODS: dict[str, Method] = {
    "conversation.read": Method(
        Read,
        ReadSoFar,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Say that one has read up to message number `seq` ([people](people.md#read-and-unread)); above the"
        " newest it counts as the newest. Who follows it gets `receipt.read`, and so do the caller's other"
        " devices, on `#user`. A repeat, or a lower number, is harmless, and is told how far it was read"
        " already.",
    ),
    "conversation.typing": Method(
        Typing,
        TypingTaken,
        (*MEMBERS_ONLY, codes.REFUSED),
        "Let those who follow see that one types, or stopped (`typing`). Send it every few seconds while it"
        " lasts: of those a user sends a server within 2 s, the first that begins and the first that ends is"
        " told, others are passed over.",
    ),
}
