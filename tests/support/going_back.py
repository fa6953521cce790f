"""Going back in a house without workers: what tests of it say and look at."""

from collections.abc import Sequence
from typing import Any

from services.shared.bus.rewinds import Rewinds
from services.shared.model.conversation import Accepted
from services.shared.model.ids import ConversationId, MessageId, UserId
from services.shared.model.rewinding import Rewound
from services.shared.model.turn import Lease, Turn
from tests.support.bus_house import AGENT, ANN, House, fresh

BOB, EVE = UserId("bob"), UserId("eve")
OTHER = "other"


async def conversation_of(house: House, *agents: str) -> ConversationId:
    conversation = ConversationId(fresh())
    await house.conversations.create(conversation, ANN, members=[BOB], agents=agents or (AGENT,))
    return conversation


async def say(
    house: House, conversation: ConversationId, text: str, user: UserId = ANN, to: Sequence[str] = ()
) -> Accepted:
    return await house.messages.accept(conversation, user, MessageId(fresh()), text, mentions=to)


async def back(
    house: House, conversation: ConversationId, message: str, user: UserId = ANN, **more: Any
) -> Rewound:
    asked = {"ask": True, **more}
    return await Rewinds(house.floor).rewind(conversation, user, fresh(), message, **asked)


async def shown(house: House, conversation: ConversationId) -> list[str]:
    return [one.text for one in (await house.messages.history(conversation, ANN)).messages]


async def listed(house: House, conversation: ConversationId, agent: str = AGENT) -> list[str]:
    return [one.message for one in await ways(house, conversation, agent)]


async def ways(house: House, conversation: ConversationId, agent: str = AGENT, limit: int = 100) -> Any:
    return (await Rewinds(house.floor).checkpoints(conversation, ANN, agent, limit=limit)).checkpoints


async def answered(house: House, lease: Lease, *texts: str) -> list[Turn]:
    return [await house.answer(lease, text) for text in texts]


async def brought_back(house: House, lease: Lease) -> Turn:
    """The turn at the head, which only brings a thread back, done."""
    turn = await house.begin(lease)
    assert turn.rewinds
    await house.turns.finish(lease, turn, "completed", asks=None)
    return turn


async def fifo(house: House, conversation: ConversationId) -> list[str]:
    at = house.floor.keys.conversation(conversation)
    return [each.decode() for each in await house.floor.commands.lrange(at.fifo, 0, -1)]


async def rewound(house: House, conversation: ConversationId) -> list[dict[str, Any]]:
    return [event for event in await house.events(conversation) if event["type"] == "conversation.rewound"]
