"""RPCs about who is there."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.model.presence import Attendee, Totals
from services.shared.wire import codes
from services.shared.wire.rpc.fields import Id, User
from services.shared.wire.rpc.method import MEMBERS_ONLY, Method


class PresenceOf(msgspec.Struct):
    """Arguments of `conversation.presence`."""

    conversation: Id
    after: User | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class PresencePage(msgspec.Struct):
    """Result of `conversation.presence`."""

    users: list[Attendee]
    more: bool
    totals: Totals


METHODS: dict[str, Method] = {
    "conversation.presence": Method(
        PresenceOf,
        PresencePage,
        (*MEMBERS_ONLY, codes.REFUSED),
        "Members who are there or were, by user id, in pages: the next one is asked for with the last one's"
        " id as `after`. `state`: `present` (has `connections`), `away` (has none, and may be back; nobody"
        " is told) or `absent`. `last_seen`: when the last connection went, in ms; none while there is one."
        " `totals`: of the whole conversation.",
    ),
}
