"""What people do with messages as the official client sees it: two servers, several devices of a user."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from centrifuge import ReplyError

from services.local.device import new_id
from services.shared.wire.codes import BAD_REQUEST, PERMISSION_DENIED
from tests.support.official_client import Official
from tests.support.open_bus import fresh_user
from tests.support.waiting import eventually

Arrive = Callable[..., Awaitable[Official]]


def on_user(device: Official, kind: str) -> list[dict[str, Any]]:
    return [each.pub.data for each in device.noted.publications if each.pub.data["type"] == kind]


async def listed(device: Official) -> dict[str, Any]:
    [one] = (await device.rpc("conversation.list"))["conversations"]
    return {name: one[name] for name in ("read", "unread")}


async def test_all_devices_of_a_user_agree_on_what_is_unread(arrive: Arrive) -> None:
    ann, bob = await arrive(fresh_user("ann")), fresh_user("bob")
    phone, desk = await arrive(bob), await arrive(bob, server=1)
    created = await ann.rpc("conversation.create", members=[bob], answers={"assistant": "never"})
    conversation = created["conversation"]
    for word in ("one", "two", "three"):
        await ann.send(conversation, word)
    _, followed = await ann.follow(conversation)
    await eventually(lambda: on_user(desk, "member.joined"))
    noted = await phone.rpc("conversation.read", conversation=conversation, seq=2)
    assert (noted["seq"], noted["unread"], noted["repeated"]) == (2, 1, False)

    for device in (phone, desk):
        [receipt] = await eventually(lambda device=device: on_user(device, "receipt.read"), within_s=10)
        assert (receipt["conversation"], receipt["seq"], receipt["unread"]) == (conversation, 2, 1)
        assert await listed(device) == {"read": 2, "unread": 1}
    [seen] = await eventually(lambda: followed.events("receipt.read"), within_s=10)
    assert (seen["user"], seen["seq"]) == (bob, 2)
    assert on_user(ann, "receipt.read") == []
    _, here = await desk.follow(conversation)
    assert here.subscribed[0].data["read"] == {"seq": 2, "unread": 1}


async def test_typing_is_seen_by_followers_once_and_is_no_history(arrive: Arrive) -> None:
    ann, bob = await arrive(fresh_user("ann")), await arrive(fresh_user("bob"), server=1)
    conversation = await ann.create(bob.user)
    _, followed = await bob.follow(conversation)
    for _ in range(3):
        assert await ann.rpc("conversation.typing", conversation=conversation, typing=True) == {}
    said = await ann.send(conversation, "here it is")
    await eventually(lambda: followed.said() == ["here it is"], within_s=10)
    [typing] = followed.events("typing")
    assert (typing["user"], typing["typing"], typing["expires_ms"]) == (ann.user, True, 6000)
    history = await bob.client.history(f"conversation:{conversation}", limit=-1)
    assert "typing" not in [each.data["type"] for each in history.publications]
    assert said["position"]["offset"] in [each.offset for each in history.publications]


async def test_a_stranger_that_types_is_refused_each_time(arrive: Arrive) -> None:
    ann, eve = await arrive(fresh_user("ann")), await arrive(fresh_user("eve"), server=1)
    conversation = await ann.create(fresh_user("bob"))
    for _ in range(2):
        with pytest.raises(ReplyError) as refused:
            await eve.rpc("conversation.typing", conversation=conversation, typing=True)
        assert refused.value.code == PERMISSION_DENIED.code


async def test_a_reply_that_names_somebody_reaches_conversation_and_user(arrive: Arrive) -> None:
    ann, bob = await arrive(fresh_user("ann")), await arrive(fresh_user("bob"), server=1)
    conversation = await ann.create(bob.user)
    _, followed = await bob.follow(conversation)
    first = (await bob.send(conversation, "anybody here?"))["message"]
    said = {"id": new_id(), "text": f"@{bob.user} I am", "reply_to": first.upper()}
    await ann.client.publish(f"conversation:{conversation}", said)
    [told] = await eventually(lambda: on_user(bob, "message.mentioned"), within_s=10)
    assert (told["message"], told["user"]) == (said["id"], ann.user)
    created = followed.events("message.created")[-1]
    assert (created["reply_to"], created["mentions"]) == (first, [bob.user])
    page = await bob.rpc("conversation.history", conversation=conversation)
    kept = next(each for each in page["messages"] if each["id"] == said["id"])
    assert (kept["reply_to"], kept["mentions"]) == (first, [bob.user])


async def test_edits_and_deletions_reach_who_follows_and_who_comes_later(arrive: Arrive) -> None:
    ann, bob = await arrive(fresh_user("ann")), await arrive(fresh_user("bob"), server=1)
    conversation = await ann.create(bob.user)
    _, followed = await bob.follow(conversation)
    first, second = [(await ann.send(conversation, text))["message"] for text in ("five", "secret")]
    edited = await ann.rpc("message.edit", conversation=conversation, id=first.upper(), text="six")
    await ann.rpc("message.delete", conversation=conversation, id=second)
    await eventually(lambda: followed.events("message.deleted"), within_s=10)
    [told] = followed.events("message.edited")
    assert (told["message"], told["text"], told["edits"], edited["edits"]) == (first, "six", 1, 1)
    page = await bob.rpc("conversation.history", conversation=conversation)
    shown = {each["id"]: (each["text"], each["edits"], each["deleted"]) for each in page["messages"]}
    assert (shown[first], shown[second]) == (("six", 1, False), ("", 0, True))
    await bob.rpc("message.react", conversation=conversation, id=first, reaction="+1")
    [reacted] = await eventually(lambda: followed.events("message.reacted"), within_s=10)
    assert (reacted["message"], reacted["user"], reacted["on"]) == (first, bob.user, True)
    [kept, _] = (await ann.rpc("conversation.history", conversation=conversation))["messages"]
    assert kept["reactions"] == {"+1": [bob.user]}
    versions = await ann.rpc("message.versions", conversation=conversation, id=first)
    assert [each["text"] for each in versions["versions"]] == ["five"]


@pytest.mark.parametrize(
    ("method", "arguments", "field"),
    [
        ("conversation.read", {"seq": 0}, "seq"),
        ("conversation.read", {"seq": 1.5}, "seq"),
        ("conversation.read", {}, "seq"),
        ("conversation.typing", {"typing": "yes"}, "typing"),
        ("conversation.typing", {}, "typing"),
        ("message.edit", {"id": new_id(), "text": "x"}, "id"),
        ("message.edit", {"id": "x", "text": "x"}, "id"),
        ("message.edit", {"id": new_id(), "text": ""}, "text"),
        ("message.delete", {"id": 7}, "id"),
        ("message.versions", {}, "id"),
        ("message.react", {"id": new_id(), "reaction": "a b"}, "reaction"),
        ("message.react", {"id": new_id(), "reaction": ""}, "reaction"),
        ("message.react", {"id": new_id(), "reaction": "\u20ac" * 11}, "reaction"),
        ("message.react", {"id": new_id(), "reaction": "+1", "on": 1}, "on"),
        ("conversation.send", {"id": new_id(), "text": "x", "reply_to": "x"}, "reply_to"),
        ("conversation.send", {"id": new_id(), "text": "x", "reply_to": new_id()}, "reply_to"),
    ],
)
async def test_a_wrong_argument_is_named(
    arrive: Arrive, method: str, arguments: dict[str, Any], field: str
) -> None:
    ann = await arrive(fresh_user("ann"))
    conversation = await ann.create(fresh_user("bob"))
    with pytest.raises(ReplyError) as refused:
        await ann.rpc(method, conversation=conversation, **arguments)
    assert refused.value.code == BAD_REQUEST.code
    assert field in str(refused.value)
