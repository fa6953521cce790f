"""One conversation's queue under any interleaving of people, two workers, frozen owners, cancels and repeats.

On a real Redis: the scripts themselves are what is tried. Whatever happens, nobody writes without the lease,
nothing that waits is ever lost sight of, and once all is drained every turn has had one end and every message
one fate.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.shared.model.errors import LeaseLost
from services.shared.model.ids import AttemptId, ConversationId, MessageId, NodeId, TurnId
from services.shared.model.turn import Lease, Ready, Turn, TurnState
from tests.support.bus_house import AGENT, ANN, LONG_MS, House, fresh
from tests.support.driven_house import driven_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, House]]:
    yield from driven_house(tmp_path_factory.mktemp("redis"))


@dataclass
class Worker:
    """What one worker believes; it may be long out of date."""

    name: NodeId
    lease: Lease | None = None
    turn: Turn | None = None
    message: MessageId | None = None
    said: int = 0


@dataclass
class World:
    """One conversation, two workers, and what must be true of them."""

    house: House
    conversation: ConversationId
    workers: list[Worker]
    accepted: list[TurnId] = field(default_factory=list)
    owner: Lease | None = None
    running: Turn | None = None
    live: bool = False

    async def do(self, step: str, who: int, twice: bool) -> None:
        """Take one step, twice if its first reply is to be lost, and check what must always hold."""
        worker = self.workers[who]
        action: Callable[[Worker, bool], Awaitable[None]] = getattr(self, step)
        await action(worker, twice)
        await self.nothing_that_waits_is_lost_sight_of()

    async def accept(self, _: Worker, twice: bool) -> None:
        message = MessageId(fresh())
        for repeat in range(1 + twice):
            accepted = await self.house.messages.accept(self.conversation, ANN, message, "hi")
            assert accepted.repeated == bool(repeat)
        self.accepted.extend(accepted.turns)

    async def claim(self, worker: Worker, twice: bool) -> None:
        at = self.house.floor.keys.conversation(self.conversation)
        entries: Any = await self.house.floor.commands.xrange(at.shared.ready)
        mine = [entry.decode() for entry, fields in entries if fields[b"c"] == self.conversation.encode()]
        ready = Ready(at.partition, self.conversation, mine[0] if mine else None)
        attempt = AttemptId(fresh())
        for _ in range(1 + twice):
            lease = await self.house.leases.claim(
                ready, worker=worker.name, attempt=attempt, lease_ms=LONG_MS
            )
        if lease is not None:
            assert not self.live, "a lease was taken from an owner who had time left"
            self.live = True
            worker.lease, worker.turn, worker.message = lease, None, None
            self.owner, self.running = lease, None
        elif not await self.house.floor.commands.exists(at.lease):
            self.owner = None  # it had run out, and nothing waited: cleared away

    async def begin(self, worker: Worker, twice: bool) -> None:
        async def write(lease: Lease) -> None:
            turn = await self.house.turns.begin(lease)
            worker.turn, worker.message = turn, None
            self.running = turn
            at = self.house.floor.keys.conversation(lease.conversation)
            assert not await self.house.floor.commands.exists(at.open), "left by an older attempt"

        for _ in range(1 + twice):
            if worker.lease:
                await self.fenced(worker, worker.lease, write, entitled=worker.lease == self.owner)

    async def start_message(self, worker: Worker, twice: bool) -> None:
        message = MessageId(fresh())

        async def write(lease: Lease) -> None:
            assert worker.turn
            await self.house.turns.start_message(lease, worker.turn, message, AGENT)
            worker.message, worker.said = message, 0

        await self.speaking(worker, write, twice)

    async def delta(self, worker: Worker, twice: bool) -> None:
        at = worker.said

        async def write(lease: Lease) -> None:
            assert worker.turn
            if worker.message:
                await self.house.turns.delta(lease, worker.turn, worker.message, at, "word")
                worker.said = at + 4

        if worker.message:
            await self.speaking(worker, write, twice)

    async def complete(self, worker: Worker, twice: bool) -> None:
        message = worker.message

        async def write(lease: Lease) -> None:
            assert worker.turn
            assert message
            text = "word" * (worker.said // 4)
            await self.house.turns.complete_message(lease, worker.turn, message, text, source=message)
            worker.message = None

        if message:
            await self.speaking(worker, write, twice)

    async def finish(self, worker: Worker, twice: bool) -> None:
        async def write(lease: Lease) -> None:
            assert worker.turn
            stopping = worker.turn.state is TurnState.CANCELLING
            await self.house.turns.finish(lease, worker.turn, "cancelled" if stopping else "completed")

        await self.speaking(worker, write, twice)
        worker.turn = worker.message = None

    async def release(self, worker: Worker, twice: bool) -> None:
        async def write(lease: Lease) -> None:
            if await self.house.leases.release(lease):
                self.owner, worker.lease, worker.turn, self.live = None, None, None, False

        for _ in range(1 + twice):
            if worker.lease:
                await self.fenced(worker, worker.lease, write, entitled=self.owner in {worker.lease, None})

    async def hand_over(self, worker: Worker, _: bool) -> None:
        async def write(lease: Lease) -> None:
            await self.house.leases.hand_over(lease)
            self.owner, worker.lease, worker.turn, self.live = None, None, None, False

        if worker.lease:
            await self.fenced(worker, worker.lease, write, entitled=self.owner in {worker.lease, None})

    async def expire(self, _: Worker, __: bool) -> None:
        """The owner freezes for longer than its lease; nobody told it."""
        at = self.house.floor.keys.conversation(self.conversation)
        if await self.house.floor.commands.exists(at.lease):
            await self.house.floor.commands.hset(at.lease, "until_ms", "0")
            await self.house.floor.commands.zadd(at.shared.running, {self.conversation: 0})
            self.live = False

    async def cancel(self, _: Worker, twice: bool) -> None:
        for _repeat in range(1 + twice):
            await self.house.turns.cancel(self.conversation, ANN, None)

    async def speaking(self, worker: Worker, write: Callable[[Lease], Awaitable[None]], twice: bool) -> None:
        for _ in range(1 + twice):
            if worker.lease and worker.turn:
                entitled = worker.lease == self.owner and worker.turn == self.running
                await self.fenced(worker, worker.lease, write, entitled=entitled)

    async def fenced(
        self, worker: Worker, lease: Lease, write: Callable[[Lease], Awaitable[None]], *, entitled: bool
    ) -> None:
        """Whoever is entitled may write, and nobody else."""
        try:
            await write(lease)
        except LeaseLost:
            assert not entitled
            worker.lease = worker.turn = worker.message = None
        else:
            assert entitled

    async def nothing_that_waits_is_lost_sight_of(self) -> None:
        at, commands = self.house.floor.keys.conversation(self.conversation), self.house.floor.commands
        if not await commands.exists(at.fifo):
            return
        entries: Any = await commands.xrange(at.shared.ready)
        told = any(fields[b"c"] == self.conversation.encode() for _, fields in entries)
        found = await commands.zscore(at.shared.running, self.conversation) is not None
        assert told or found

    async def drain(self) -> None:
        """A healthy worker comes and does all that is left."""
        worker = Worker(NodeId("last"))
        await self.expire(worker, False)
        await self.claim(worker, False)
        while worker.lease and await self.house.turns.begin(worker.lease):
            await self.begin(worker, False)
            await self.finish(worker, False)
        if worker.lease:
            assert await self.house.leases.release(worker.lease)

    async def all_has_ended_once(self) -> None:
        events = await self.house.events(self.conversation)
        finals = [event for event in events if event["type"] == "turn.finished"]
        assert sorted(final["turn"] for final in finals) == sorted(self.accepted)
        answered = [final["turn"] for final in finals if final["outcome"] == "completed"]
        assert answered == [turn for turn in self.accepted if turn in answered]
        started = [event["message"] for event in events if event["type"] == "message.started"]
        fates = [e["message"] for e in events if e["type"] in {"message.completed", "message.retracted"}]
        assert sorted(started) == sorted(fates)
        assert "message.delta" not in {event["type"] for event in events}
        begun = [event["attempt"] for event in events if event["type"] == "turn.started"]
        assert len(begun) == len(set(begun))
        at = self.house.floor.keys.conversation(self.conversation)
        assert not await self.house.floor.commands.exists(at.fifo, at.lease, at.open, at.spoken)


OFTEN = ("accept", "claim", "begin", "start_message", "delta", "complete", "finish")
STEPS = (*OFTEN, *OFTEN, "release", "hand_over", "expire", "cancel")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 1), st.booleans()), min_size=25, max_size=60)
)
def test_whatever_happens_every_turn_ends_once_and_nobody_writes_without_the_lease(
    house: tuple[asyncio.Runner, House], steps: list[tuple[str, int, bool]]
) -> None:
    runner, opened = house

    async def live() -> None:
        world = World(opened, await opened.conversation(), [Worker(NodeId("w1")), Worker(NodeId("w2"))])
        for step, who, twice in steps:
            await world.do(step, who, twice)
        await world.drain()
        await world.all_has_ended_once()

    runner.run(live())
