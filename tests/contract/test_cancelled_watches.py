"""What a connection pod watches, cancelled at the n-th await for each n: whoever goes on sees what is to be
seen, and no mark stays that something is under way.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.connection.brake import Brake
from services.connection.comparing import Comparing
from services.connection.core.effects import Join
from services.connection.core.events import Removed
from services.connection.core.hearing import HEARS, STAYS_DEAF_S, UNANSWERED
from services.connection.device import Device
from services.connection.ears import Ears
from services.connection.follows import Followed
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.hearing import Hearing
from services.shared.model.ids import Channel, ConversationId, NodeId, UserId
from services.shared.model.position import Head
from services.shared.runtime.lifecycle import Tasks
from services.shared.wire.codes import Unsubscribe
from services.shared.wire.envelopes import ControlEntry
from tests.support.bus_house import ANN, fresh, house_of
from tests.support.fake_wire import FakeWire
from tests.support.loops import ON_UVLOOP
from tests.support.nth_await import HARDEST, Moment, Subject, cut_everywhere
from tests.support.open_bus import open_bus
from tests.support.pod import Pod, a_device
from tests.support.waiting import eventually
from tests.support.whole_pools import assert_pools_whole

pytestmark = [ON_UVLOOP, pytest.mark.slow]
BOB = UserId("bob")
MOMENTS = pytest.mark.parametrize("moment", [*HARDEST, Moment.TWICE])


class DeafFeed:
    """A live feed that hears nothing for long."""

    hearing = Hearing(STAYS_DEAF_S + 1, UNANSWERED, deaf=True)


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    monkeypatch.setattr("services.connection.follows.LINGER_S", 0.0)
    monkeypatch.setattr("services.connection.brake.LOOK_S", 0.02)
    monkeypatch.setattr("services.connection.ears.LOOK_S", 0.02)
    monkeypatch.setattr("services.connection.comparing.COMPARE_S", 0.02)
    async with open_bus(workers_redis, redis_command_connections=8) as bus:
        yield bus


@pytest.fixture
async def pod(bus: Bus) -> AsyncIterator[Pod]:
    """A pod whose feed is open and which hears nothing of what comes."""
    opened = Pod(bus)
    opened.tasks.start("hear", bus.live.run(lambda _, __: None, lambda: None))
    for work in (opened.outbound.ticker.run, opened.attendance.run):
        opened.tasks.start(work.__qualname__, work())
    yield opened
    await opened.tasks.close()


async def here(pod: Pod, conversation: ConversationId) -> tuple[Device, FakeWire, Followed]:
    """A device that is live in a conversation."""
    wire, channel = FakeWire(), Channel.of_conversation(conversation)
    device, asked = a_device(wire), Join(fresh(), channel, ANN, b"")  # type: ignore[arg-type]
    followed = pod.arrivals.register(device, asked)
    await pod.arrivals.join(device, asked, followed)
    device.write(pod.arrivals.go_live(device, channel))
    return device, wire, followed


@MOMENTS
async def test_a_brake_whose_look_was_cut_counts_no_turn_twice_and_forgets_none(
    bus: Bus, moment: Moment
) -> None:
    house = house_of(bus)
    await house.ask(await house.conversation())
    waiting = await bus.backlog.depth()

    async def make() -> Subject:
        brake, tasks = Brake(bus.backlog, 1_000_000, bus.floor.metrics), Tasks()
        brake.accepted(waiting)

        async def seen() -> bool:
            return (brake._seen, brake._since) == (waiting, 0)

        async def holds() -> None:
            assert (brake._seen, brake._since) in {(0, waiting), (waiting, 0)}
            tasks.start("brake", brake.run())
            await eventually(seen)
            await tasks.close()

        return Subject(brake.run(), holds, seen)

    assert await cut_everywhere(make, moment) >= 1
    await assert_pools_whole(bus)


@MOMENTS
async def test_ears_whose_look_was_cut_find_out_with_the_next(bus: Bus, moment: Moment) -> None:
    async def make() -> Subject:
        node, other, tasks = NodeId(f"node-{fresh()}"), NodeId(f"node-{fresh()}"), Tasks()
        for each, hears in ((node, 0), (other, 1)):
            await bus.roster.beat(each, {HEARS: hears})
        ears = Ears(DeafFeed(), bus.roster, node)

        async def gave_way() -> bool:
            return not ears.fit().ok

        async def holds() -> None:
            await bus.roster.beat(node, {HEARS: 0})
            await bus.roster.beat(other, {HEARS: 1})
            tasks.start("ears", ears.watch())
            await eventually(gave_way)
            await tasks.close()

        return Subject(ears.watch(), holds, gave_way)

    assert await cut_everywhere(make, moment) >= 1
    await assert_pools_whole(bus)


@MOMENTS
async def test_a_comparison_that_was_cut_is_made_by_who_goes_on(bus: Bus, pod: Pod, moment: Moment) -> None:
    async def make() -> Subject:
        conversation, tasks, looked = await house_of(bus).conversation(), Tasks(), list[Head]()
        device, _, followed = await here(pod, conversation)

        def look(found: Followed, head: Head) -> None:
            assert found is followed
            looked.append(head)

        comparing = Comparing(pod.follows, bus.journal, look)
        comparing.doubt()

        async def compared() -> bool:
            return bool(looked)

        async def holds() -> None:
            looked.clear()
            tasks.start("comparing", comparing.run())
            await eventually(compared)
            assert {head.top for head in looked} == {1}
            await tasks.close()
            pod.arrivals.leave(device, followed.channel)
            await pod.nobody_is_here(conversation)

        return Subject(comparing.run(), holds, compared)

    assert await cut_everywhere(make, moment) >= 1
    await pod.tasks.close()
    await assert_pools_whole(bus)


@MOMENTS
async def test_a_repair_that_was_cut_is_made_by_the_next_and_shows_each_event_once(
    bus: Bus, pod: Pod, moment: Moment
) -> None:
    async def make() -> Subject:
        house = house_of(bus)
        conversation = await house.conversation()
        device, wire, followed = await here(pod, conversation)
        await house.ask(conversation, "nobody heard this")
        [head] = (await bus.journal.tops([followed.channel])).values()
        followed.merge.compared(head)
        assert followed.merge.wants is not None
        followed.reading, began = True, False  # as whoever starts a repair notes

        async def repair() -> None:
            nonlocal began
            began = True
            await pod.outbound._repair(followed)

        async def holds() -> None:
            assert not (began and followed.reading)
            followed.reading = False
            pod.outbound._look(followed, head)
            await eventually(lambda: b"".join(wire.written).count(b"nobody heard this") == 1)
            await eventually(lambda: not followed.reading)
            pod.arrivals.leave(device, followed.channel)
            await pod.nobody_is_here(conversation)
            assert b"".join(wire.written).count(b"nobody heard this") == 1

        return Subject(repair(), holds)

    assert await cut_everywhere(make, moment) >= 1
    await pod.tasks.close()
    await assert_pools_whole(bus)


@MOMENTS
async def test_a_removal_that_was_not_obeyed_is_obeyed_when_it_is_told_again(
    bus: Bus, pod: Pod, moment: Moment
) -> None:
    async def make() -> Subject:
        conversation, tasks, parted = ConversationId(fresh()), Tasks(), list[Any]()
        await bus.conversations.create(conversation, BOB, members=[ANN])
        device, _, followed = await here(pod, conversation)
        device.feed = parted.append  # type: ignore[method-assign]
        await bus.conversations.remove_member(conversation, BOB, ANN)
        entry = ControlEntry("member.removed", conversation, ANN)

        async def tell() -> None:
            while True:
                await bus.control.publish(entry)

        telling = tasks.start("tell", tell())

        async def obeyed() -> bool:
            return bool(parted)

        async def holds() -> None:
            parted.clear()
            tasks.start("obey", pod.outbound.obey(bus.control, bus.conversations))
            await eventually(obeyed)
            assert set(parted) == {Removed(followed.channel, Unsubscribe.SERVER)}
            telling.cancel()
            await tasks.close()
            pod.arrivals.leave(device, followed.channel)
            await pod.nobody_is_here(conversation)

        return Subject(pod.outbound.obey(bus.control, bus.conversations), holds, obeyed)

    assert await cut_everywhere(make, moment) >= 1
    await pod.tasks.close()
    await assert_pools_whole(bus)
