"""The ticker, the roster's keeper and the pulse: what runs beside the devices."""

import asyncio
from collections.abc import Callable, Mapping

from services.connection.attendance import Attendance
from services.connection.pulse import SLOT_S, Pulse
from services.connection.ticker import Ticker
from services.shared.model.errors import BusUnavailable, NotReplicated
from services.shared.model.ids import ConnectionId, ConversationId, NodeId, UserId
from tests.support.waiting import eventually

ANN, SOCKET = UserId("ann"), ConnectionId("socket")


class GatedConfirmer:
    """Ticks are confirmed when the test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate: asyncio.Queue[str | Exception] = asyncio.Queue()

    async def tick(self) -> str:
        self.begun += 1
        said = await self.gate.get()
        if isinstance(said, Exception):
            raise said
        return said


async def test_who_asks_while_a_tick_is_under_way_waits_for_the_next_one() -> None:
    confirmer, confirmed = GatedConfirmer(), list[tuple[int, str]]()
    ticker = Ticker(confirmer, lambda *tick: confirmed.append(tick))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(ticker.run())
        early = group.create_task(ticker.replicated())
        await eventually(lambda: confirmer.begun == 1)
        late = group.create_task(ticker.replicated())
        await asyncio.sleep(0)
        confirmer.gate.put_nowait("a")
        assert await early == "a"
        await eventually(lambda: confirmer.begun == 2)
        assert not late.done()
        confirmer.gate.put_nowait("b")
        assert await late == "b"
        running.cancel()
    assert confirmed == [(1, "a"), (2, "b")]


async def test_a_tick_that_was_not_confirmed_is_tried_again_and_confirms_nothing() -> None:
    confirmer, confirmed = GatedConfirmer(), list[tuple[int, str]]()
    ticker = Ticker(confirmer, lambda *tick: confirmed.append(tick))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(ticker.run())
        waiting = group.create_task(ticker.replicated())
        confirmer.gate.put_nowait(NotReplicated("no replica"))
        await eventually(lambda: ticker.failing)
        assert not waiting.done()
        confirmer.gate.put_nowait("a")
        assert await waiting == "a"
        running.cancel()
    assert (confirmed, ticker.failing) == ([(2, "a")], False)


async def test_who_gave_up_waiting_is_forgotten_while_no_tick_is_confirmed() -> None:
    confirmer = GatedConfirmer()
    ticker = Ticker(confirmer, lambda *_: None)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(ticker.run())
        waiting = [group.create_task(ticker.replicated()) for _ in range(100)]
        await eventually(lambda: confirmer.begun == 1)
        for task in waiting:
            task.cancel()
        confirmer.gate.put_nowait(NotReplicated("no replica"))
        await eventually(lambda: ticker.failing)
        assert not ticker._waiting
        running.cancel()


async def test_nobody_waiting_means_no_ticks() -> None:
    confirmer = GatedConfirmer()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Ticker(confirmer, lambda *_: None).run())
        for _ in range(5):
            await asyncio.sleep(0)
        running.cancel()
    assert confirmer.begun == 0


class NotedRoster:
    """Notes the deeds; `faults` come first."""

    def __init__(self) -> None:
        self.deeds: list[str] = []
        self.faults = 0
        self.listed = True

    async def enter(self, conversation: ConversationId, connection: ConnectionId, *_: object) -> None:
        self._deed(f"enter {conversation}")

    async def leave(self, conversation: ConversationId, *_: object, grace_ms: int) -> None:
        self._deed(f"leave {conversation} {grace_ms}")

    async def held(self, _: NodeId) -> Mapping[tuple[ConversationId, ConnectionId], UserId]:
        return {(ConversationId("ghost"), SOCKET): ANN}

    async def beat(self, node: NodeId, census: Mapping[str, int]) -> bool:
        listed, self.listed = self.listed, True
        self.deeds.append(f"beat {node} {census}")
        return listed

    def _deed(self, deed: str) -> None:
        if self.faults:
            self.faults -= 1
            raise BusUnavailable("away")
        self.deeds.append(deed)


def _attendance(roster: NotedRoster) -> Attendance:
    return Attendance(roster, NodeId("n"), 5000, lambda: {"connections": 1})  # type: ignore[arg-type]


async def _while_running(attendance: Attendance, do: Callable[[], None]) -> None:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(attendance.run())
        do()
        await attendance.settled()
        running.cancel()


async def test_a_seat_is_entered_and_left_even_when_redis_is_away_at_first() -> None:
    roster = NotedRoster()
    attendance = _attendance(roster)
    roster.faults = 1
    await _while_running(attendance, lambda: attendance.enter("c", SOCKET, ANN, b'{"user":"ann"}'))
    await _while_running(attendance, lambda: attendance.leave("c", SOCKET, ANN))
    assert roster.deeds == ["enter c", "leave c 5000"]


async def test_a_seat_taken_and_left_before_it_was_written_is_only_left() -> None:
    roster = NotedRoster()
    attendance = _attendance(roster)

    def come_and_go() -> None:
        attendance.enter("c", SOCKET, ANN, b"")
        attendance.leave("c", SOCKET, ANN)

    await _while_running(attendance, come_and_go)
    assert roster.deeds == ["leave c 5000"]


async def test_a_node_that_was_struck_off_enters_its_seats_again() -> None:
    roster = NotedRoster()
    attendance = _attendance(roster)
    await _while_running(attendance, lambda: attendance.enter("c", SOCKET, ANN, b""))
    roster.listed = False
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each) for each in (attendance.run(), attendance.beat())]
        await eventually(lambda: roster.deeds.count("enter c") == 2)
        for task in running:
            task.cancel()


async def test_a_seat_that_redis_holds_and_nobody_sits_in_is_left_after_another_master_took_over() -> None:
    roster = NotedRoster()
    attendance = _attendance(roster)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each) for each in (attendance.run(), attendance.beat())]
        await eventually(lambda: "leave ghost 5000" in roster.deeds)
        attendance.enter("c", SOCKET, ANN, b"")
        attendance.moved()
        await eventually(
            lambda: roster.deeds.count("enter c") == 2 and roster.deeds.count("leave ghost 5000") == 2
        )
        for task in running:
            task.cancel()


class Sleeper:
    """Notes when it was woken."""

    def __init__(self) -> None:
        self.wake_at = float("inf")
        self.woken: list[float] = []

    def wake(self) -> None:
        self.woken.append(asyncio.get_running_loop().time())


async def test_a_device_is_woken_once_not_before_its_time_and_the_earliest_time_counts() -> None:
    loop, sleeper = asyncio.get_running_loop(), Sleeper()
    pulse = Pulse(loop)
    pulse.start()
    soon = loop.time() + 0.1
    pulse.schedule(sleeper, soon + 1.0)
    pulse.schedule(sleeper, soon)
    pulse.schedule(sleeper, soon + 0.5)
    await eventually(lambda: sleeper.woken)
    pulse.schedule(sleeper, loop.time() + SLOT_S)
    await eventually(lambda: len(sleeper.woken) == 2)
    pulse.stop()
    assert sleeper.woken[0] >= soon


class FaultySleeper:
    def __init__(self, fault: Exception | None = None) -> None:
        self.wake_at = float("inf")
        self.woken = 0
        self.fault = fault

    def wake(self) -> None:
        self.woken += 1
        if self.fault is not None:
            raise self.fault


async def test_a_fault_in_one_device_does_not_stop_the_pulse_of_the_others() -> None:
    loop, seen = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
    pulse, fault = Pulse(loop), RuntimeError("of one device")
    before, broken, after, later = FaultySleeper(), FaultySleeper(fault), FaultySleeper(), FaultySleeper()
    pulse.start()
    for each in (before, broken, after):
        pulse.schedule(each, loop.time())
    pulse.schedule(later, loop.time() + 2 * SLOT_S)
    await eventually(lambda: later.woken == 1)
    pulse.stop()
    assert (before.woken, broken.woken, after.woken, seen) == (1, 1, 1, [fault])
