"""RPCs by which a user makes something of a conversation for itself alone."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.wire import codes
from services.shared.wire.rpc.fields import Id
from services.shared.wire.rpc.method import MEMBERS_ONLY, Method


class Mute(msgspec.Struct):
    """Arguments of `conversation.mute`."""

    conversation: Id
    until: Annotated[int, Meta(ge=0, le=1 << 53)] | None


class Archive(msgspec.Struct):
    """Arguments of `conversation.archive`."""

    conversation: Id
    archived: bool


class Marked(msgspec.Struct):
    """Result of `conversation.mute` and `conversation.archive`: what the user makes of it now."""

    muted: int | None
    archived: bool


METHODS: dict[str, Method] = {
    "conversation.mute": Method(
        Mute,
        Marked,
        (*MEMBERS_ONLY, codes.REFUSED),
        "Mute a conversation for oneself, `until` milliseconds since 1970 (0: not at all, null: for good)."
        " The server goes on telling of it: to be quiet is the clients' part. All devices of the user are"
        " told on `#user`: `conversation.marked`. Gone when one leaves. A repeat is harmless,"
        " and tells nothing.",
    ),
    "conversation.archive": Method(
        Archive,
        Marked,
        (*MEMBERS_ONLY, codes.REFUSED),
        "Put a conversation away for oneself, or take it back; else as `conversation.mute`.",
    ),
}
