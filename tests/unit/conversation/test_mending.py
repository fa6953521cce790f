"""What a worker opens again after Redis lost everything."""

import asyncio

import pytest

from services.conversation import mending as module
from services.conversation.mending import Mending
from services.shared.model.errors import BusUnavailable
from tests.support.waiting import eventually


async def test_all_is_opened_again_when_redis_lost_everything_and_until_it_succeeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    deeds: list[str] = []

    async def memory() -> None:
        deeds.append("memory")

    async def indices() -> None:
        deeds.append("indices")
        if deeds.count("indices") == 1:
            raise BusUnavailable("away")

    mending = Mending([memory, indices])
    async with asyncio.TaskGroup() as group:
        running = group.create_task(mending.run())
        await asyncio.sleep(0)
        assert deeds == []
        mending.emptied()
        await eventually(lambda: deeds == ["memory", "indices"] * 2)
        mending.emptied()
        await eventually(lambda: deeds == ["memory", "indices"] * 3)
        running.cancel()
