"""A worker dies between any two writes of a turn: its successor ends with the same thread, and repeats
nothing that was kept.
"""

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import LeaseLost
from tests.support.open_bus import open_bus
from tests.support.thread_faults import Dying, Port
from tests.support.thread_faults_graphs import WHOLE, Kind, with_changes_alone
from tests.support.thread_faults_turns import Asked, assert_state

KINDS = {**WHOLE, "with_changes_alone": with_changes_alone}


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as bus:
        yield bus


async def writes_of(bus: Bus, kind: Kind) -> int:
    """How many writes an undisturbed turn makes."""
    port = Port(bus.checkpoints)
    await (await Asked.new(bus)).attempt(kind(), port)
    return len(port.landed)


def surely_kept(port: Port) -> set[str]:
    """Nodes whose writes are kept at a checkpoint that is, with those of the graphs around it."""
    puts = {(each.place.space, each.place.id) for each in port.landed if each.put}
    return {
        name
        for each in port.landed
        if (each.place.space, each.place.id) in puts and puts >= set(each.above.items())
        for name in each.nodes
    }


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
async def test_a_worker_that_dies_after_any_write_is_succeeded_without_a_trace(
    bus: Bus, kind: Kind, slow: bool
) -> None:
    """Fast nodes run ahead of the saver; slow ones end after what was written before them, and here the
    worker does not hear of its last write.
    """
    count, wasted = await writes_of(bus, kind), 0
    for survive in range(count):
        asked, dead, successor = await Asked.new(bus), kind(), kind()
        port = Dying(bus.checkpoints, survive, unheard=slow)
        with suppress(LeaseLost):
            await asked.attempt(dead.slow(port) if slow else dead, port)
        if not port.dead:  # on a busy machine more writes go together, and fewer come
            assert len(port.landed) <= survive
            continue
        await asked.attempt(successor)
        again = surely_kept(port) & set(successor.ran)
        assert not again, f"after {survive} writes: {again} ran again"
        wasted += len(set(dead.ran) & set(successor.ran))
        assert_state(await asked.state(successor), await asked.undisturbed(kind), f"after {survive} writes")
    assert wasted, "no death was in the middle of anything"
