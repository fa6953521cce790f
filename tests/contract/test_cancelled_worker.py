"""A worker whose tasks are cancelled at their n-th await for each n: whatever it leaves behind, a healthy
worker finishes every accepted turn with one final.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from services.conversation.graph.agent import Agent
from services.conversation.graph.build import SPEAKING
from services.conversation.graph.keeping import open_threads
from services.conversation.graph.state import ThreadState
from services.conversation.intake import Intake
from services.conversation.keeper import Keeper
from services.conversation.settings import WorkerSettings
from services.conversation.worker import Tools
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import NodeId, TurnId
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.metrics import Metrics
from tests.support.bus_house import SHORT_MS, house_of
from tests.support.loops import ON_ASYNCIO, ON_UVLOOP
from tests.support.nth_await import HARDEST, Cut, Moment
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually
from tests.support.whole_pools import assert_pools_whole
from tests.support.workers import Talk, graph_of

pytestmark = [ON_UVLOOP, pytest.mark.slow]
LEASE_S = 3600.0
"""Nobody loses one because the machine is busy; for who is no more, the test lets the time pass."""
WITHIN_S = 60.0
"""What a busy machine gets for what takes milliseconds."""
Node = Callable[[ThreadState], Awaitable[ThreadState]]


class CuttingTasks(Tasks):
    """Cuts one task: the so-many-th of the name it is aimed at."""

    def __init__(self, occurrence: int, cut: Cut) -> None:
        super().__init__()
        self.aim = ""
        self.subject: asyncio.Task[Any] | None = None
        self.cut = cut
        self._to_come = occurrence

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        self._to_come -= name == self.aim
        if name != self.aim or self._to_come != 0:
            return super().start(name, work)
        self.subject = super().start(name, self.cut.drive(work))
        if self.cut.n == 0:
            self.cut.strike(self.subject)
            self.subject.add_done_callback(lambda _: work.close())
        return self.subject


async def answer(_: ThreadState) -> ThreadState:
    await asyncio.sleep(0)
    return {"messages": [AIMessage("Here is the answer.")]}


@asynccontextmanager
async def parts(bus: Bus, keeper: Keeper, tasks: Tasks, node: Node = answer) -> AsyncIterator[Intake]:
    """Hands around a graph that answers; nothing serves yet."""
    settings = WorkerSettings(lease_s=LEASE_S, drain_s=5.0, delta_ms=0.0)
    graph = graph_of(answer=node)
    threads = await open_threads(bus, graph, settings)
    agent = Agent(graph, threads, SPEAKING)
    tools = Tools(bus.turns, agent, tasks, bus.floor.clock, bus.floor.metrics, settings)
    yield Intake(bus, keeper, tools, NodeId(fresh_id()), fresh_id)
    await tasks.close()


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    monkeypatch.setattr("services.shared.bus.ready.STALE_MS", 50)
    monkeypatch.setattr("services.conversation.intake.SWEEP_S", 0.1)
    monkeypatch.setattr("services.conversation.intake.BLOCK_MS", 100)
    async with open_bus(workers_redis, redis_command_connections=8) as bus:
        yield bus


@pytest.fixture
async def keeper(bus: Bus) -> AsyncIterator[Keeper]:
    opening = partial(Bus.open, bus.floor.settings, process=fresh_id(), clock=SystemClock())
    made = Keeper(lambda: opening(metrics=Metrics()), lease_s=LEASE_S, clock=SystemClock())
    await made.start()
    yield made
    await made.stop()


async def assert_whole(bus: Bus, talk: Talk, turns: int) -> None:
    """Each turn one final, completed; nothing held, nothing open."""
    ends = await talk.events("turn.finished")
    assert list(Counter(end["turn"] for end in ends).values()) == [1] * turns
    assert {end["outcome"] for end in ends} == {"completed"}
    said = await talk.events("message.completed")
    assert [each["text"] for each in said] == ["Here is the answer."] * turns
    at = bus.floor.keys.conversation(talk.id)

    async def let_go() -> bool:
        return await bus.floor.commands.exists(at.lease, at.fifo, at.open, at.spoken) == 0

    await eventually(let_go, within_s=WITHIN_S)


async def ran_out(bus: Bus, talk: Talk, but: NodeId) -> None:
    """Let the lease of any worker but this one have run out. A worker's last word may still have been on its
    way: ask again. Until its time has passed nobody else can take it, so nothing happens in between.
    """
    at = bus.floor.keys.conversation(talk.id)
    held: Any = await bus.floor.commands.hmget(at.lease, "worker", "until_ms")
    worker, until_ms = held
    if worker is not None and worker.decode() != but and int(until_ms) > 0:
        await bus.floor.commands.hset(at.lease, "until_ms", 0)
        await bus.floor.commands.zadd(at.shared.running, {talk.id: 0})


async def finished(bus: Bus, talk: Talk, turn: TurnId, by: NodeId) -> None:
    """Wait until a turn has its end, by this worker if by any."""

    async def ended() -> bool:
        await ran_out(bus, talk, by)
        return bool(await talk.events("turn.finished", turn))

    await eventually(ended, within_s=WITHIN_S, every_s=0.05)


async def leave_behind(bus: Bus, keeper: Keeper, task: str, occurrence: int, cut: Cut) -> Talk:
    """A conversation whose worker's task was cut and then the whole worker went."""
    talk, tasks = await Talk.new(bus), CuttingTasks(occurrence, cut)
    async with parts(bus, keeper, tasks) as intake:
        turn = await talk.say("hello")
        tasks.aim = f"{task} {talk.id if task == 'conversation' else turn}"
        serving = tasks.start("serve", intake.serve())
        await eventually(lambda: tasks.subject is not None and tasks.subject.done(), within_s=WITHIN_S)
        serving.cancel()
        await tasks.close()
        assert_empty_handed(intake, keeper)
    return talk


