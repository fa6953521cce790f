"""Devices go back and send at once, through two servers, with a worker that is killed in the middle: one
order everywhere, the thread is the log, who was away recovers, who comes late sees the same. Real processes.

The control runs the same with workers that leave threads where they are.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from centrifuge import ReplyError, SubscribedContext

from services.local.device import new_id
from services.local.render import Log
from services.shared.bus.house import Bus
from services.shared.wire.codes import REFUSED, TOO_FAR_BACK
from tests.e2e.test_double_texting_races import thread_of
from tests.support.official_client import Followed, Official
from tests.support.open_bus import open_bus
from tests.support.racing_graph import LONGEST_STEP_S
from tests.support.rewinding import Seen, violations
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

CONVERSATIONS, RACES = 6, 25
DEVICES = (("ann", 0), ("bob", 1), ("ann", 1), ("bob", 0))
"""User and server. The owner goes back at the first, the other says things at the second; each does both at
times. The last one wanders."""
ENDS_WITHIN_S = 90.0

pytestmark = pytest.mark.slow


def racing_house(folder: Path, graph: str) -> Iterator[WholeHouse]:
    changes = {"CONTINUO_GRAPHS": f"assistant=tests.support.{graph}:graph", "CONTINUO_LEASE_S": "2"}
    house = WholeHouse(folder, workers=2, **changes)
    try:
        house.start()
        yield house
    finally:
        house.stop()


@pytest.fixture(scope="module")
def racing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeHouse]:
    yield from racing_house(tmp_path_factory.mktemp("rewinding"), "racing_graph")


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[WholeHouse]:
    yield from racing_house(tmp_path, "forgetful_graph")


@dataclass
class Talk:
    """One conversation of the races, and what its devices got."""

    id: str
    devices: list[Official]
    followed: list[Followed]
    said: list[str] = field(default_factory=list)
    turns: list[str] = field(default_factory=list)
    became: Counter[str] = field(default_factory=Counter)

    async def race(self) -> None:
        await self.send(self.devices[0])
        await asyncio.gather(
            self.go_back(self.devices[0]), self.send(self.devices[1]), self.seldom(self.devices[1])
        )

    async def seldom(self, device: Official) -> None:
        if random.random() < 0.3:
            await self.go_back(device)

    async def send(self, device: Official) -> None:
        await asyncio.sleep(random.choice((0, random.uniform(0, 2 * LONGEST_STEP_S))))
        message = new_id()
        sent = await device.rpc(
            "conversation.send", conversation=self.id, id=message, text=f"I say {message}"
        )
        self.said.append(message)
        self.turns += sent["turns"]

    async def go_back(self, device: Official) -> None:
        """To one of the messages said lately; the same is asked twice, as after a lost reply."""
        await asyncio.sleep(random.choice((0, random.uniform(0, 2 * LONGEST_STEP_S))))
        message = random.choice(self.said[-4:])
        how: dict[str, Any] = {"conversation": self.id, "id": new_id(), "message": message, "ask": True}
        word = random.choice(("edited", "again", "without"))
        if word == "edited":
            how["text"] = f"I say {new_id()}"
        elif word == "without":
            how["ask"] = False
        try:
            done = await device.rpc("conversation.rewind", **how)
        except ReplyError as error:
            assert error.code in (REFUSED.code, TOO_FAR_BACK.code), error  # noqa: PT017
            self.became[str(error.code)] += 1
            return
        again = await device.rpc("conversation.rewind", **how)
        assert (again["position"], again["turns"], again["repeated"]) == (
            done["position"],
            done["turns"],
            True,
        )
        self.became[word] += 1
        self.turns += done["turns"]

    def quiet(self) -> bool:
        """Whether every device has heard the end of every turn."""
        wanted = sorted(self.turns)
        return all(
            wanted == sorted(event["turn"] for event in one.events("turn.finished")) for one in self.followed
        )

    async def run(self) -> None:
        for _ in range(RACES):
            await self.race()
            if random.random() < 0.3:
                await eventually(self.quiet, within_s=ENDS_WITHIN_S)

    async def seen(self, house: WholeHouse, bus: Bus) -> Seen:
        """What is to be judged, when all is quiet and threads are where they belong."""
        at = bus.floor.keys.conversation(self.id)

        async def at_rest() -> bool:
            return not await bus.floor.commands.exists(at.fifo, at.lease)

        await eventually(self.quiet, within_s=ENDS_WITHIN_S)
        await eventually(at_rest, within_s=ENDS_WITHIN_S)
        joiner = await Official(house.address(1), lambda: house.token("bob")).connect()
        page = await joiner.rpc("conversation.history", conversation=self.id, limit=200)
        await joiner.leave()
        last = Log()
        last.load(page["messages"], page["open"])
        names = [f"{user} at {server}" for user, server in DEVICES]
        events = [
            [pub.data for pub in one.publications if pub.data["type"] != "message.delta"]
            for one in self.followed
        ]
        rendered = dict(zip(names, map(shown, self.followed), strict=True))
        return Seen(
            dict(zip(names, events, strict=True)),
            rendered | {"who came last": [line.message for line in last.lines()]},
            [(one["id"], one["text"], bool(one.get("user"))) for one in page["messages"]],
            await thread_of(bus, self.id),
            self.turns,
        )


def shown(followed: Followed) -> list[str]:
    """The messages that a person sees on a device that was told this."""
    log = Log()
    for told in followed.told:
        if isinstance(told, SubscribedContext):
            log.replace_open(told.data["open"], keep=bool(told.recovered))
        else:
            log.apply(told.pub.data)
    assert (log.misfits, log.repeats) == (0, 0)
    return [line.message for line in log.lines()]


@asynccontextmanager
async def talks_of(house: WholeHouse) -> AsyncIterator[list[Talk]]:
    devices = [
        await Official(house.address(server), lambda user=user: house.token(user)).connect()  # type: ignore[misc]
        for user, server in DEVICES
    ]
    try:
        yield [await talk_of(devices) for _ in range(CONVERSATIONS)]
    finally:
        for device in devices:
            await device.leave()


async def talk_of(devices: list[Official]) -> Talk:
    conversation = new_id()
    await devices[0].rpc("conversation.create", id=conversation, members=["bob"])
    return Talk(conversation, devices, [(await device.follow(conversation))[1] for device in devices])


async def wander(device: Official, recovered: list[bool], talks: list[Talk]) -> None:
    """Go away and come back until cancelled."""
    try:
        while True:
            await asyncio.sleep(random.uniform(0.1, 0.6))
            seen = [len(talk.followed[-1].subscribed) for talk in talks]
            await device.client.disconnect()
            await asyncio.sleep(random.uniform(0, 0.2))
            await device.connect()
            for talk, before in zip(talks, seen, strict=True):
                subscribed = talk.followed[-1].subscribed
                await eventually(lambda some=subscribed, least=before: len(some) > least, within_s=20)  # type: ignore[misc]
                recovered.append(bool(subscribed[-1].recovered))
    finally:
        await device.connect()


async def raced(house: WholeHouse, *, kill: bool) -> tuple[list[str], Counter[str]]:
    """What is wrong after all races, and how often what became of going back."""
    found: list[str] = []
    recovered: list[bool] = []
    became: Counter[str] = Counter()
    async with open_bus(house.redis) as bus, talks_of(house) as talks:
        wandering = asyncio.create_task(wander(talks[0].devices[-1], recovered, talks))
        try:
            async with asyncio.TaskGroup() as running:
                for talk in talks:
                    running.create_task(talk.run())
                if kill:
                    await eventually(lambda: len(talks[0].turns) > RACES, within_s=ENDS_WITHIN_S)
                    os.kill(house.pids["conversation-2"], signal.SIGKILL)
        finally:
            wandering.cancel()
            with suppress(asyncio.CancelledError):
                await wandering
        for talk in talks:
            found.extend(violations(await talk.seen(house, bus)))
            became.update(talk.became)
            for event in talk.followed[0].events("turn.finished"):
                became[event.get("reason") or event["outcome"]] += 1
    assert recovered
    assert all(recovered)
    return found, became


async def test_devices_that_go_back_and_send_at_once_see_one_order_and_the_thread_is_the_log(
    racing: WholeHouse,
) -> None:
    found, became = await raced(racing, kill=True)
    print(f"{CONVERSATIONS * RACES} races: {dict(became)}")
    assert found == []
    assert set(became) <= {"edited", "again", "without", "403", "416", "completed", "rewound", "rolled back"}
    for one in ("edited", "again", "without", "completed", "rewound", "rolled back", "403", "416"):
        assert became[one] > 0, became  # or nothing was raced


async def test_threads_that_stay_where_they_are_are_found(forgetful: WholeHouse) -> None:
    found, _ = await raced(forgetful, kill=False)
    print(f"{CONVERSATIONS * RACES} races, threads left where they are: {len(found)} violations")
    assert found
