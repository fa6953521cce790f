"""Two devices send at once, through two servers, 500 times under each way of double texting: one order
everywhere, what the way allows and nothing else, the thread is the log. Real processes: two doors, two
workers.

The control runs the same with a door that looks first and decides then: its races are found.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from centrifuge import ReplyError, SubscribedContext

from services.conversation.graph.build import build_assistant
from services.conversation.graph.keeping import open_threads
from services.conversation.graph.models import open_model
from services.conversation.settings import WorkerSettings
from services.local.device import new_id
from services.local.render import Log
from services.shared.bus.house import Bus
from services.shared.model.conversation import DoubleTexting
from services.shared.model.ids import AgentName, ConversationId
from services.shared.wire.codes import BUSY
from tests.support.official_client import Followed, Official
from tests.support.open_bus import open_bus
from tests.support.racing import Seen, violations
from tests.support.racing_graph import LONGEST_STEP_S
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

WAYS: list[DoubleTexting] = ["enqueue", "reject", "interrupt", "rollback"]
GROUPS, CONVERSATIONS, RACES = 5, 5, 20
"""Of each way: groups of devices, conversations of a group, races one after the other: 500 together."""
DEVICES = (("ann", 0), ("bob", 1), ("ann", 1), ("bob", 0))
"""User and server; the first two send, the last one goes away again and again and recovers."""
ENDS_WITHIN_S = 60.0

pytestmark = pytest.mark.slow


def racing_house(folder: Path, **more: Any) -> Iterator[WholeHouse]:
    graphs = "assistant=tests.support.racing_graph:graph"
    house = WholeHouse(folder, workers=2, CONTINUO_GRAPHS=graphs, **more)
    try:
        house.start()
        yield house
    finally:
        house.stop()


@pytest.fixture(scope="module")
def racing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeHouse]:
    yield from racing_house(tmp_path_factory.mktemp("racing"))


@pytest.fixture
def deciding_outside(tmp_path: Path) -> Iterator[WholeHouse]:
    yield from racing_house(tmp_path, door="tests.support.racing_door")


@dataclass
class Talk:
    """One conversation of the races, and what its devices got."""

    id: str
    devices: list[Official]
    followed: list[Followed]
    acknowledged: dict[str, str] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)

    async def race(self) -> None:
        """Both senders at once, or nearly."""
        await asyncio.gather(*(self.send(device) for device in self.devices[:2]))

    async def send(self, device: Official) -> None:
        await asyncio.sleep(random.choice((0, random.uniform(0, 2 * LONGEST_STEP_S))))
        message = new_id()
        try:
            sent = await device.rpc(
                "conversation.send", conversation=self.id, id=message, text=f"I say {message}"
            )
        except ReplyError as error:
            assert error.code == BUSY.code, error  # noqa: PT017
            self.rejected.append(message)
        else:
            [self.acknowledged[message]] = sent["turns"]

    def quiet(self) -> bool:
        """Whether every device has heard the end of every turn."""
        wanted = set(self.acknowledged.values())
        return all(
            wanted == {event["turn"] for event in one.events("turn.finished")} for one in self.followed
        )

    def settled(self) -> bool:
        """Whether the first sender has heard the end of every turn."""
        told = {event["turn"] for event in self.followed[0].events("turn.finished")}
        return set(self.acknowledged.values()) == told

    async def run(self, races: int) -> None:
        for _ in range(races):
            await self.race()
            if random.random() < 0.5:  # else the next race meets what this one left
                await eventually(self.settled, within_s=ENDS_WITHIN_S)

    async def seen(self, way: DoubleTexting, house: WholeHouse, bus: Bus) -> Seen:
        """What is to be judged, when all is quiet."""
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
        return Seen(
            way,
            dict(zip(names, events, strict=True)),
            self.acknowledged,
            self.rejected,
            [(one["id"], one["text"], bool(one.get("user"))) for one in page["messages"]],
            await thread_of(bus, self.id),
            [line.text for line in last.lines()],
            dict(zip(names, map(rendered, self.followed), strict=True)),
        )


def rendered(followed: Followed) -> list[str]:
    """What a person sees on a device that was told this."""
    log = Log()
    for told in followed.told:
        if isinstance(told, SubscribedContext):
            log.replace_open(told.data["open"], keep=bool(told.recovered))
        else:
            log.apply(told.pub.data)
    assert (log.misfits, log.repeats) == (0, 0)
    return [line.text for line in log.lines()]


async def thread_of(bus: Bus, conversation: str) -> list[tuple[str, str]]:
    """The messages of the thread: the id of a person's or "", and the text."""
    threads = await open_threads(bus, build_assistant(open_model("", token_s=0.0)), WorkerSettings())
    thread = threads.thread_of(ConversationId(conversation), AgentName("assistant"))
    saved = await threads.reader().aget_tuple({"configurable": {"thread_id": thread}})
    messages = saved.checkpoint["channel_values"].get("messages", []) if saved else []
    return [(one.id if one.type == "human" else "", one.text) for one in messages]


