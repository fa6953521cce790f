"""`continuo failover` on real servers under load: writers see a pause, and nothing else."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import redis.asyncio

from services.local import failover
from services.local.embedded import EmbeddedRedis
from services.local.failover import NotMovedError, Planned, UnclearError
from services.shared.bus import handover
from services.shared.bus.examine import Address
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.settings import Secret
from tests.chaos.links import Links, redis_behind
from tests.support.open_bus import open_bus
from tests.support.talking import Talk, kept_ids, pinned, talking
from tests.support.waiting import eventually

HOUSE = Path(__file__).parents[2]


@pytest.fixture
async def lines() -> AsyncIterator[list[str]]:
    """What the command said."""
    lines: list[str] = []
    yield lines
    print("\n".join(lines))


def _settings(redis: EmbeddedRedis, **more: object) -> RedisSettings:
    return RedisSettings(redis_sentinels=tuple(redis.sentinels.split(",")), **more)  # type: ignore[arg-type]


async def _talks_on(talk: Talk, within_s: float = 20) -> None:
    so_far = len(talk.acknowledged)
    await eventually(lambda: len(talk.acknowledged) > so_far + 40, within_s=within_s)


async def _nothing_lost(bus: Bus, talk: Talk) -> None:
    kept = await kept_ids(bus, talk.conversation)
    assert len(kept) == len(set(kept))
    assert set(talk.acknowledged) <= set(kept)


@pytest.mark.slow
async def test_it_moves_the_master_three_times_and_no_speaker_sees_more_than_a_pause(
    own_redis: EmbeddedRedis, lines: list[str]
) -> None:
    async with open_bus(own_redis) as bus:
        async with talking(bus) as talk:
            for _ in range(3):
                lost = own_redis.master
                async with pinned(own_redis.ports[lost]) as stubborn:
                    paused_s = await Planned(_settings(own_redis), lines.append).run()
                    assert own_redis.master != lost
                    assert f"paused for {paused_s:.1f} s" in lines[-2]
                    await _talks_on(talk)
                assert await stubborn.lost(own_redis.ports[own_redis.master]) == []
        assert talk.errors == []
        await _nothing_lost(bus, talk)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "nth", "when"),
    [("pause", 1, "after"), ("order", 1, "before"), ("order", 1, "after"), ("demote", 1, "before")],
)
async def test_killed_in_the_middle_it_leaves_a_pause_that_ends_and_nothing_lost(
    own_redis: EmbeddedRedis, order: str, nth: int, when: str
) -> None:
    """Also where somebody goes on writing to the old master until it is demoted."""
    lost = own_redis.master
    async with open_bus(own_redis) as bus:
        async with talking(bus) as talk, pinned(own_redis.ports[lost]) as stubborn:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.support.failover_child", own_redis.sentinels),
                *(order, str(nth), when),
                cwd=HOUSE,
            )
            assert await process.wait() == -9
            await _talks_on(talk, within_s=40)
            await eventually(lambda: _settled(own_redis), within_s=40)
            await _talks_on(talk, within_s=40)
        # Paused for long the master looks dead to the Sentinels, so that they replace it unasked.
        assert (own_redis.master == lost) == (order == "pause")
        assert await stubborn.lost(own_redis.ports[own_redis.master]) == []
        await _nothing_lost(bus, talk)


async def _settled(redis: EmbeddedRedis) -> bool:
    await redis.settled()
    return True


def _after_the_order(monkeypatch: pytest.MonkeyPatch, then: Callable[[int], None]) -> None:
    """Have `then` done with the port of the Sentinel that just took the order."""
    really = handover.order

    async def order(sentinel: Address, *more: object) -> None:
        await really(sentinel, *more)  # type: ignore[arg-type]
        then(sentinel[1])

    monkeypatch.setattr(handover, "order", order)


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["frozen", "killed"])
async def test_a_sentinel_that_falls_silent_with_the_order_costs_a_longer_pause_and_nothing_else(
    own_redis: EmbeddedRedis, lines: list[str], monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """The others replace the paused master; what the silent one wakes up to is no longer the old group."""
    lost = own_redis.master
    silent: list[str] = []

    def fall_silent(port: int) -> None:
        silent.extend(name for name, its in own_redis.ports.items() if its == port)
        (own_redis.freeze if ends == "frozen" else own_redis.kill)(silent[0])

    _after_the_order(monkeypatch, fall_silent)
    async with open_bus(own_redis) as bus:
        async with talking(bus) as talk, pinned(own_redis.ports[lost]) as stubborn:
            await Planned(_settings(own_redis), lines.append).run()
            await _talks_on(talk)
            if ends == "frozen":
                own_redis.thaw(silent[0])
            else:
                await own_redis.restart(silent[0])
            await eventually(lambda: _settled(own_redis), within_s=40)
            await _talks_on(talk)
        assert own_redis.master != lost
        assert await stubborn.lost(own_redis.ports[own_redis.master]) == []
        await _nothing_lost(bus, talk)


@pytest.mark.slow
async def test_while_the_sentinel_with_the_order_cannot_be_asked_writes_are_not_let_go_on(
    own_redis: EmbeddedRedis, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it said to be called off, even when no Sentinel is left that could replace the master."""
    lost = own_redis.master
    monkeypatch.setattr(failover, "UNCLEAR_S", 4.0)

    def freeze_all(_: int) -> None:
        for name in own_redis.names[3:]:
            own_redis.freeze(name)

    _after_the_order(monkeypatch, freeze_all)
    async with pinned(own_redis.ports[lost]) as stubborn:
        with pytest.raises(UnclearError, match=r"does not answer, and .* did not replace the master"):
            await Planned(_settings(own_redis), lines.append).run()
        so_far = len(stubborn.acknowledged)
        async with redis.asyncio.Redis(port=own_redis.ports[lost], socket_timeout=0.5) as client:
            with pytest.raises(redis.exceptions.TimeoutError):
                await client.set("late", "1")
        assert len(stubborn.acknowledged) == so_far
        for name in own_redis.names[3:]:
            own_redis.thaw(name)


