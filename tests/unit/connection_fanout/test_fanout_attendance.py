"""A pod's seats, when what Redis said was lost on the way."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from services.connection import attendance as module
from services.connection.attendance import Attendance
from services.shared.model.errors import BusUnavailable
from services.shared.model.ids import ConnectionId, NodeId, UserId
from services.shared.runtime.lifecycle import Tasks
from tests.support.waiting import eventually


class ForgetfulRoster:
    """Lists a node at its beat; the first answers are lost."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.listed = False
        self.beats = 0
        self.entered: list[str] = []

    async def enter(self, conversation: str, *_: Any) -> None:
        self.entered.append(conversation)

    async def leave(self, *_: Any, **__: Any) -> None:
        raise AssertionError("nobody left")

    async def beat(self, _node: NodeId, _census: Mapping[str, int]) -> bool:
        listed, self.listed, self.beats = self.listed, True, self.beats + 1
        await asyncio.sleep(0)
        if self.beats <= self.lost:
            raise BusUnavailable("the reply was lost")
        return listed

    async def held(self, _node: NodeId) -> Mapping[Any, UserId]:
        return {}


async def test_a_beat_whose_answer_was_lost_may_have_been_the_one_that_said_not_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The node was reaped; its next beat lists it again, and nobody would enter its seats any more."""
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    roster, tasks = ForgetfulRoster(lost=1), Tasks()
    attendance = Attendance(roster, NodeId("node"), 0, dict)
    attendance._doubtful = False
    attendance.enter("room", ConnectionId("c"), UserId("ann"), b"")
    tasks.start("attendance", attendance.run())
    await attendance.settled()
    tasks.start("beat", attendance.beat())
    await eventually(lambda: roster.entered == ["room", "room"])
    await tasks.close()
