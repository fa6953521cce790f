"""What is said, thought and written in one interval goes to Redis in one round trip, whatever it is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.conversation.speaker import Speaker
from services.conversation.trail import Trail
from services.conversation.trail_parts import Instruments
from services.local.embedded import EmbeddedRedis
from services.shared.bus.scripts import Call
from services.shared.model.doing import Doing
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing
from tests.support.bus_house import House, open_house
from tests.support.waiting import eventually

INTERVAL_S = 0.04


class Counted:
    """The scripts of each round trip, as they leave for Redis."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trips: list[list[str]] = []
        scripts = house.floor.scripts
        honest = scripts._pipeline

        async def pipeline(calls: Sequence[Call], also: Any, *, by_text: bool) -> Any:
            if not by_text:  # a script that Redis does not know yet is sent once more, with its text
                self.trips.append([call.script.name for call in calls])
            return await honest(calls, also, by_text=by_text)

        monkeypatch.setattr(scripts, "_pipeline", pipeline)

    def since(self, count: int) -> list[list[str]]:
        return [sorted(names) for names in self.trips[count:]]


@pytest.fixture
async def house(shared_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(shared_redis.sentinels) as opened:
        yield opened


@asynccontextmanager
async def speaking(house: House, clock: FakeClock) -> AsyncIterator[Speaker]:
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    trail = Trail(turn, Instruments(Tracing.off(), Metrics(), clock), 0)
    how: Any = {"interval_s": INTERVAL_S, "clock": clock, "trail": trail, "cancelling": lambda: None}
    speaker = Speaker(house.turns, lease, turn, **how)
    running = asyncio.create_task(speaker.run())
    yield speaker
    speaker.end()
    await running


async def test_text_thought_and_what_nodes_write_take_one_round_trip_an_interval(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with speaking(house, clock) as speaker:
        counted = Counted(house, monkeypatch)
        speaker.begins("thought", Doing("", (), "reasoning"))
        for number in range(5):
            before = len(counted.trips)
            speaker.token("said", f"word {number} ")
            speaker.argues("thought", f"thought {number} ")
            speaker.wrote((), f"{number}")
            speaker.wrote((), f'"{number}"')
            begun = [] if number else ["start_message", "start_message"]
            expected = [["delta", "delta", *begun, "tell"]]
            await eventually(lambda n=before, e=expected: counted.since(n) == e)  # type: ignore[misc]
            clock.advance(INTERVAL_S)


async def test_what_is_fed_within_an_interval_waits_for_its_end_and_goes_together(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with speaking(house, clock) as speaker:
        counted = Counted(house, monkeypatch)
        speaker.token("said", "first")
        speaker.wrote((), "0")
        await eventually(lambda: counted.since(0) == [["delta", "start_message", "tell"]])
        for number in range(50):
            speaker.token("said", f" {number}")
            speaker.wrote((), f"{number}")
            await asyncio.sleep(0)
        assert counted.since(1) == []
        clock.advance(INTERVAL_S)
        speaker.token("said", ".")
        await eventually(lambda: counted.since(1) == [["delta", "tell"]])
