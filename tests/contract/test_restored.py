"""`continuo restored`: what is true of devices, workers and connections once a backup took the place of what
came after it.

Data are put back under the running master, which nothing tells from before: what a new master would make
safe by itself is not. `test_restored_backup` takes the whole way.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from services.local.embedded import EmbeddedRedis
from services.local.ending import LocalError
from services.local.restored import made_fit
from services.shared.bus import restore
from services.shared.bus.house import Bus
from services.shared.bus.keys import BIRTH, NODES, RESTORING
from services.shared.bus.restore import Restore
from services.shared.model.asking import Ask
from services.shared.model.errors import LeaseLost, Refused
from services.shared.model.events import ConversationUpdated
from services.shared.model.ids import AttemptId, Channel, ConnectionId, ConversationId, NodeId, UserId
from services.shared.model.position import Position, serves
from services.shared.model.turn import Lease, Ready, Turn
from tests.support.bus_house import ANN, WORKER, House, fresh, house_of
from tests.support.kept_data import Kept, told
from tests.support.nth_await import HARDEST, Moment, Subject, cut_everywhere
from tests.support.open_bus import open_bus
from tests.support.redis_group import redis_group
from tests.support.waiting import eventually

PARTITIONS = 3
BOB = UserId("bob")
ANNS = Channel.of_user(ANN)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    yield from redis_group(tmp_path_factory.mktemp("redis"))


@pytest.fixture
async def bus(redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(redis, partitions=PARTITIONS) as bus:
        await bus.floor.commands.flushall()
        yield bus


@dataclass
class Backed:
    """A house as it was when the backup was taken, and what it showed to whom since."""

    bus: Bus
    house: House
    kept: Kept
    talk: ConversationId
    quiet: ConversationId
    lease: Lease
    turn: Turn
    behind: dict[Channel, Position]
    """Where devices stood at the backup."""
    ahead: dict[Channel, Position]

    @classmethod
    async def of(cls, bus: Bus) -> "Backed":
        """A conversation in the middle of an answer and with more waiting, one in which turns wait, seats."""
        house = house_of(bus)
        talk, quiet = await house.conversation(BOB), await house.conversation()
        for each in (talk, talk, quiet):
            await house.ask(each)
        lease = await house.claim(talk)
        turn = await house.begin(lease)
        await house.say(lease, turn, "half an ans")
        await house.turns.ready(NodeId("another"), block_ms=1, count=9)  # who took word of it, and died
        for node in ("pod-1", "pod-2"):
            for user in (ANN, BOB):
                await house.roster.enter(talk, ConnectionId(fresh()), user, None, NodeId(node))
        await bus.journal.append_user(ANN, ConversationUpdated(talk, "new"), once="before")
        await bus.birth.look()
        kept, behind = await Kept.of(bus.floor.commands), await cls._tops(bus, talk, quiet)
        for each in (talk, quiet):
            await house.ask(each, "lost")
        await bus.journal.append_user(ANN, ConversationUpdated(talk, "newer"), once="after")
        ahead = await cls._tops(bus, talk, quiet)
        return cls(bus, house, kept, talk, quiet, lease, turn, behind, ahead)

    @staticmethod
    async def _tops(bus: Bus, *talks: ConversationId) -> dict[Channel, Position]:
        channels = [*map(Channel.of_conversation, talks), ANNS]
        return {channel: head.position for channel, head in (await bus.journal.tops(channels)).items()}

    async def lose(self) -> None:
        """What came after the backup never was."""
        await self.kept.put_back(self.bus.floor.commands)

    async def go_on(self) -> None:
        """As much is said as was lost, and more."""
        for each in (self.talk, self.quiet):
            for _ in range(3):
                await self.house.ask(each, "another")
        for number in range(3):
            event = ConversationUpdated(self.talk, "other")
            await self.bus.journal.append_user(ANN, event, once=f"other-{number}")

    async def served(self, positions: dict[Channel, Position]) -> set[Channel]:
        """Channels whose reader at this position would be taken on."""
        heads = await self.bus.journal.tops(positions)
        return {channel for channel, position in positions.items() if serves(heads[channel], position)}


async def test_a_device_ahead_of_the_backup_is_told_so_and_one_that_is_not_goes_on(bus: Bus) -> None:
    backed = await Backed.of(bus)
    await backed.lose()
    await bus.restore.run(grace_ms=0)
    for _ in range(2):
        assert await backed.served(backed.behind) == backed.behind.keys()
        assert await backed.served(backed.ahead) == set()
        await backed.go_on()
    mid = {channel: Position(each.epoch, each.offset - 1) for channel, each in backed.behind.items()}
    assert await backed.served(mid) == mid.keys()


async def test_what_was_asked_at_the_backup_is_asked_again_and_its_answer_goes_on(bus: Bus) -> None:
    house, asks = house_of(bus), [Ask("a" * 32, b"1"), Ask("b" * 32, b"2")]
    talk = await house.conversation()
    await house.ask(talk)
    lease = await house.claim(talk)
    await house.turns.finish(lease, await house.begin(lease), "interrupted", asks=asks)
    answered = await bus.answers.answer(talk, ANN, fresh(), asks[0].interrupt, b'"before"')
    kept = await Kept.of(bus.floor.commands)
    await bus.answers.answer(talk, ANN, fresh(), asks[1].interrupt, b'"lost"')
    await kept.put_back(bus.floor.commands)
    await bus.restore.run(grace_ms=0)
    assert [each.interrupt for each in (await house.messages.history(talk, ANN)).asked] == [asks[1].interrupt]
    await bus.answers.answer(talk, ANN, fresh(), asks[1].interrupt, b'"after"')
    lease = await house.claim(talk)
    turn = await house.begin(lease)
    assert (turn.id, turn.answer) == (answered.turn, '"before"')
    await house.turns.finish(lease, turn, "completed")
    assert (await house.begin(lease)).answer == '"after"'


async def test_without_it_a_device_ahead_would_skip_in_silence(bus: Bus) -> None:
    """The control: the master is the same one, so nothing else tells its past from the lost one."""
    backed = await Backed.of(bus)
    await backed.lose()
    await backed.go_on()
    assert await backed.served(backed.ahead) == backed.ahead.keys()
    assert (
        await backed.house.leases.renew([backed.lease])
    ).lost == frozenset()  # nor would its worker notice


async def test_a_worker_of_before_may_write_nothing_and_its_turn_is_another_workers(bus: Bus) -> None:
    backed = await Backed.of(bus)
    house, lease, turn = backed.house, backed.lease, backed.turn
    later = await house.leases.renew([lease])
    assert later.lost == frozenset()
    await backed.lose()
    await bus.restore.run(grace_ms=0)

    async def refused() -> None:
        for write in (
            house.turns.begin(lease),
            house.turns.start_message(lease, turn, fresh(), turn.agent),  # type: ignore[arg-type]
            house.turns.finish(lease, turn, "completed"),
            house.turns.complete_message(lease, turn, fresh(), "no", source="x"),  # type: ignore[arg-type]
        ):
            with pytest.raises(LeaseLost):
                await write
        assert (await house.leases.renew([lease])).lost == {lease.attempt}

    await refused()
    ready: list[Ready] = []

    async def all_heard() -> bool:
        ready.extend(await house.turns.ready(WORKER, block_ms=100, count=9))
        return len(ready) == 2

    await eventually(all_heard, within_s=10)
    assert {each.conversation for each in ready} == {backed.talk, backed.quiet}
    assert await house.turns.ready(WORKER, block_ms=1, count=9) == []
    taken = {each.conversation: await _claimed(house, each) for each in ready}
    mine = taken[backed.talk]
    assert mine.token > max(lease.token, bus.floor.clock.now_ms() - 3_600_000)
    await refused()
    again = await house.begin(mine)
    assert (again.id, again.attempts, again.handed_over) == (turn.id, 2, 1)
    await house.turns.finish(mine, again, "completed")
    await house.answer(mine)
    assert await house.leases.release(mine)
    ends = [event["turn"] for event in await house.events(backed.talk) if event["type"] == "turn.finished"]
    assert len(ends) == len(set(ends)) == 2
    assert "message.retracted" in await house.told(backed.talk)


async def _claimed(house: House, ready: Ready) -> Lease:
    lease = await house.leases.claim(ready, worker=WORKER, attempt=AttemptId(fresh()), lease_ms=60_000)
    assert lease is not None
    return lease


async def test_tokens_rise_from_restore_to_restore(bus: Bus) -> None:
    backed = await Backed.of(bus)
    tokens = [backed.lease.token]
    for _ in range(3):
        await backed.lose()
        await bus.restore.run(grace_ms=0)
        tokens.append((await backed.house.claim(backed.talk)).token)
    assert tokens == sorted(set(tokens))


async def test_seats_of_dead_connections_are_free_and_their_users_leave(bus: Bus) -> None:
    backed = await Backed.of(bus)
    await backed.lose()
    assert (await bus.restore.run(grace_ms=0)).seats == 4
    assert await bus.roster.of(backed.talk) == {}
    assert await bus.roster.beats() == {}
    await eventually(lambda: _departed(bus), within_s=10)
    assert await bus.roster.departing() == 0


async def _departed(bus: Bus) -> bool:
    return await bus.roster.depart_due() == 2


async def test_every_process_learns_of_another_life(redis: EmbeddedRedis, bus: Bus) -> None:
    backed = await Backed.of(bus)
    async with open_bus(redis, partitions=PARTITIONS) as straggler:
        await straggler.birth.look()
        await backed.lose()
        await straggler.birth.look()
        assert straggler.birth.emptied == 0
        await bus.restore.run(grace_ms=0)
        await straggler.birth.look()
        assert straggler.birth.emptied == 1


async def test_it_says_what_it_found_and_leaves_nothing_wrong(bus: Bus) -> None:
    backed = await Backed.of(bus)
    await backed.lose()
    done = await bus.restore.run(grace_ms=0)
    assert (done.conversations, done.turns, done.seats) == (2, 3, 4)
    assert done.users == 1
    assert await bus.backlog.depth() == 3
    assert not await bus.floor.commands.exists(RESTORING)
    assert (await bus.inventory.take()).faults == []


async def test_data_of_another_number_of_partitions_are_refused(redis: EmbeddedRedis, bus: Bus) -> None:
    backed = await Backed.of(bus)
    async with open_bus(redis, partitions=PARTITIONS + 60) as other:
        with pytest.raises(Refused, match="another number of partitions"):
            await other.restore.run(grace_ms=0)
    await bus.restore.run(grace_ms=0)
    assert await backed.served(backed.ahead) == backed.ahead.keys()  # nothing was lost, so nothing is


# -- while services run --------------------------------------------------------------------------------


async def _beats(bus: Bus) -> None:
    while True:
        await bus.roster.beat(NodeId("pod-1"), {})
        await asyncio.sleep(0.05)


async def _reads(bus: Bus) -> None:
    while True:
        await bus.turns.ready(NodeId("worker-7"), block_ms=50, count=1)


async def _renews(bus: Bus) -> None:
    house = house_of(bus)
    talk = await house.conversation()
    await house.ask(talk)
    lease = await house.claim(talk)
    while True:
        await house.leases.renew([lease])
        await asyncio.sleep(0.05)


async def _relays(bus: Bus) -> None:
    await bus.outbox.relay("relay-7")


@pytest.mark.parametrize(
    ("living", "named", "watch_s"),
    [
        (_beats, "process pod-1", 1.0),
        (_reads, "worker-7", 1.0),
        (_renews, "worker of conversation", 1.0),
        (_relays, "relay-7", 3.5),  # it reads every two seconds
    ],
)
async def test_it_refuses_while_somebody_lives_unless_forced(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path, living: Any, named: str, watch_s: float
) -> None:
    await Backed.of(bus)
    environ = {"CONTINUO_REDIS_SENTINELS": redis.sentinels, "CONTINUO_PARTITIONS": str(PARTITIONS)}
    async with open_bus(redis, partitions=PARTITIONS) as other:
        life = asyncio.create_task(living(other))
        before = await told(bus.floor.commands)
        with pytest.raises(LocalError, match=f"services run: .*{named}.*nothing was changed"):
            await made_fit(environ, force=False, watch_s=watch_s)
        assert (await told(bus.floor.commands)).keys() >= before.keys()
        await made_fit(environ, force=True)
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
    await eventually(lambda: _quiet(bus), within_s=20)
    await made_fit(environ, force=False, watch_s=0.1)


async def test_the_presence_service_may_run(bus: Bus) -> None:
    await Backed.of(bus)
    watched = asyncio.create_task(bus.restore.beating(1.0))
    for node, beat in (await bus.roster.beats()).items():
        await bus.roster.reap(node, beat.mark, grace_ms=0)
    await bus.roster.enter(ConversationId(fresh()), ConnectionId(fresh()), BOB, None, NodeId("pod-1"))
    await bus.floor.scripts.run(
        "condemn", [NODES], ["pod-1", (await bus.roster.beats())[NodeId("pod-1")].mark]
    )
    assert [each for each in await watched if "pod" in each] == []


async def _quiet(bus: Bus) -> bool:
    return await bus.restore.beating(0.5) == []


# -- stopped in between --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("moment", HARDEST)
async def test_stopped_anywhere_and_called_again_it_comes_to_the_same(
    redis: EmbeddedRedis, bus: Bus, monkeypatch: pytest.MonkeyPatch, moment: Moment
) -> None:
    backed = await Backed.of(bus)
    monkeypatch.setattr(restore, "AT_ONCE", 7)  # so there are many steps
    await backed.lose()
    await bus.restore.run(grace_ms=60_000)
    whole = await _but_for_its_id(bus)

    async def begun() -> Subject:
        await backed.lose()
        return Subject(bus.restore.run(grace_ms=60_000), same)

    async def same() -> None:
        async with open_bus(redis, partitions=PARTITIONS) as another:
            await another.restore.run(grace_ms=60_000)
        assert await _but_for_its_id(bus) == whole
        assert await backed.served(backed.behind) == backed.behind.keys()
        assert await backed.served(backed.ahead) == set()

    assert await cut_everywhere(begun, moment) > 20


async def _but_for_its_id(bus: Bus) -> dict[str, Any]:
    """What every key says; each call has an id of its own, and gives it to epochs and the birth. When
    somebody was seen last is when a call freed the seat.
    """
    found = await told(bus.floor.commands)
    del found[BIRTH]
    of_it = (b"born", b"forks")
    return {
        key: {name: each for name, each in said.items() if name not in of_it}
        if isinstance(said, dict)
        else said
        for key, said in found.items()
        if not key.endswith(":seen")
    }


async def _stopped_before_its_end(bus: Bus) -> None:
    """A restore of which only the last step is left."""
    stopped = patch.object(Restore, "_free_seats", side_effect=asyncio.CancelledError)
    with stopped, pytest.raises(asyncio.CancelledError):
        await bus.restore.run(grace_ms=0)
    assert await bus.floor.commands.exists(RESTORING)


async def test_a_backup_taken_in_the_midst_of_a_restore_is_restored_as_any_other(bus: Bus) -> None:
    """Its epochs and tokens are known to devices and workers by the time it is loaded."""
    backed = await Backed.of(bus)
    await backed.lose()
    await _stopped_before_its_end(bus)
    midst = await Kept.of(bus.floor.commands)
    await bus.restore.run(grace_ms=0)
    before = await backed.house.claim(backed.talk)
    await backed.go_on()
    ahead = await backed._tops(bus, backed.talk, backed.quiet)
    await midst.put_back(bus.floor.commands)
    await bus.restore.run(grace_ms=0)
    after = await backed.house.claim(backed.talk)
    await backed.go_on()
    assert await backed.served(ahead) == set()
    assert await backed.served(backed.behind) == backed.behind.keys()
    assert after.token > before.token
    assert (await backed.house.leases.renew([before])).lost == {before.attempt}


async def test_a_restore_stopped_and_called_again_keeps_both_its_epochs(bus: Bus) -> None:
    """Who read between the two, as `--force` allows, is taken on as well."""
    backed = await Backed.of(bus)
    await backed.lose()
    await _stopped_before_its_end(bus)
    between = await backed._tops(bus, backed.talk, backed.quiet)
    await bus.restore.run(grace_ms=0)
    await backed.go_on()
    assert await backed.served(between) == between.keys()
    assert await backed.served(backed.behind) == backed.behind.keys()
    assert await backed.served(backed.ahead) == set()
