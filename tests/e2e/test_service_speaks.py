"""A back end says something as itself: an agent answers it, everybody sees it, and no token makes one."""

from collections.abc import Awaitable, Callable

import pytest
import websockets

from services.local.device import new_id
from services.shared.model.ids import service_actor
from tests.support.indoors import Indoors
from tests.support.official_client import Official
from tests.support.open_bus import fresh_user, open_bus
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

Arrive = Callable[..., Awaitable[Official]]
BILLING = service_actor("billing")


async def test_an_agent_answers_a_service_and_all_devices_see_it(arrive: Arrive, house: WholeHouse) -> None:
    ann, bob = await arrive(fresh_user("ann")), await arrive(fresh_user("bob"), server=1)
    talk = await ann.create(bob.user)
    _, there = await bob.follow(talk, join_leave=True)
    async with open_bus(house.redis) as bus:
        service = Indoors(bus, BILLING)
        said = await service.done(
            "conversation.send", conversation=talk, id=new_id(), text=f"@{bob.user} My name is Bill."
        )
        await eventually(lambda: there.events("turn.finished"), within_s=20)
        [created] = there.events("message.created")
        assert (created["user"], created["mentions"]) == (BILLING, [bob.user])
        [answer] = there.events("message.completed")
        page = await service.done("conversation.history", conversation=talk)
    assert [each["id"] for each in page["messages"]] == [said["message"], answer["message"]]
    assert [turn["outcome"] for turn in there.events("turn.finished")] == ["completed"]
    assert (there.joins.count(BILLING), bob.noted.disconnected) == (0, [])
    await eventually(
        lambda: "message.mentioned" in [each.pub.data["type"] for each in bob.noted.publications]
    )
    members = await ann.rpc("conversation.members.list", conversation=talk)
    assert {each["user"] for each in members["members"]} == {ann.user, bob.user}
    present = await ann.rpc("conversation.presence", conversation=talk)
    assert BILLING not in [each["user"] for each in present["users"]]


@pytest.mark.parametrize("name", [BILLING, "service:"])
async def test_no_token_makes_a_service(house: WholeHouse, name: str) -> None:
    async with websockets.connect(house.address(), proxy=None) as socket:
        await socket.send('{"id":1,"connect":{"token":"' + house.token(name) + '"}}')
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 3500
