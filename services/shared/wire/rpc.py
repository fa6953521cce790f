"""The RPCs: names, arguments, results and errors, typed once. docs/protocol.md is generated from here.

Called by inbound.py, which has one handler per entry of `METHODS`, and by the client tools. A method added
here and to inbound's table is served, documented and tested; nothing else names methods.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.shared.model import conversation as conversations
from services.shared.model.asking import Question
from services.shared.model.conversation import (
    ENQUEUE,
    DoubleTexting,
    KeptMessage,
    OpenMessage,
    Settings,
    Summary,
    WhenAnswers,
)
from services.shared.model.position import Position
from services.shared.model.rewinding import Checkpoint
from services.shared.wire import codes
from services.shared.wire.codes import Fault

_ID = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\Z"

Id = Annotated[str, Meta(pattern=_ID, description="UUID text")]
TimedId = Annotated[str, Meta(pattern=_ID, description="UUIDv7 text")]
User = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.@-]{1,64}\Z", description="user id")]
Agent = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z", description="agent name")]
Title = Annotated[str, Meta(max_length=200, description="text")]
Text = Annotated[str, Meta(min_length=1, description="text")]
Traceparent = Annotated[str, Meta(description="W3C traceparent of the client's own trace")]
Interrupt = Annotated[str, Meta(min_length=1, max_length=128, description="text")]
Anything = Annotated[msgspec.Raw, Meta(description="any JSON, at most 64 KiB")]
Schema = Annotated[msgspec.Raw | msgspec.UnsetType, Meta(description="JSON Schema")]
Role = Literal["owner", "member"]
Answering = Annotated[
    dict[Agent, WhenAnswers],
    Meta(max_length=8, description='agent name -> "always" \\| "mention" \\| "never"'),
]


class Create(msgspec.Struct):
    """Arguments of `conversation.create`."""

    id: Id | None = None
    title: Title = ""
    members: Annotated[list[User], Meta(max_length=100)] = []
    agents: Annotated[list[Agent], Meta(min_length=1, max_length=8)] = msgspec.field(
        default_factory=lambda: ["assistant"]
    )
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


class Send(msgspec.Struct):
    """Arguments of `conversation.send`."""

    conversation: Id
    id: TimedId
    text: Text
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


class CheckpointsOf(msgspec.Struct):
    """Arguments of `conversation.checkpoints`."""

    conversation: Id
    agent: Agent
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Ways(msgspec.Struct):
    """Result of `conversation.checkpoints`."""

    checkpoints: list[Checkpoint]


class Rewind(msgspec.Struct):
    """Arguments of `conversation.rewind`."""

    conversation: Id
    id: TimedId
    message: TimedId
    ask: bool
    text: Text | None = None


class Rewound(msgspec.Struct):
    """Result of `conversation.rewind`."""

    position: Position
    turns: list[str]
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
    `reasoning`: a thought (`message`). Kind `subagent`: an agent within the agent (`subagent`), without a
    text.
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


class Configure(msgspec.Struct):
    """Arguments of `conversation.configure`: what is left out stays."""

    conversation: Id
    agents: Annotated[list[Agent], Meta(min_length=1, max_length=8)] | None = None
    answers: Answering = {}
    double_texting: DoubleTexting | None = None


class Delete(msgspec.Struct):
    """Arguments of `conversation.delete`."""

    conversation: Id


class AddMember(msgspec.Struct):
    """Arguments of `conversation.members.add`."""

    conversation: Id
    user: User
    role: Role = "member"


class RemoveMember(msgspec.Struct):
    """Arguments of `conversation.members.remove`."""

    conversation: Id
    user: User


class Changed(msgspec.Struct):
    """Result of a change of members or settings, and of a deletion: where its event stands."""

    position: Position


class PublishedMessage(msgspec.Struct):
    """What a client's `publish` into a conversation must hold: `conversation.send` in other words."""

    id: TimedId
    text: Text
    traceparent: Traceparent = ""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC. `faults`: what it answers beside 100 (try again) and 107 (an argument is wrong)."""

    arguments: type[msgspec.Struct]
    result: type[msgspec.Struct]
    faults: tuple[Fault, ...]
    meaning: str


_MEMBERS_ONLY = (codes.PERMISSION_DENIED,)

METHODS: dict[str, Method] = {
    "conversation.create": Method(
        Create,
        Created,
        (codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Make a conversation, with the caller as owner. Send an `id`, and the same again after error 100 or"
        " no answer: a repeat is harmless then. Without one every call makes another conversation.",
    ),
    "conversation.list": Method(ListOf, Listed, (), "The caller's conversations, the newest first."),
    "conversation.send": Method(
        Send,
        Sent,
        (*_MEMBERS_ONLY, codes.CONFLICT, codes.OUTSIDE_WINDOW, codes.BUSY, codes.TOO_MANY_REQUESTS),
        "Say something. The reply means: kept, and not lost any more. A repeat by `id`, to any server, gets"
        " the first `position` and `turns` and adds nothing, also after the message was deleted. Make `id`"
        " when the message is said: one the server does not know is taken within 24 hours of its clock"
        " (`CONTINUO_ACCEPT_WINDOW_S`).",
    ),
    "conversation.cancel": Method(
        Cancel,
        Cancelled,
        _MEMBERS_ONLY,
        "Stop a turn, or all of them and what waits for answers; the reply names the turns it concerns. A"
        " repeat is harmless, and without `turn` names only those that still ran: `turn.finished` tells of"
        " every one.",
    ),
    "conversation.answer": Method(
        Answer,
        Answered,
        (
            *_MEMBERS_ONLY,
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
    "conversation.checkpoints": Method(
        CheckpointsOf,
        Ways,
        _MEMBERS_ONLY,
        "Turns of an agent that one can go back to before, the newest first: `message` is what to name in"
        " `conversation.rewind`, the last message that `turn` answered; `time`: when it began.",
    ),
    "conversation.rewind": Method(
        Rewind,
        Rewound,
        (
            *_MEMBERS_ONLY,
            codes.REFUSED,
            codes.CONFLICT,
            codes.OUTSIDE_WINDOW,
            codes.TOO_FAR_BACK,
            codes.TOO_MANY_REQUESTS,
        ),
        "Go back to what a person said. All that came of it leaves the conversation and its agents' threads"
        " ([turns](turns.md#going-back)); `ask: true` asks the message again, in the words of `text` if there"
        " is one, `ask: false` takes it out, too. By its author, as long as no other person said something"
        " since, or by an owner. The reply means: the log is back; `turns` ask anew. A repeat by `id`, to any"
        " server, gets the first `position` and does nothing. `id` is made as a message's.",
    ),
    "conversation.history": Method(
        History,
        Page,
        _MEMBERS_ONLY,
        "Messages before number `before` (without it the newest), newest last. Subscribe from `position`.",
    ),
    "conversation.configure": Method(
        Configure,
        Changed,
        (*_MEMBERS_ONLY, codes.REFUSED),
        "Change who answers and how (owners): `agents`, when each of them answers, and what becomes of a"
        " message to an agent that is at work ([turns](turns.md)). What is left out stays, and so do the"
        " `answers` of agents that are not named. Who follows it gets `conversation.updated`, unless"
        " nothing changed. A repeat is harmless.",
    ),
    "conversation.delete": Method(
        Delete,
        Changed,
        (*_MEMBERS_ONLY, codes.REFUSED),
        "End a conversation for all and for good (owners): who follows it gets `conversation.deleted`, and"
        " the subscription ends. From then on there is no such conversation. A repeat by the same user is"
        " harmless; the id is not to be had again for `CONTINUO_USER_TTL_S`.",
    ),
    "conversation.members.add": Method(
        AddMember,
        Changed,
        (*_MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Let a user in. A repeat is harmless.",
    ),
    "conversation.members.remove": Method(
        RemoveMember,
        Changed,
        (*_MEMBERS_ONLY, codes.REFUSED, codes.TOO_MANY_REQUESTS),
        "Put a user out (owners), or leave (oneself); the user's subscriptions end.",
    ),
}
"""Every RPC, in the order of the documentation."""