async def leave_unserved(bus: Bus, keeper: Keeper, task: str, cut: Cut) -> Talk:
    """A conversation, for `sweep` one whose worker is no more, and a worker one of whose own tasks was cut;
    then the whole worker went.
    """
    talk, tasks = await Talk.new(bus), CuttingTasks(1, cut)
    async with parts(bus, keeper, tasks) as intake:
        turn = await talk.say("hello")
        if task == "sweep":
            await house_of(bus).claim(talk.id, SHORT_MS)
        tasks.aim = task
        tasks.start(task, {"serve": intake.serve, "sweep": intake.sweep}[task]())

        async def cut_or_answered() -> bool:
            assert tasks.subject is not None
            return tasks.subject.done() or bool(await talk.events("turn.finished", turn))

        await eventually(cut_or_answered, within_s=WITHIN_S)
        await tasks.close()
        assert tasks.subject is not None
        assert tasks.subject.cancelled()
        assert_empty_handed(intake, keeper)
    return talk


def assert_empty_handed(intake: Intake, keeper: Keeper) -> None:
    assert not intake._held
    assert not intake._runs
    assert not intake._waiting
    assert intake._free._value == intake._tools.settings.conversations
    assert intake._idle.is_set()
    assert not keeper._holds


async def cut_task(bus: Bus, keeper: Keeper, leave: Callable[[Cut], Awaitable[Talk]], moment: Moment) -> None:
    """Leave a conversation behind for each await; then a healthy worker comes."""
    talks: list[Talk] = []
    for n in range(200):
        cut = Cut(n, moment)
        talks.append(await leave(cut))
        if not cut.struck:
            break
    assert len(talks) > 2
    await assert_pools_whole(bus)
    tasks = Tasks()
    async with parts(bus, keeper, tasks) as healthy:
        for work in (healthy.sweep, healthy.serve):
            tasks.start(work.__name__, work())
        turns = [await talk.say("still there?") for talk in talks]
        for n, (talk, turn) in enumerate(zip(talks, turns, strict=True)):
            try:
                await finished(bus, talk, turn, healthy._worker)
                await assert_whole(bus, talk, 2)
            except AssertionError as error:
                error.add_note(f"cut: {Cut(n, moment)}")
                raise
        await healthy.drain()
    assert not keeper._holds


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize(
    ("task", "occurrence"), [("conversation", 1), ("speak", 1), ("graph", 1), ("graph", 2)], ids=str
)
async def test_what_a_worker_leaves_whose_task_was_cut_is_finished_by_another(
    bus: Bus, keeper: Keeper, task: str, occurrence: int, moment: Moment
) -> None:
    await cut_task(bus, keeper, partial(leave_behind, bus, keeper, task, occurrence), moment)


@pytest.mark.parametrize("moment", HARDEST)
@pytest.mark.parametrize("task", ["serve", "sweep"])
async def test_what_a_worker_found_and_did_not_take_up_is_found_by_another(
    bus: Bus, keeper: Keeper, task: str, moment: Moment
) -> None:
    await cut_task(bus, keeper, partial(leave_unserved, bus, keeper, task), moment)


@ON_ASYNCIO
@pytest.mark.parametrize("moment", HARDEST)
@pytest.mark.parametrize(("task", "occurrence"), [("conversation", 1), ("graph", 2)], ids=str)
async def test_what_a_worker_leaves_is_finished_by_another_on_the_other_loop_too(
    bus: Bus, keeper: Keeper, task: str, occurrence: int, moment: Moment
) -> None:
    await cut_task(bus, keeper, partial(leave_behind, bus, keeper, task, occurrence), moment)


async def test_a_graph_whose_own_code_is_cancelled_fails_its_turn_and_holds_nothing_up(
    bus: Bus, keeper: Keeper
) -> None:
    """Code that waits for a task somebody cancelled is cancelled with it; nobody cancelled the turn."""
    tasks, calls = Tasks(), list[int]()

    async def waits_for_the_cancelled(_: ThreadState) -> ThreadState:
        calls.append(1)
        if len(calls) == 1:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone
        return {"messages": [AIMessage("Here is the answer.")]}

    async with parts(bus, keeper, tasks, waits_for_the_cancelled) as intake:
        tasks.start("serve", intake.serve())
        talk = await Talk.new(bus)
        first = await talk.finished(await talk.say("hello"), within_s=WITHIN_S)
        assert first["outcome"] == "failed"
        second = await talk.finished(await talk.say("still there?"), within_s=WITHIN_S)
        assert second["outcome"] == "completed"
        await intake.drain()
