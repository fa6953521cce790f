"""Turns answered by hand, to see that a conversation is whole: everything asked is answered, and once."""

from collections import Counter

from services.shared.bus.house import Bus
from services.shared.model.ids import ConversationId, NodeId
from services.shared.model.turn import Lease, Ready
from tests.support.bus_house import House, fresh, house_of
from tests.support.waiting import eventually

OTHER = NodeId("worker-2")


async def answer_all(house: House, lease: Lease) -> None:
    """Answer what waits and let go."""
    while not await house.leases.release(lease):
        await house.answer(lease)


async def assert_answered(bus: Bus, conversation: ConversationId, *, lease: Lease | None = None) -> None:
    """Every turn of every message gets one final, from the holder of `lease` or (None) from a worker that
    has to find the conversation; then nobody holds it and nothing waits.
    """
    house = house_of(bus)
    await answer_all(house, lease or await found(house, conversation))
    events = await house.events(conversation)
    finals = Counter(event["turn"] for event in events if event["type"] == "turn.finished")
    asked = [event for event in events if event["type"] == "message.created"]
    assert list(finals.values()) == [1] * len(asked), (asked, finals)
    at = bus.floor.keys.conversation(conversation)
    redis = bus.floor.commands
    assert await redis.exists(at.lease, at.fifo, at.open, at.spoken) == 0
    assert await redis.zscore(at.shared.running, conversation) is None


async def assert_no_work_left(bus: Bus) -> None:
    """What the ready streams and the sweep still bring is word of conversations with nothing to do."""
    house = house_of(bus)

    async def all_claimed() -> bool:
        for ready in await seen(house):
            assert await _claimed(house, ready) is None
        return await bus.turns.oldest_s() == 0.0

    await eventually(all_claimed)


async def seen(house: House) -> list[Ready]:
    """What a worker finds in one look at both."""
    return [*await house.turns.orphans(OTHER), *await house.turns.ready(OTHER, block_ms=1, count=100)]


async def found(house: House, conversation: ConversationId, within_s: float = 5.0) -> Lease:
    """The lease of a conversation as a worker comes by it: by the ready streams or the sweep."""

    async def look() -> Lease | None:
        mine = [each for each in await seen(house) if each.conversation == conversation]
        return await _claimed(house, mine[0]) if mine else None

    lease: Lease = await eventually(look, within_s)
    return lease


async def _claimed(house: House, ready: Ready) -> Lease | None:
    attempt = fresh()
    return await house.leases.claim(ready, worker=OTHER, attempt=attempt, lease_ms=60_000)  # type: ignore[arg-type]
