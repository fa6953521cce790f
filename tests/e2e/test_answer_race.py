"""The same interrupt answered from five devices at once, on two servers: one answer counts, each time, and
all devices see the same.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import pytest

from services.local.device import Device, new_id
from services.shared.bus.house import Bus
from services.shared.model.asking import Ask
from services.shared.model.ids import AttemptId, Channel, ConversationId, MessageId, NodeId, UserId
from services.shared.model.turn import Ready
from tests.support.answer_race import Told, faults, race
from tests.support.official_client import Followed, Official
from tests.support.open_bus import open_bus
from tests.support.waiting import eventually
from tests.support.whole_house import CONNECTIONS, WholeHouse

pytestmark = pytest.mark.slow

USERS = ("ann", "ann", "ann", "bob", "bob")
CONVERSATIONS, EACH = 40, 25
OF_GRAPHS = 30
WITHIN_S = 120


@pytest.fixture(scope="module")
def asking_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeHouse]:
    graphs = "assistant=tests.support.asking_graph:asker"
    whole = WholeHouse(tmp_path_factory.mktemp("asking"), CONTINUO_GRAPHS=graphs)
    try:
        whole.start()
        yield whole
    finally:
        whole.stop()


@pytest.fixture
async def devices(asking_house: WholeHouse) -> AsyncIterator[list[Official]]:
    """Of two people, on both servers in turn."""
    here = []
    for number, user in enumerate(USERS):
        token = partial(asking_house.token, user)
        here.append(await Official(asking_house.address(number % 2), token).connect())
    yield here
    for device in here:
        await device.leave()


@pytest.fixture
async def bus(asking_house: WholeHouse) -> AsyncIterator[Bus]:
    async with open_bus(asking_house.redis) as bus:
        yield bus


async def answered(devices: list[Official], conversation: str, interrupt: str) -> list[Told]:
    async def give(number: int, answer: str) -> Any:
        arguments = {"conversation": conversation, "interrupt": interrupt, "answer": answer}
        return await devices[number].rpc("conversation.answer", id=new_id(), **arguments)

    return await race(USERS, give, interrupt)


def judged(told: dict[str, list[Told]], followed: list[Followed]) -> list[str]:
    """What is wrong, over all interrupts and devices of one conversation."""
    by_device = [each.events("input.answered") for each in followed]
    found = [
        fault
        for interrupt, each in told.items()
        for events in by_device
        for fault in faults(each, [event for event in events if event["interrupt"] == interrupt])
    ]
    orders = {tuple(event["interrupt"] for event in events) for events in by_device}
    return found if len(orders) == 1 else [*found, "devices saw different orders"]


async def asked(bus: Bus, conversation: str) -> list[str]:
    """Ask as a worker does when a graph stopped: so many things at once."""
    at = ConversationId(conversation)
    await bus.messages.accept(at, "ann", MessageId(new_id()), "do it")
    ready, attempt = Ready(bus.floor.keys.conversation(at).partition, at), AttemptId(new_id())
    lease = await bus.leases.claim(ready, worker=NodeId(new_id()), attempt=attempt, lease_ms=600_000)
    assert lease is not None
    turn = await bus.turns.begin(lease)
    assert turn is not None
    interrupts = [f"{number:032x}" for number in range(EACH)]
    await bus.turns.finish(lease, turn, "interrupted", asks=[Ask(each, b'"?"') for each in interrupts])
    return interrupts


async def test_a_thousand_interrupts_are_answered_once_each(
    asking_house: WholeHouse, devices: list[Official], bus: Bus
) -> None:
    asking_house.kill("conversation")  # answers are taken whether or not a worker lives

    async def one() -> list[str]:
        conversation = await devices[0].create("bob")
        follows = [await device.follow(conversation) for device in devices]
        followed = [each for _, each in follows]
        told = {}
        for interrupt in await asked(bus, conversation):
            told[interrupt] = await answered(devices, conversation, interrupt)
        await eventually(
            lambda: all(len(each.events("input.answered")) >= EACH for each in followed), within_s=WITHIN_S
        )
        page = await bus.messages.history(conversation, UserId("ann"))
        return judged(told, followed) + [f"{each.interrupt} is still asked" for each in page.asked]

    try:
        found = await asyncio.gather(*(one() for _ in range(CONVERSATIONS)))
    finally:
        await asking_house.restart("conversation")
    assert CONVERSATIONS * EACH == 1000
    assert [fault for each in found for fault in each] == []


async def test_dozens_of_graphs_go_on_with_the_one_answer_that_counts(devices: list[Official]) -> None:
    async def one() -> list[str]:
        conversation = await devices[0].create("bob")
        followed = [(await device.follow(conversation))[1] for device in devices]
        await devices[0].send(conversation, "do it")
        await eventually(lambda: followed[0].events("input.requested"), within_s=WITHIN_S)
        [request] = followed[0].events("input.requested")
        told = await answered(devices, conversation, request["interrupt"])
        for each in followed:
            await eventually(lambda: len(each.events("turn.finished")) == 2, within_s=WITHIN_S)  # noqa: B023
        [taken] = [each.answer for each in told if each.taken]
        texts = {tuple(event["text"] for event in each.events("message.completed")) for each in followed}
        assert texts == {("let me see", f"you said {taken}", f"done: you said {taken}")}
        return judged({request["interrupt"]: told}, followed)

    found = await asyncio.gather(*(one() for _ in range(OF_GRAPHS)))
    assert [fault for each in found for fault in each] == []


async def test_a_repeat_to_the_other_server_is_harmless(devices: list[Official]) -> None:
    conversation = await devices[0].create("bob")
    await devices[0].send(conversation, "do it")
    [question] = await eventually(lambda: _asked(devices[0], conversation), within_s=WITHIN_S)
    arguments = {
        "conversation": conversation,
        "interrupt": question["interrupt"],
        "answer": {"ok": [1, None]},
    }
    name = new_id()
    first = await devices[0].rpc("conversation.answer", id=name, **arguments)
    again = await devices[1].rpc("conversation.answer", id=name, **arguments)
    assert first == {"position": first["position"], "turn": name, "repeated": False}
    assert again == {**first, "repeated": True}


async def test_who_comes_later_finds_what_is_asked(devices: list[Official]) -> None:
    conversation = await devices[0].create("bob")
    await devices[0].send(conversation, "do it")
    [question] = await eventually(lambda: _asked(devices[0], conversation), within_s=WITHIN_S)
    assert (question["value"], question["agent"]) == ({"question": "really?"}, "assistant")
    _, late = await devices[4].follow(conversation)
    assert late.subscribed[0].data["asked"] == [question]
    await devices[4].rpc(
        "conversation.answer",
        conversation=conversation,
        id=new_id(),
        interrupt=question["interrupt"],
        answer="yes",
    )
    _, later = await devices[3].follow(conversation)
    assert later.subscribed[0].data["asked"] == []


async def _asked(device: Official, conversation: str) -> list[Any]:
    return list((await device.rpc("conversation.history", conversation=conversation))["asked"])


async def test_a_race_comes_to_one_outcome_though_a_server_and_the_master_die_in_it(
    asking_house: WholeHouse, bus: Bus
) -> None:
    """Devices send the same again, to whatever server answers, until they are told one way or the other."""
    asking_house.kill("conversation")
    here = [
        Device(
            [asking_house.address(number % 2), asking_house.address(1 - number % 2)],
            _token(asking_house, user),
        )
        for number, user in enumerate(USERS)
    ]
    await asyncio.gather(*(device.connect() for device in here))
    conversations = [await here[0].create(members=["bob"]) for _ in range(4)]
    asks = [(each, interrupt) for each in conversations for interrupt in await asked(bus, each)]
    raced, begun = asyncio.Semaphore(4), asyncio.Event()

    async def one(conversation: str, interrupt: str) -> list[str]:
        async def give(number: int, answer: str) -> Any:
            arguments = {
                "conversation": conversation,
                "id": new_id(),
                "interrupt": interrupt,
                "answer": answer,
            }
            return await here[number].call("conversation.answer", arguments)

        async with raced:
            told = await race(USERS, give, interrupt)
        begun.set()
        return faults(
            told, [each for each in await _events(bus, conversation) if each["interrupt"] == interrupt]
        )

    lost = asking_house.redis.master
    racing = asyncio.gather(*(one(*each) for each in asks))
    await begun.wait()
    asking_house.kill(CONNECTIONS[1])
    asking_house.redis.kill(lost)
    try:
        found = await racing
    finally:
        await asking_house.redis.restart(lost)
        await asking_house.restart(CONNECTIONS[1])
        await asking_house.restart("conversation")
        await asyncio.gather(*(device.close() for device in here))
    assert len(asks) == 100
    assert [fault for each in found for fault in each] == []


def _token(house: WholeHouse, user: str) -> Callable[[], Awaitable[str]]:
    async def token() -> str:
        return house.token(user)

    return token


async def _events(bus: Bus, conversation: str) -> list[dict[str, Any]]:
    reading = await bus.journal.read(Channel.of_conversation(conversation), 0, user="ann", deltas=False)
    events = [msgspec.json.decode(entry.body) for entry in reading.entries]
    return [event for event in events if event["type"] == "input.answered"]
