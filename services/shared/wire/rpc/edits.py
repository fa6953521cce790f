"""RPCs about what becomes of a message after it was said."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.model.conversation import Version
from services.shared.model.position import Position
from services.shared.wire import codes
from services.shared.wire.rpc.fields import Id, Text
from services.shared.wire.rpc.method import MEMBERS_ONLY, Changed, Method


class Edit(msgspec.Struct):
    """Arguments of `message.edit`."""

    conversation: Id
    id: Id
    text: Text


class EditDone(msgspec.Struct):
    """Result of `message.edit`."""

    position: Position
    edits: int
    repeated: bool


class DeleteMessage(msgspec.Struct):
    """Arguments of `message.delete`."""

    conversation: Id
    id: Id


class VersionsOf(msgspec.Struct):
    """Arguments of `message.versions`."""

    conversation: Id
    id: Id


class VersionsTold(msgspec.Struct):
    """Result of `message.versions`."""

    versions: list[Version]


class React(msgspec.Struct):
    """Arguments of `message.react`."""

    conversation: Id
    id: Id
    reaction: Annotated[str, Meta(min_length=1, max_length=32, description="1 to 32 bytes without spaces")]
    on: bool = True


_FAULTS = (*MEMBERS_ONLY, codes.REFUSED)

METHODS: dict[str, Method] = {
    "message.edit": Method(
        Edit,
        EditDone,
        _FAULTS,
        "Say in other words what one said ([people](people.md#edit-and-delete)). Who follows it gets"
        " `message.edited`. No agent is asked again: that is `conversation.rewind`. The text it has already"
        " is a repeat, and harmless.",
    ),
    "message.delete": Method(
        DeleteMessage,
        Changed,
        _FAULTS,
        "Take away what a message says: one's own, or (owners) anybody's, an agent's, too. Its place stays,"
        " and who follows it gets `message.deleted`. A repeat is harmless.",
    ),
    "message.versions": Method(
        VersionsOf,
        VersionsTold,
        _FAULTS,
        "What a message said before it was edited or deleted, the last 20 versions, the oldest first: to who"
        " said it, and to owners.",
    ),
    "message.react": Method(
        React,
        Changed,
        _FAULTS,
        "Put a reaction to a message, or (`on` false) take one's own back. Who follows it gets"
        " `message.reacted`. A message has at most 20 different ones and 1,000 in all; one more is 403. A"
        " repeat is harmless.",
    ),
}
