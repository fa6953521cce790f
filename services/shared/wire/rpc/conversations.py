"""RPCs about conversations as a whole."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.model.conversation import ENQUEUE, DoubleTexting, Summary
from services.shared.model.position import Position
from services.shared.wire import codes
from services.shared.wire.rpc.fields import Agents, Answering, Id, Title, User
from services.shared.wire.rpc.method import MEMBERS_ONLY, Changed, Method


class Create(msgspec.Struct):
    """Arguments of `conversation.create`."""

    id: Id | None = None
    title: Title = ""
    members: Annotated[list[User], Meta(max_length=100)] = []
    agents: Agents = msgspec.field(default_factory=lambda: ["assistant"])
    answers: Answering = {}
    double_texting: DoubleTexting = ENQUEUE


class Created(msgspec.Struct):
    """Result of `conversation.create`."""

    conversation: str
    position: Position
    repeated: bool


class ListOf(msgspec.Struct):
    """Arguments of `conversation.list`."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class Listed(msgspec.Struct):
    """Result of `conversation.list`."""

    conversations: list[Summary]


class Configure(msgspec.Struct):
    """Arguments of `conversation.configure`: what is left out stays."""

    conversation: Id
    agents: Agents | None = None
    answers: Answering = {}
    double_texting: DoubleTexting | None = None


class Rename(msgspec.Struct):
    """Arguments of `conversation.rename`."""

    conversation: Id
    title: Title


class Delete(msgspec.Struct):
    """Arguments of `conversation.delete`."""

    conversation: Id


METHODS: dict[str, Method] = {
    "conversation.create": Method(
        Create,
        Created,
        (codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Make a conversation, with the caller as owner. Send an `id`, and the same again after error 100 or"
        " no answer: a repeat is harmless then. Without one every call makes another conversation.",
    ),
    "conversation.list": Method(ListOf, Listed, (), "The caller's conversations, the newest first."),
    "conversation.configure": Method(
        Configure,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED),
        "Change who answers and how (owners): `agents`, when each of them answers, and what becomes of a"
        " message to an agent that is at work ([turns](turns.md)). What is left out stays, and so do the"
        " `answers` of agents that are not named. Who follows it gets `conversation.updated`, unless"
        " nothing changed. A repeat is harmless.",
    ),
    "conversation.rename": Method(
        Rename,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Give it another title: `conversation.updated`, unless it has that title; also on the `#user` of its"
        " members, where these are at most 100. A repeat is harmless.",
    ),
    "conversation.delete": Method(
        Delete,
        Changed,
        (*MEMBERS_ONLY, codes.REFUSED),
        "End a conversation for all and for good (owners): who follows it gets `conversation.deleted`, and"
        " the subscription ends. From then on there is no such conversation. A repeat by the same user is"
        " harmless; the id is not to be had again for `CONTINUO_USER_TTL_S`.",
    ),
}
