"""RPCs that go back in a conversation."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.model.position import Position
from services.shared.model.rewinding import Checkpoint
from services.shared.wire import codes
from services.shared.wire.rpc.fields import Agent, Id, Text, TimedId
from services.shared.wire.rpc.method import MEMBERS_ONLY, Method


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


METHODS: dict[str, Method] = {
    "conversation.checkpoints": Method(
        CheckpointsOf,
        Ways,
        MEMBERS_ONLY,
        "Turns of an agent that one can go back to before, the newest first: `message` is what to name in"
        " `conversation.rewind`, the last message that `turn` answered; `time`: when it began.",
    ),
    "conversation.rewind": Method(
        Rewind,
        Rewound,
        (
            *MEMBERS_ONLY,
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
}
