"""The keeper's start, cancelled at its n-th await for each n: it is over, and its thread can be ended."""

import asyncio
from functools import partial
from typing import Any, cast

import pytest

from services.conversation.keeper import Keeper
from services.shared.bus.house import Bus
from services.shared.runtime.clock import FakeClock
from tests.support.nth_await import Moment, Subject, cut_everywhere


class QuietBus:
    """Opens, has nothing to say, closes."""

    def __init__(self) -> None:
        self.closed = 0

    async def open(self) -> Bus:
        return cast(Bus, self)

    async def mind(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_start_that_is_cancelled_is_no_start_and_leaves_no_thread_behind(moment: Moment) -> None:
    async def make() -> Subject:
        bus = QuietBus()
        keeper = Keeper(bus.open, lease_s=6.0, clock=FakeClock())
        return Subject(keeper.start(), partial(_gone, keeper, bus))

    async def _gone(keeper: Any, bus: QuietBus) -> None:
        await keeper.stop()
        assert not keeper._thread.is_alive()
        assert bus.closed == (keeper._thread.ident is not None)

    assert await cut_everywhere(make, moment) == 1
