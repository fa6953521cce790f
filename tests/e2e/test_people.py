"""People in a conversation as the official client sees them, on every device and server."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from centrifuge import ReplyError

from services.shared.wire.codes import BAD_REQUEST, PERMISSION_DENIED, REFUSED
from tests.support.official_client import Official
from tests.support.waiting import eventually

Arrive = Callable[..., Awaitable[Official]]


def somebody(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


async def refused(call: Awaitable[object]) -> tuple[int, str]:
    with pytest.raises(ReplyError) as error:
        await call
    return int(error.value.code), str(error.value.message)


async def heard(device: Official, kind: str, many: int = 1) -> list[dict[str, Any]]:
    """What came over `#user` of one type, once it is so many."""

    def so_many() -> list[dict[str, Any]]:
        told = [each.pub.data for each in device.noted.publications if each.pub.data["type"] == kind]
        return told if len(told) >= many else []

    found: list[dict[str, Any]] = await eventually(so_many, within_s=10)
    assert len(found) == many
    return found


async def test_an_invitation_is_answered_on_one_device_and_known_on_all(arrive: Arrive):
    ann, bob = somebody("ann"), somebody("bob")
    here, phone, laptop = await arrive(ann), await arrive(bob), await arrive(bob, server=1)
    conversation = await here.create(title="Plans")
    _, followed = await here.follow(conversation)
    await here.rpc("conversation.members.invite", conversation=conversation, user=bob, role="reader")
    for device in (phone, laptop):
        [told] = await heard(device, "member.invited")
        assert (told["title"], told["by"], told["role"]) == ("Plans", ann, "reader")
    [asked] = (await laptop.rpc("conversation.invitations"))["invitations"]
    where = {
        "conversation": conversation,
        "title": "Plans",
        "role": "reader",
        "by": ann,
        "time": asked["time"],
    }
    assert asked == where
    history = laptop.rpc("conversation.history", conversation=conversation)
    assert (await refused(history))[0] == PERMISSION_DENIED.code
    _, strange = await laptop.follow(conversation)
    assert strange.unsubscribed == [PERMISSION_DENIED.code]

    await phone.rpc("conversation.members.accept", conversation=conversation)
    for device in (phone, laptop):
        await heard(device, "member.joined")
        [listed] = (await device.rpc("conversation.list"))["conversations"]
        assert (listed["id"], listed["role"], listed["muted"], listed["archived"]) == (
            conversation,
            "reader",
            0,
            False,
        )
        assert (await device.rpc("conversation.invitations"))["invitations"] == []
    await eventually(lambda: followed.events("member.joined"))
    code, text = await refused(phone.send(conversation, "hello"))
    assert code == REFUSED.code
    assert text == "refused: the role reader may not do conversation.send"


async def test_a_reader_follows_and_is_seen(arrive: Arrive):
    ann, rea = somebody("ann"), somebody("rea")
    here, there = await arrive(ann), await arrive(rea, server=1)
    conversation = await here.create(title="Plans")
    await here.rpc("conversation.members.add", conversation=conversation, user=rea, role="reader")
    _, followed = await there.follow(conversation)
    await here.send(conversation, "hello")
    await eventually(lambda: followed.said() == ["hello"])
    await eventually(lambda: followed.events("message.completed"), within_s=20)
    seen = await here.client.presence(f"conversation:{conversation}")
    assert {each.user for each in seen.clients.values()} == {rea}
    await here.rpc("conversation.members.role", conversation=conversation, user=rea, role="member")
    await there.send(conversation, "and hello")
    await here.rpc("conversation.rename", conversation=conversation, title="Better plans")
    await eventually(lambda: followed.events("conversation.updated"))
    assert [each["title"] for each in followed.events("conversation.updated")] == ["Better plans"]
    await there.rpc("conversation.leave", conversation=conversation)
    await eventually(lambda: followed.unsubscribed == [2000], within_s=10)


async def test_marks_reach_the_user_s_other_devices_and_nobody_else(arrive: Arrive):
    ann, bob = somebody("ann"), somebody("bob")
    here, phone, laptop = await arrive(ann), await arrive(bob), await arrive(bob, server=1)
    conversation = await here.create(bob)
    for device in (phone, laptop):
        await heard(device, "member.joined")
    muted = await phone.rpc("conversation.mute", conversation=conversation, until=None)
    assert muted == {"muted": None, "archived": False}
    archived = await laptop.rpc("conversation.archive", conversation=conversation, archived=True)
    assert archived == {"muted": None, "archived": True}
    for device in (phone, laptop):
        first, second = await heard(device, "conversation.marked", 2)
        assert (first["muted"], first["archived"]) == (None, False)
        assert (second["muted"], second["archived"]) == (None, True)
        [listed] = (await device.rpc("conversation.list"))["conversations"]
        assert (listed["muted"], listed["archived"]) == (None, True)
    [others] = (await here.rpc("conversation.list"))["conversations"]
    assert (others["muted"], others["archived"]) == (0, False)
    assert [each for each in here.noted.publications if each.pub.data["type"] == "conversation.marked"] == []


async def test_wrong_arguments_are_named_and_change_nothing(arrive: Arrive):
    here = await arrive(somebody("ann"))
    conversation = await here.create(title="Plans")
    _, followed = await here.follow(conversation)
    wrong = [
        ("conversation.members.invite", {"user": "no one!"}, "$.user"),
        ("conversation.members.role", {"user": "nobody", "role": "reader"}, "$.user"),
        ("conversation.members.role", {"user": "nobody", "role": "king"}, "$.role"),
        ("conversation.rename", {"title": "x" * 201}, "$.title"),
        ("conversation.mute", {"until": -1}, "$.until"),
        ("conversation.archive", {"archived": "yes"}, "$.archived"),
        ("conversation.members.list", {"limit": 0}, "$.limit"),
    ]
    for method, more, named in wrong:
        code, text = await refused(here.rpc(method, conversation=conversation, **more))
        assert (code, named in text) == (BAD_REQUEST.code, True), text
    await here.rpc("conversation.rename", conversation=conversation, title="the end")
    await eventually(lambda: followed.publications)
    assert [each.data["type"] for each in followed.publications] == ["conversation.updated"]
