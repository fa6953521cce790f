"""Followed channels: held, let go a little later, and never taken from whoever follows them now."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from services.connection import follows as module
from services.connection.follows import Arrival, Follows
from services.shared.model.errors import BusUnavailable
from services.shared.model.ids import Channel, UserId
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.metrics import Metrics
from tests.support.waiting import eventually

CHANNEL = Channel.of_user("ann")


class GatedFeed:
    """Confirms a subscription when the gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.followed: list[str] = []

    async def follow(self, channel: Channel) -> None:
        self.followed.append(f"follow {channel.name}")
        await self.gate.wait()

    async def unfollow(self, channel: Channel) -> None:
        self.followed.append(f"unfollow {channel.name}")

    def renew(self, channel: Channel) -> None:
        self.followed.append(f"renew {channel.name}")


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Follows, GatedFeed]]:
    monkeypatch.setattr(module, "LINGER_S", 0.0)
    feed, tasks = GatedFeed(), Tasks()
    yield Follows(feed, tasks, Metrics(), immediate=False, burst_bytes=0), feed
    await tasks.close()


def _device() -> Any:
    return cast(Any, object())


async def test_a_late_release_leaves_the_channel_to_those_who_follow_it_now(
    house: tuple[Follows, GatedFeed],
) -> None:
    """A device left while its errand hung; its channel was let go and another device opened it anew; then
    the errand gave up."""
    follows, feed = house
    feed.gate.set()
    gone, here = _device(), _device()
    first = follows.hold(CHANNEL)
    first.arrive(gone, Arrival(UserId("ann"), b""))
    await follows.opened(first)
    first.depart(gone)
    follows.release(first)
    await eventually(lambda: follows.find(CHANNEL) is None)
    second = follows.hold(CHANNEL)
    second.arrive(here, Arrival(UserId("ann"), b""))
    await follows.opened(second)
    asked = list(feed.followed)
    follows.release(first)
    assert first.lingering is None
    follows._close(first)
    await asyncio.sleep(0)
    assert follows.find(CHANNEL) is second
    assert feed.followed == asked


async def test_who_waits_for_a_channel_that_is_let_go_is_told_to_try_again(
    house: tuple[Follows, GatedFeed],
) -> None:
    follows, _ = house
    followed = follows.hold(CHANNEL)
    waiting = asyncio.ensure_future(follows.opened(followed))
    await asyncio.sleep(0)
    follows.release(followed)
    with pytest.raises(BusUnavailable, match="let go"):
        await waiting


async def test_giving_up_on_one_wait_does_not_end_it_for_others(house: tuple[Follows, GatedFeed]) -> None:
    follows, feed = house
    followed = follows.hold(CHANNEL)
    impatient, patient = (asyncio.ensure_future(follows.opened(followed)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    feed.gate.set()
    await patient
    assert impatient.cancelled()
