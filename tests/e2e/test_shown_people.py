"""What docs/clients.md shows of people, as it stands there, on real servers: who follows from the start, who
comes late, and the server agree.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from centrifuge import SubscribedContext

from tests.support.official_client import Followed, Official
from tests.support.open_bus import fresh_user
from tests.support.shown_client import shown
from tests.support.waiting import eventually

Arrive = Callable[..., Awaitable[Official]]
CLIENT = shown()


async def pages(device: Official, conversation: str) -> list[dict[str, Any]]:
    page = await device.rpc("conversation.history", conversation=conversation, limit=200)
    return list(page["messages"])


def fed(device: Official, followed: Followed, history: list[dict[str, Any]]) -> Any:
    """What this device shows by now."""
    seen = CLIENT.Shown(device.user)
    seen.history(history)
    for told in followed.told:
        if isinstance(told, SubscribedContext):
            seen.subscribed(told.data)
        else:
            seen.event(told.pub.data)
    return seen


def people(seen: Any) -> list[tuple[Any, ...]]:
    names = ("id", "user", "text", "seq", "edits", "deleted", "reactions", "reply_to", "mentions")
    return [tuple(each[name] for name in names) for each in seen.messages.values()]


async def test_who_was_there_who_comes_late_and_the_server_agree(arrive: Arrive) -> None:
    ann, bob = await arrive(fresh_user("ann")), await arrive(fresh_user("bob"), server=1)
    made = await ann.rpc("conversation.create", members=[bob.user], answers={"assistant": "never"})
    where = made["conversation"]
    _, here = await bob.follow(where)
    first, second = [(await ann.send(where, text))["message"] for text in ("five", "a secret")]
    said = {"id": CLIENT.uuid7(), "text": f"@{bob.user} come", "reply_to": first}
    await ann.client.publish(f"conversation:{where}", said)
    await ann.rpc("message.edit", conversation=where, id=first, text="six")
    await ann.rpc("message.delete", conversation=where, id=second)
    for user, on in ((ann, True), (bob, True), (ann, False)):
        await user.rpc("message.react", conversation=where, id=first, reaction="+1", on=on)
    await bob.rpc("conversation.read", conversation=where, seq=2)
    await ann.rpc("conversation.typing", conversation=where, typing=True)
    live = await eventually(
        lambda: (seen := fed(bob, here, [])).typing() and seen.read == 2 and seen, within_s=10
    )

    desk = await arrive(bob.user)
    history = await pages(desk, where)
    _, there = await desk.follow(where)
    late = fed(desk, there, history)
    assert people(live) == people(late)
    six, deleted, reply = people(late)
    assert six[2:7] == ("six", 1, 1, False, {"+1": [bob.user]})
    assert deleted[2:7] == ("", 2, 0, True, {})
    assert reply[7:] == (first, [bob.user])
    [listed] = (await desk.rpc("conversation.list"))["conversations"]
    assert live.unread() == late.unread() == listed["unread"] == 1
    assert live.typing() == [ann.user]
    assert late.typing() == []

    there_are = await eventually(lambda: both(bob, where), within_s=20)
    assert there_are[bob.user]["connections"] == 2


async def both(device: Official, conversation: str) -> dict[str, Any] | None:
    """Who is there, once both of the user's devices are."""
    users: dict[str, Any] = await CLIENT.who(device.client, conversation)
    return users if users.get(device.user, {}).get("connections") == 2 else None
