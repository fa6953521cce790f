"""A turn is stopped from any device, whatever its worker is just doing: working, dead, or frozen. Real
processes: two doors, two workers, devices on both doors.
"""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.official_client import Followed, Official
from tests.support.stopped_graph import NOTES, WORK, Note, notes
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

LEASE_S = 1.5
MEASURED = 20
WORKERS = ("conversation", "conversation-2")

pytestmark = pytest.mark.slow


@dataclass
class Scene:
    """Ann asked at one door; Bob follows at the other."""

    house: WholeHouse
    folder: Path
    ann: Official
    bob: Official
    conversation: str
    anns: Followed
    bobs: Followed

    async def working(self) -> tuple[str, Note]:
        """Ask for something that takes for ever; the turn, and who has begun to work on it."""
        before = len(notes(self.folder))
        [turn] = (await self.ann.send(self.conversation, WORK))["turns"]
        [began] = await eventually(lambda: notes(self.folder)[before:], within_s=30)
        return turn, began

    async def stop(self, turn: str) -> None:
        """Bob stops it, at the other door."""
        stopped = await self.bob.rpc("conversation.cancel", conversation=self.conversation, turn=turn)
        assert stopped["turns"] == [turn]

    async def end(self, turn: str) -> dict[str, Any]:
        """What both devices hear of its end, once."""

        def ends() -> list[list[dict[str, Any]]]:
            heard = [one.events("turn.finished") for one in (self.anns, self.bobs)]
            found = [[event for event in events if event["turn"] == turn] for events in heard]
            return found if all(found) else []

        [anns, bobs] = await eventually(ends, within_s=30)
        assert anns == bobs
        [end] = anns
        return end

    def worker(self, began: Note) -> str:
        """The process that noted this."""
        [name] = [name for name in WORKERS if self.house.pids.get(name) == began.pid]
        return name


@pytest.fixture(scope="module")
def stopping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WholeHouse, Path]]:
    folder = tmp_path_factory.mktemp("stopping")
    settings = {
        "CONTINUO_GRAPHS": "assistant=tests.support.stopped_graph:graph",
        "CONTINUO_LEASE_S": str(LEASE_S),
        NOTES: str(folder),
    }
    house = WholeHouse(folder, workers=2, **settings)
    try:
        house.start()
        yield house, folder
    finally:
        house.stop()


@pytest.fixture
async def scene(stopping: tuple[WholeHouse, Path]) -> AsyncIterator[Scene]:
    house, folder = stopping
    ann = await Official(house.address(0), lambda: house.token("ann")).connect()
    bob = await Official(house.address(1), lambda: house.token("bob")).connect()
    conversation = await ann.create("bob")
    anns, bobs = (await ann.follow(conversation))[1], (await bob.follow(conversation))[1]
    yield Scene(house, folder, ann, bob, conversation, anns, bobs)
    await ann.leave()
    await bob.leave()


async def test_a_cancel_at_another_door_stops_the_models_work_and_then_tells_so(scene: Scene) -> None:
    took_ms = []
    for _ in range(MEASURED):
        turn, began = await scene.working()
        asked_ns = time.time_ns()
        await scene.stop(turn)
        end = await scene.end(turn)
        assert end["outcome"] == "cancelled"
        stopped = notes(scene.folder)[-1]
        assert (stopped.what, stopped.pid) == ("stopped", began.pid)
        assert (
            stopped.at_ns / 1e6 < end["time"] + 1
        )  # its end is told once it has stopped; by one machine's clock
        took_ms.append((stopped.at_ns - asked_ns) / 1e6)
    print(
        f"cancel at another door to CancelledError in the model's task, {MEASURED} times:"
        f" median {statistics.median(took_ms):.0f} ms, at most {max(took_ms):.0f} ms"
    )
    await scene.ann.send(scene.conversation, "and now")
    await eventually(lambda: scene.bobs.events("message.completed"), within_s=20)
    assert scene.bobs.events("message.completed")[-1]["text"] == "Heard: and now."


async def test_a_turn_whose_worker_is_dead_ends_cancelled_and_nobody_works_on_it_again(scene: Scene) -> None:
    turn, began = await scene.working()
    begun = len(notes(scene.folder))
    worker = scene.worker(began)
    scene.house.kill(worker)
    try:
        await scene.stop(turn)
        assert (await scene.end(turn))["outcome"] == "cancelled"
        assert len(notes(scene.folder)) == begun
    finally:
        await scene.house.restart(worker)


async def test_a_turn_whose_worker_is_frozen_ends_cancelled_and_the_thawed_one_stops_and_writes_nothing(
    scene: Scene,
) -> None:
    turn, began = await scene.working()
    begun = len(notes(scene.folder))
    os.kill(began.pid, signal.SIGSTOP)
    try:
        await scene.stop(turn)
        assert (await scene.end(turn))["outcome"] == "cancelled"
        assert len(notes(scene.folder)) == begun
        told = len(scene.bobs.publications)
        await scene.ann.send(scene.conversation, "meanwhile")
        await eventually(lambda: scene.bobs.events("message.completed"), within_s=20)
    finally:
        os.kill(began.pid, signal.SIGCONT)
    await eventually(
        lambda: [note for note in notes(scene.folder)[begun:] if note.pid == began.pid], within_s=20
    )
    assert [note.what for note in notes(scene.folder)[begun:]] == ["stopped"]
    await asyncio.gather(scene.ann.send(scene.conversation, "a"), scene.bob.send(scene.conversation, "b"))
    await eventually(lambda: len(scene.bobs.events("message.completed")) == 3, within_s=20)
    assert turn not in {event.get("turn") for pub in scene.bobs.publications[told:] for event in [pub.data]}
