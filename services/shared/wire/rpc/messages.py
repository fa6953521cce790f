"""RPCs about what is said in a conversation, and what agents do for it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.model import conversation as conversations
from services.shared.model.asking import Question
from services.shared.model.conversation import KeptMessage, OpenMessage, Settings
from services.shared.model.position import Position
from services.shared.wire import codes
from services.shared.wire.rpc.fields import (
    Anything,
    Id,
    Interrupt,
    PublishedId,
    Schema,
    Text,
    TimedId,
    Traceparent,
)
from services.shared.wire.rpc.method import MEMBERS_ONLY, Method


class Send(msgspec.Struct):
    """Arguments of `conversation.send`."""

    conversation: Id
    id: TimedId
    text: Text
    reply_to: Id | None = None
    traceparent: Traceparent = ""


class Sent(msgspec.Struct):
    """Result of `conversation.send`."""

    message: str
    position: Position
    turns: list[str]
    repeated: bool


class Cancel(msgspec.Struct):
    """Arguments of `conversation.cancel`."""

    conversation: Id
    turn: Id | None = None


class Cancelled(msgspec.Struct):
    """Result of `conversation.cancel`."""

    turns: list[str]


class Answer(msgspec.Struct):
    """Arguments of `conversation.answer`."""

    conversation: Id
    id: TimedId
    interrupt: Interrupt
    answer: Anything
    traceparent: Traceparent = ""


class Answered(msgspec.Struct):
    """Result of `conversation.answer`."""

    position: Position
    turn: str
    repeated: bool


class History(msgspec.Struct):
    """Arguments of `conversation.history`."""

    conversation: Id
    before: Annotated[int, Meta(ge=1, le=1 << 53)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Asked(msgspec.Struct, omit_defaults=True):
    """What an agent waits for a person to answer. `turn`: in which it asked. `schema`: of the answer, absent
    where the graph gave none. `time`: when it was asked, in milliseconds since 1970.
    """

    interrupt: str
    turn: str
    agent: str
    time: int
    value: Anything
    schema: Schema = msgspec.UNSET

    @classmethod
    def of(cls, question: Question) -> "Asked":
        """A question as devices are told of it."""
        schema = msgspec.Raw(question.schema) if question.schema else msgspec.UNSET
        value = msgspec.Raw(question.value)
        return cls(question.interrupt, question.turn, question.agent, question.time, value, schema)


class Underway(msgspec.Struct, omit_defaults=True):
    """What is streamed and not over, beside messages; `text` is the whole of it so far, `at` its length in
    UTF-16 code units. Kind `tool`: a call (`call`, `name`), the text is its arguments' JSON. Kind
    `reasoning`: a thought (`message`). Kind `subagent`: an agent within the agent (`subagent`), the
    text is what its models said.
    """

    kind: str
    agent: str
    turn: str
    attempt: str
    text: str
    at: int
    call: str = ""
    name: str = ""
    message: str = ""
    subagent: str = ""
    path: tuple[str, ...] = ()

    @classmethod
    def of(cls, what: conversations.Underway) -> "Underway":
        """As devices are told of it."""
        return msgspec.convert(what, cls, from_attributes=True)


class Page(msgspec.Struct):
    """Result of `conversation.history`."""

    messages: list[KeptMessage]
    open: list[OpenMessage]
    underway: list[Underway]
    asked: list[Asked]
    position: Position
    more: bool
    settings: Settings


class PublishedMessage(msgspec.Struct):
    """What a client's `publish` into a conversation must hold: `conversation.send` in other words."""

    id: PublishedId
    text: Text
    reply_to: Id | None = None
    traceparent: Traceparent = ""


METHODS: dict[str, Method] = {
    "conversation.send": Method(
        Send,
        Sent,
        (*MEMBERS_ONLY, codes.CONFLICT, codes.OUTSIDE_WINDOW, codes.BUSY, codes.TOO_MANY_REQUESTS),
        "Say something. The reply means: kept, and not lost any more. A repeat by `id`, to any server, gets"
        " the first `position` and `turns` and adds nothing, also after the message was deleted. Make `id`"
        " when the message is said: one the server does not know is taken within 24 hours of its clock"
        " (`CONTINUO_ACCEPT_WINDOW_S`). `reply_to`: a message of the conversation. Members that the text"
        " names (`@user`) stand in `message.created`, and are told on `#user` (`message.mentioned`).",
    ),
    "conversation.cancel": Method(
        Cancel,
        Cancelled,
        MEMBERS_ONLY,
        "Stop a turn, or all of them and what waits for answers; the reply names the turns it concerns. A"
        " repeat is harmless, and without `turn` names only those that still ran: `turn.finished` tells of"
        " every one.",
    ),
    "conversation.answer": Method(
        Answer,
        Answered,
        (
            *MEMBERS_ONLY,
            codes.CONFLICT,
            codes.OUTSIDE_WINDOW,
            codes.ANSWERED,
            codes.NOT_ASKED,
            codes.TOO_MANY_REQUESTS,
        ),
        "Answer what an agent waits for. The reply means: this answer counts, and no other. Of several, from"
        " any devices, the first is taken; the others get 411, whose text says who was first. `turn`, which"
        " has the answer's `id`, goes on where the agent asked, before other turns of it that wait. A repeat"
        " by `id`, to any server, gets the first `position` and adds nothing. `id` is made as a message's.",
    ),
    "conversation.history": Method(
        History,
        Page,
        MEMBERS_ONLY,
        "Messages before number `before` (without it the newest), newest last. Subscribe from `position`.",
    ),
}