@asynccontextmanager
async def group_of(house: WholeHouse, way: DoubleTexting) -> AsyncIterator[list[Talk]]:
    """Devices on both servers, and conversations that all of them follow."""
    devices = [
        await Official(house.address(server), lambda user=user: house.token(user)).connect()  # type: ignore[misc]
        for user, server in DEVICES
    ]
    try:
        yield [await talk_of(devices, way) for _ in range(CONVERSATIONS)]
    finally:
        for device in devices:
            await device.leave()


async def talk_of(devices: list[Official], way: DoubleTexting) -> Talk:
    conversation = new_id()
    made = {"id": conversation, "members": ["bob"], "double_texting": way}
    await devices[0].rpc("conversation.create", **made)
    followed = [(await device.follow(conversation))[1] for device in devices]
    return Talk(conversation, devices, followed)


async def wander(device: Official, recovered: list[bool], talks: list[Talk]) -> None:
    """Go away and come back until cancelled; what was missed is recovered."""
    try:
        while True:
            await asyncio.sleep(random.uniform(0.1, 0.6))
            seen = [len(talk.followed[-1].subscribed) for talk in talks]
            await device.client.disconnect()
            await asyncio.sleep(random.uniform(0, 0.2))
            await device.connect()
            for talk, before in zip(talks, seen, strict=True):
                subscribed = talk.followed[-1].subscribed
                await eventually(partial(_more_than, subscribed, before), within_s=20)
                recovered.append(bool(subscribed[-1].recovered))
    finally:
        await device.connect()


def _more_than(some: list[Any], before: int) -> bool:
    return len(some) > before


async def raced(
    house: WholeHouse, way: DoubleTexting, *, groups: int, races: int
) -> tuple[list[str], Counter[str]]:
    """What is wrong after all races, and how often what became of a turn or message."""
    found: list[str] = []
    recovered: list[bool] = []
    became: Counter[str] = Counter()

    async def group() -> None:
        async with group_of(house, way) as talks:
            wandering = asyncio.create_task(wander(talks[0].devices[-1], recovered, talks))
            try:
                await asyncio.gather(*(talk.run(races) for talk in talks))
            finally:
                wandering.cancel()
                with suppress(asyncio.CancelledError):
                    await wandering
            for talk in talks:
                await eventually(talk.quiet, within_s=ENDS_WITHIN_S)
                seen = await talk.seen(way, house, bus)
                found.extend(violations(seen))
                became.update(rejected=len(talk.rejected))
                for event in talk.followed[0].events("turn.finished"):
                    became[event.get("reason") or event["outcome"]] += 1

    async with open_bus(house.redis) as bus:
        await asyncio.gather(*(group() for _ in range(groups)))
    assert recovered
    assert all(recovered)
    return found, became


@pytest.mark.parametrize("way", WAYS)
async def test_two_devices_that_send_at_once_see_one_order_and_what_the_way_allows(
    racing: WholeHouse, way: DoubleTexting
) -> None:
    found, became = await raced(racing, way, groups=GROUPS, races=RACES)
    print(f"{GROUPS * CONVERSATIONS * RACES} races under {way}: {dict(became)}")
    assert found == []
    expected = {
        "reject": ["rejected"],
        "interrupt": ["superseded", "interrupted"],
        "rollback": ["rolled back"],
    }
    for one in ["completed", *expected.get(way, [])]:
        assert became[one] > 10, became  # or nothing was raced
    assert sum(became.values()) == 2 * GROUPS * CONVERSATIONS * RACES


@pytest.mark.parametrize("way", WAYS[1:])
async def test_a_door_that_looks_first_and_decides_then_is_found(
    deciding_outside: WholeHouse, way: DoubleTexting
) -> None:
    found, _ = await raced(deciding_outside, way, groups=2, races=10)
    print(f"{2 * CONVERSATIONS * 10} races under {way}, decided outside the script: {len(found)} violations")
    assert found