@pytest.mark.slow
async def test_replicas_that_stop_answering_while_they_are_promoted_cost_a_pause_and_nothing_else(
    own_redis: EmbeddedRedis, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Sentinels call it off, and one of the replicas may still become master when it answers again."""
    master, replicas = own_redis.master, own_redis.replicas

    really = handover.order

    async def order(*args: object) -> None:
        for name in replicas:
            own_redis.freeze(name)
        await really(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(handover, "order", order)
    async with open_bus(own_redis) as bus:
        async with talking(bus) as talk, pinned(own_redis.ports[master]) as stubborn:
            planned = asyncio.create_task(_ended(Planned(_settings(own_redis), lines.append)))
            await eventually(lambda: any("may have been chosen" in line for line in lines), within_s=40)
            assert not planned.done()
            for name in replicas:
                own_redis.thaw(name)
            await planned
            await _talks_on(talk, within_s=40)
            await eventually(lambda: _settled(own_redis), within_s=40)
        assert await stubborn.lost(own_redis.ports[own_redis.master]) == []
        await _nothing_lost(bus, talk)


async def _ended(planned: Planned) -> None:
    # Others may have begun one of their own: the paused master looks dead to them.
    with suppress(NotMovedError, UnclearError):
        await planned.run()


async def test_a_replica_that_hangs_makes_it_refuse_before_anything_is_paused(
    own_redis: EmbeddedRedis, lines: list[str]
) -> None:
    master, hung = own_redis.master, own_redis.replicas[0]
    own_redis.freeze(hung)
    with pytest.raises(NotMovedError, match=f"{own_redis.ports[hung]} does not answer.*Nothing was changed"):
        await Planned(_settings(own_redis), lines.append).run()
    own_redis.thaw(hung)
    assert lines == []
    assert own_redis.master == master


async def test_without_a_majority_of_sentinels_it_refuses(own_redis: EmbeddedRedis, lines: list[str]) -> None:
    own_redis.kill("sentinel-1")
    own_redis.kill("sentinel-3")
    with pytest.raises(NotMovedError, match="1 of 3 Sentinels"):
        await Planned(_settings(own_redis), lines.append).run()
    own_redis.kill("sentinel-2")
    with pytest.raises(NotMovedError, match="no Sentinel answers"):
        await Planned(_settings(own_redis), lines.append).run()


async def test_while_the_sentinels_fail_over_by_themselves_it_refuses(
    own_redis: EmbeddedRedis, lines: list[str]
) -> None:
    await handover.order(own_redis.address("sentinel-2"), "continuo")
    with pytest.raises(NotMovedError, match="failover"):
        await Planned(_settings(own_redis), lines.append).run()
    assert lines == []


async def test_two_at_once_move_the_master_once(own_redis: EmbeddedRedis, lines: list[str]) -> None:
    master = own_redis.master
    async with open_bus(own_redis) as bus, talking(bus) as talk:
        both = [Planned(_settings(own_redis), lines.append).run() for _ in range(2)]
        ended = await asyncio.gather(*both, return_exceptions=True)
        assert own_redis.master != master
        assert [each for each in ended if not isinstance(each, float | UnclearError)] == []
        await _talks_on(talk)
    assert talk.errors == []


async def test_replicas_that_lag_too_far_make_it_give_up_and_writes_go_on(
    tmp_path: Path, lines: list[str]
) -> None:
    async with (
        Links() as links,
        redis_behind(links, tmp_path / "redis") as servers,
        open_bus(servers, acks="master") as bus,
    ):
        master = servers.master
        await links.delay("redis-*", master, 2000)
        await bus.confirmer.tick()

        async def given_up() -> str:
            with pytest.raises(NotMovedError) as why:
                await Planned(_settings(servers), lines.append).run()
            return str(why.value)

        # on a busy machine Sentinels may keep silent for a moment: then it has not begun, and is tried again
        while (said := await given_up()).endswith("(it does now). Nothing was changed"):
            assert "writes are paused" not in lines
        assert re.search("did not catch up.*writes go on", said), said
        assert "writes are paused" in lines
        await bus.confirmer.tick()
        assert servers.master == master


@pytest.mark.parametrize("right", ["client|pause", "replicaof"])
async def test_a_user_without_rights_is_told_which(
    own_redis: EmbeddedRedis, lines: list[str], right: str
) -> None:
    for name in own_redis.names[:3]:
        async with redis.asyncio.Redis(port=own_redis.ports[name]) as client:
            await client.execute_command(
                *("ACL", "SETUSER", "ann", "on", ">secret", "~*", "&*", "+@all", f"-{right}")
            )
    settings = _settings(own_redis, redis_username="ann", redis_password=Secret("secret"))
    with pytest.raises(NotMovedError, match=f"may not give {right.replace('|', ' ').upper()}. Nothing"):
        await Planned(settings, lines.append).run()
    assert lines == []


async def test_a_wrong_password_is_said_to_be_one(own_redis: EmbeddedRedis, lines: list[str]) -> None:
    settings = _settings(own_redis, redis_username="nobody", redis_password=Secret("wrong"))
    with pytest.raises(NotMovedError, match="master does not answer"):
        await Planned(settings, lines.append).run()
