"""A connection pod and the presence service, cancelled at their n-th await for each n: a device that did not
come through is as if it never came, and no seat stays.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from services.connection.brake import Brake
from services.connection.core.effects import Call, Join
from services.connection.core.events import Answered
from services.connection.deeds import Deeds
from services.connection.inbound import Inbound
from services.local.embedded import EmbeddedRedis
from services.presence.shards import OwnShards
from services.shared.bus.house import Bus
from services.shared.model.ids import Channel, ConnectionId, ConversationId, NodeId
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.tracing import Tracing
from tests.support.answering import assert_answered
from tests.support.bus_house import ANN, fresh, house_of
from tests.support.fake_wire import FakeWire
from tests.support.loops import ON_BOTH, ON_UVLOOP
from tests.support.nth_await import Moment, Subject, cut_everywhere
from tests.support.open_bus import open_bus
from tests.support.pod import Pod, a_device
from tests.support.sweeping import shards_of, sweep_of
from tests.support.waiting import eventually
from tests.support.whole_pools import assert_pools_whole

pytestmark = [ON_UVLOOP, pytest.mark.slow]
ALL_MOMENTS = pytest.mark.parametrize("moment", list(Moment))


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    monkeypatch.setattr("services.connection.follows.LINGER_S", 0.0)
    monkeypatch.setattr("services.connection.attendance.BEAT_S", 0.05)
    monkeypatch.setattr("services.shared.bus.ready.STALE_MS", 50)
    async with open_bus(workers_redis, redis_command_connections=8) as bus:
        yield bus


@pytest.fixture
async def pod(bus: Bus) -> AsyncIterator[Pod]:
    opened = Pod(bus)
    opened.run()
    yield opened
    await opened.tasks.close()


@ON_BOTH
@ALL_MOMENTS
@pytest.mark.parametrize("others", [False, True], ids=["the first", "one more"])
async def test_a_device_whose_join_is_cancelled_is_as_if_it_never_came(
    bus: Bus, pod: Pod, others: bool, moment: Moment
) -> None:
    async def make() -> Subject:
        conversation = await house_of(bus).conversation()
        channel = Channel.of_conversation(conversation)
        device, asked = a_device(FakeWire()), Join(fresh(), channel, ANN, b"")  # type: ignore[arg-type]
        there, also = a_device(FakeWire()), Join(fresh(), channel, ANN, b"")  # type: ignore[arg-type]
        if others:
            await pod.arrivals.join(there, also, pod.arrivals.register(there, also))
        followed, answers = pod.arrivals.register(device, asked), list[Any]()
        began = False

        async def join() -> None:
            nonlocal began
            began = True
            answers.append(await pod.arrivals.join(device, asked, followed))

        async def holds() -> None:
            if began and not answers:
                assert device not in followed.arrivals
                assert device.joining is None
            pod.arrivals.leave(device, channel)  # what its end does in any case
            assert device not in followed.arrivals
            assert device.joining is None
            assert (followed.joins is not None) == others
            pod.arrivals.leave(there, channel)
            assert followed.joins is None
            await pod.nobody_is_here(conversation)
            await pod.come_and_go(conversation)
            await assert_answered(bus, conversation)

        return Subject(join(), holds)

    assert await cut_everywhere(make, moment) >= 1
    await pod.tasks.close()
    await assert_pools_whole(bus)


Rpc = Callable[[Bus, ConversationId, str], tuple[str, dict[str, Any]]]


def send(bus: Bus, conversation: ConversationId, name: str) -> tuple[str, dict[str, Any]]:
    return "conversation.send", {"conversation": conversation, "id": name, "text": "hello"}


def history(bus: Bus, conversation: ConversationId, name: str) -> tuple[str, dict[str, Any]]:
    return "conversation.history", {"conversation": conversation}


def cancel(bus: Bus, conversation: ConversationId, name: str) -> tuple[str, dict[str, Any]]:
    return "conversation.cancel", {"conversation": conversation}


def read_up_to(bus: Bus, conversation: ConversationId, name: str) -> tuple[str, dict[str, Any]]:
    return "conversation.read", {"conversation": conversation, "seq": 1}


def typing(bus: Bus, conversation: ConversationId, name: str) -> tuple[str, dict[str, Any]]:
    return "conversation.typing", {"conversation": conversation, "typing": True}


@ALL_MOMENTS
@pytest.mark.parametrize("rpc", [send, history, cancel, read_up_to, typing], ids=lambda rpc: rpc.__name__)
async def test_a_command_that_was_given_up_can_be_made_again_and_counts_once(
    bus: Bus, pod: Pod, rpc: Rpc, moment: Moment
) -> None:
    brake = Brake(bus.backlog, 1_000_000, bus.floor.metrics)
    off = Tracing.off()
    replicated = pod.outbound.ticker.replicated
    inbound = Inbound(Deeds(bus, brake, fresh, replicated, off, bus.floor.clock))  # type: ignore[arg-type]

    async def make() -> Subject:
        conversation, name = await house_of(bus).conversation(), fresh()
        method, arguments = rpc(bus, conversation, name)
        asked = Call(fresh(), ANN, method, msgspec.json.encode(arguments))  # type: ignore[arg-type]

        async def holds() -> None:
            for _ in range(2):
                answer = await inbound.perform(asked)
                assert isinstance(answer, Answered), answer
            if rpc is send:
                page = await bus.messages.history(conversation, ANN)
                assert [each.id for each in page.messages] == [name]
                await assert_answered(bus, conversation)

        return Subject(inbound.perform(asked), holds)

    assert await cut_everywhere(make, moment) >= 1
    await pod.tasks.close()
    await assert_pools_whole(bus)


@ALL_MOMENTS
async def test_seats_that_were_to_be_written_are_written_by_who_goes_on(bus: Bus, moment: Moment) -> None:
    async def make() -> Subject:
        pod, conversation = Pod(bus), await house_of(bus).conversation()
        seats = [ConnectionId(fresh()) for _ in range(2)]
        for seat in seats:
            pod.attendance.enter(conversation, seat, ANN, b"")

        async def seated(number: int) -> bool:
            return (await bus.roster.count(conversation))[0] == number

        async def holds() -> None:
            pod.tasks.start("attendance", pod.attendance.run())
            await eventually(partial(seated, 2), within_s=30.0)
            for seat in seats:
                pod.attendance.leave(conversation, seat, ANN)
            async with asyncio.timeout(30.0):
                await pod.attendance.settled()
            assert await seated(0)
            assert await bus.roster.held(pod.node) == {}
            await pod.tasks.close()

        return Subject(pod.attendance.run(), holds, partial(seated, 2))

    assert await cut_everywhere(make, moment) >= 1
    await assert_pools_whole(bus)


@ALL_MOMENTS
async def test_seats_a_beat_found_missing_are_written_though_it_was_cancelled(
    bus: Bus, moment: Moment
) -> None:
    """Its node was declared dead, and its seats freed."""

    async def make() -> Subject:
        pod, conversation = Pod(bus), await house_of(bus).conversation()
        pod.attendance.enter(conversation, ConnectionId(fresh()), ANN, b"")
        writing = pod.tasks.start("attendance", pod.attendance.run())
        await pod.attendance.settled()
        pod.attendance._doubtful = False
        mark = (await bus.roster.beats())[pod.node].mark
        await bus.roster.reap(pod.node, mark, grace_ms=0)

        async def seated() -> bool:
            return await bus.roster.count(conversation) == (1, 1)

        async def holds() -> None:
            pod.tasks.start("beat", pod.attendance.beat())
            await eventually(seated, within_s=30.0)
            assert not writing.done()
            await pod.tasks.close()

        return Subject(pod.attendance.beat(), holds, seated)

    assert await cut_everywhere(make, moment) >= 1
    await assert_pools_whole(bus)


@ALL_MOMENTS
async def test_who_waits_for_a_tick_is_served_by_the_next_one(bus: Bus, moment: Moment) -> None:
    """The one who ticks is cut, and of two who wait one gives up."""

    async def make() -> Subject:
        ticker = Pod(bus).outbound.ticker
        tasks = Tasks()
        patient, impatient = (tasks.start("wait", ticker.replicated()) for _ in range(2))

        async def served() -> bool:
            return patient.done()

        async def holds() -> None:
            impatient.cancel()
            ticker.want()
            tasks.start("ticker", ticker.run())
            await eventually(served)
            assert len(patient.result()) == 40
            assert not ticker._waiting
            await tasks.close()

        return Subject(ticker.run(), holds, served)

    assert await cut_everywhere(make, moment) >= 1
    await assert_pools_whole(bus)


async def _held(shards: OwnShards, wanted: range) -> bool:
    return await shards.look() == frozenset(wanted)


@ALL_MOMENTS
async def test_a_round_of_the_porter_that_was_cut_is_finished_by_the_next(bus: Bus, moment: Moment) -> None:
    """Two seats of a dead pod: freed, and the leave announced, at whatever step the round before ended."""

    shards = shards_of(house_of(bus), bus.floor.metrics)
    everything = range(bus.floor.settings.partitions)
    await eventually(lambda: _held(shards, everything), within_s=15)  # from whoever held them before

    async def make() -> Subject:
        house, node, clock = house_of(bus), NodeId(f"node-{fresh()}"), FakeClock()
        rooms = [await house.conversation() for _ in range(2)]
        for room in rooms:
            await bus.roster.enter(room, ConnectionId(fresh()), ANN, None, node)
        sweep = sweep_of(house, clock, bus.floor.metrics, shards=shards, dead_after_ms=1_000)
        await sweep.once()
        clock.advance(2)

        async def holds() -> None:
            for _ in range(4):  # leaves are told once it was calm for three seconds
                clock.advance(2)
                await sweep.once()
            assert [await bus.roster.count(room) for room in rooms] == [(0, 0)] * 2
            assert node not in await bus.roster.beats()
            present = [bus.floor.keys.conversation(room).present for room in rooms]
            assert await bus.floor.commands.exists(*present) == 0
            assert await bus.roster.departing() == 0

        return Subject(sweep.once(), holds)

    assert await cut_everywhere(make, moment) >= 5
    await assert_pools_whole(bus)
