"""The official Python client, as it comes, against the whole house."""

import uuid
from collections.abc import Awaitable, Callable

import pytest
from centrifuge import ClientState, ReplyError, StreamPosition

from services.local.device import new_id
from tests.support.official_client import Followed, Official
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

Arrive = Callable[..., Awaitable[Official]]


def somebody(name: str) -> str:
    """A user nobody met in another test."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


async def said(followed: Followed, *texts: str) -> None:
    """Wait until these, and no others, were heard in this order."""
    await eventually(lambda: len(followed.said()) >= len(texts), within_s=15)
    assert followed.said() == list(texts)


async def refused(call: Awaitable[object]) -> int:
    """The code of the error a call is answered with."""
    with pytest.raises(ReplyError) as error:
        await call
    return int(error.value.code)


async def test_a_device_connects_and_is_told_who_it_is(arrive: Arrive):
    device = await arrive(somebody("ann"))
    (connected,) = device.noted.connected
    assert connected.client
    assert connected.version


async def test_what_one_publishes_every_member_hears_on_either_server(arrive: Arrive):
    ann, bob = somebody("ann"), somebody("bob")
    here, there = await arrive(ann), await arrive(bob, server=1)
    conversation = await here.create(bob)
    mine, (_, theirs) = await here.follow(conversation), await there.follow(conversation)
    message = new_id()
    await mine[0].publish({"id": message, "text": "hello"})
    for followed in (mine[1], theirs):
        await said(followed, "hello")
        (event,) = followed.events("message.created")
        assert (event["message"], event["user"], event["conversation"]) == (message, ann, conversation)


async def test_a_message_sent_twice_is_said_once(arrive: Arrive):
    device = await arrive(somebody("ann"))
    conversation = await device.create()
    _, followed = await device.follow(conversation)
    first = {"conversation": conversation, "id": new_id(), "text": "once"}
    one = await device.rpc("conversation.send", **first)
    again = await device.rpc("conversation.send", **first)
    assert (one["repeated"], again["repeated"]) == (False, True)
    assert one["position"] == again["position"]
    await device.send(conversation, "twice")
    await said(followed, "once", "twice")


async def test_an_answer_streams_and_ends_as_the_text_that_is_kept(arrive: Arrive):
    device = await arrive(somebody("ann"))
    conversation = await device.create()
    _, followed = await device.follow(conversation)
    await device.send(conversation, "hello, who are you?")
    await eventually(lambda: followed.events("turn.finished"), within_s=30)
    (completed,) = followed.events("message.completed")
    deltas = followed.events("message.delta")
    assert len(deltas) > 1
    assert completed["text"].startswith("".join(delta["text"] for delta in deltas))
    assert followed.events("turn.finished")[0]["outcome"] == "completed"
    page = await device.rpc("conversation.history", conversation=conversation)
    assert page["messages"][-1]["text"] == completed["text"]
    assert followed.offsets() == sorted(set(followed.offsets()))


async def test_a_device_whose_server_is_killed_recovers_all_it_missed_once_and_in_order(
    arrive: Arrive, house: WholeHouse
):
    ann, bob = somebody("ann"), somebody("bob")
    away, here = await arrive(ann, server=1, max_reconnect_delay=1.0), await arrive(bob, server=0)
    conversation = await here.create(ann)
    (_, missing), (_, staying) = await away.follow(conversation), await here.follow(conversation)
    await here.send(conversation, "before")
    await said(missing, "before")
    house.kill("connection-2")
    for number in range(5):
        await here.send(conversation, f"meanwhile {number}")
    await house.restart("connection-2")
    await here.send(conversation, "after")
    everything = ["before", *(f"meanwhile {number}" for number in range(5)), "after"]
    await said(missing, *everything)
    await said(staying, *everything)
    again = missing.subscribed[-1]
    assert (len(missing.subscribed), again.was_recovering, again.recovered) == (2, True, True)
    assert missing.offsets() == sorted(set(missing.offsets()))


async def test_a_position_of_another_epoch_is_not_recovered_in_silence(arrive: Arrive):
    device = await arrive(somebody("ann"))
    conversation = await device.create()
    read: list[StreamPosition] = []

    async def state(_: str) -> StreamPosition:
        page = await device.rpc("conversation.history", conversation=conversation)
        epoch = page["position"]["epoch"] if read else "somewhere.else"
        read.append(StreamPosition(offset=page["position"]["offset"], epoch=epoch))
        return read[-1]

    followed = Followed()
    subscription = device.client.new_subscription(
        f"conversation:{conversation}", events=followed, get_state=state
    )
    await subscription.subscribe()
    await eventually(lambda: followed.subscribed)
    assert len(read) == 2, "the first position was refused, the second one served"
    assert followed.subscribed[0].recovered


async def test_a_connection_outlives_its_token_by_refreshing_it(arrive: Arrive):
    device = await arrive(somebody("ann"), ttl_s=2)
    await eventually(lambda: device.tokens >= 3, within_s=15)
    assert device.client.state is ClientState.CONNECTED
    assert (len(device.noted.connected), device.noted.errors) == (1, [])


async def test_an_expired_token_is_replaced_and_a_forged_one_ends_the_connection(house: WholeHouse):
    user = somebody("ann")
    tokens = [house.token(user, ttl_s=-5), house.token(user)]
    late = Official(house.address(), lambda: tokens.pop(0))
    await late.connect()
    assert 109 in late.noted.errors
    await late.leave()
    forged = Official(house.address(), lambda: house.token(user, secret="another secret, just as long as it"))
    await forged.client.connect()
    await eventually(lambda: forged.noted.disconnected)
    assert forged.noted.disconnected == [3500]
    await forged.leave()


async def test_a_subscription_outlives_its_token_by_refreshing_it(arrive: Arrive, house: WholeHouse):
    user, asked = somebody("ann"), []
    device = await arrive(user)
    conversation = await device.create()

    async def permit(channel: str) -> str:
        asked.append(channel)
        return house.token(user, ttl_s=2, channel=channel)

    subscription, followed = device.subscription(conversation, permit)
    await subscription.subscribe()
    await eventually(lambda: len(asked) >= 3, within_s=15)
    await device.send(conversation, "still here")
    await said(followed, "still here")
    assert (len(followed.subscribed), followed.unsubscribed, followed.errors) == (1, [], [])


async def test_a_subscription_token_for_another_channel_ends_the_connection(
    arrive: Arrive, house: WholeHouse
):
    user = somebody("ann")
    device = await arrive(user)
    conversation = await device.create()

    async def permit(_: str) -> str:
        return house.token(user, channel="conversation:another")

    subscription, _ = device.subscription(conversation, permit)
    await subscription.subscribe()
    await eventually(lambda: device.noted.disconnected == [3500])


async def test_presence_names_who_is_here(arrive: Arrive):
    ann, bob = somebody("ann"), somebody("bob")
    one, two, other = await arrive(ann), await arrive(ann, server=1), await arrive(bob, server=1)
    conversation = await one.create(bob)
    subscriptions = [(await device.follow(conversation))[0] for device in (one, two, other)]

    async def users() -> list[str]:
        return sorted(info.user for info in (await subscriptions[0].presence()).clients.values())

    await eventually(lambda: _is(users, [ann, ann, bob]))
    stats = await subscriptions[2].presence_stats()
    assert (stats.num_clients, stats.num_users) == (3, 2)
    clients = (await subscriptions[0].presence()).clients
    assert all(key == info.client for key, info in clients.items())
    assert one.noted.connected[0].client in clients


async def _is(look: Callable[[], Awaitable[object]], wanted: object) -> bool:
    return await look() == wanted


async def test_arriving_and_leaving_are_announced_once_per_user(arrive: Arrive):
    ann, bob = somebody("ann"), somebody("bob")
    watching = await arrive(ann)
    conversation = await watching.create(bob)
    _, followed = await watching.follow(conversation, join_leave=True)
    first, second = await arrive(bob, server=1), await arrive(bob)
    await first.follow(conversation)
    await eventually(lambda: bob in followed.joins)
    await second.follow(conversation)
    await first.leave()
    await second.leave()
    await eventually(lambda: bob in followed.leaves, within_s=15)
    assert (followed.joins.count(bob), followed.leaves.count(bob)) == (1, 1)


async def test_history_is_read_forward_backward_and_from_a_position(arrive: Arrive):
    device = await arrive(somebody("ann"))
    conversation = await device.create()
    subscription, _ = await device.follow(conversation)
    for text in ("one", "two", "three"):
        await device.send(conversation, text)
    everything = await subscription.history(limit=-1)
    spoken = [pub for pub in everything.publications if pub.data["type"] == "message.created"]
    assert [pub.data["text"] for pub in spoken] == ["one", "two", "three"]
    since = StreamPosition(offset=spoken[1].offset, epoch=everything.epoch)
    later = await subscription.history(limit=-1, since=since)
    assert [pub.data["text"] for pub in later.publications if "text" in pub.data] == ["three"]
    backward = await subscription.history(limit=-1, since=since, reverse=True)
    assert [pub.data["text"] for pub in backward.publications if "text" in pub.data] == ["one"]
    assert (await subscription.history(limit=0)).publications == []
    elsewhere = StreamPosition(offset=spoken[0].offset, epoch="elsewhere")
    assert await refused(subscription.history(limit=-1, since=elsewhere)) == 112


async def test_conversations_are_made_listed_and_read_by_calls(arrive: Arrive):
    ann, bob = somebody("ann"), somebody("bob")
    device, other = await arrive(ann), await arrive(bob)
    conversation = await device.create(title="Plans")
    (listed,) = (await device.rpc("conversation.list"))["conversations"]
    assert (listed["id"], listed["title"], listed["role"]) == (conversation, "Plans", "owner")
    await device.rpc("conversation.members.add", conversation=conversation, user=bob)
    await eventually(lambda: _lists(other, conversation), within_s=10)
    await device.send(conversation, "hello")
    page = await other.rpc("conversation.history", conversation=conversation)
    assert page["messages"][0]["text"] == "hello"


async def _lists(device: Official, conversation: str) -> bool:
    return conversation in [each["id"] for each in (await device.rpc("conversation.list"))["conversations"]]


async def test_a_running_answer_is_cancelled(arrive: Arrive):
    device = await arrive(somebody("ann"))
    conversation = await device.create()
    _, followed = await device.follow(conversation)
    sent = await device.send(conversation, "tell me a long story")
    cancelled = await device.rpc("conversation.cancel", conversation=conversation)
    await eventually(lambda: followed.events("turn.finished"), within_s=20)
    assert cancelled["turns"] == sent["turns"]
    assert [event["outcome"] for event in followed.events("turn.finished")] == ["cancelled"]


async def test_what_is_not_allowed_or_not_there_is_answered_with_its_code(arrive: Arrive):
    device, stranger = await arrive(somebody("ann")), await arrive(somebody("eve"))
    conversation = await device.create()
    assert await refused(stranger.rpc("conversation.history", conversation=conversation)) == 103
    assert await refused(stranger.rpc("conversation.history", conversation=new_id())) == 103
    assert await refused(stranger.client.publish("news", {"a": 1})) == 102
    assert await refused(device.rpc("conversation.fly")) == 104
    assert await refused(device.rpc("conversation.send", conversation=conversation)) == 107
    assert await refused(device.client.publish(f"conversation:{conversation}", {"any": "thing"})) == 103
    assert await refused(stranger.client.presence(f"conversation:{conversation}")) == 103


@pytest.mark.parametrize(("channel", "code"), [("conversation", 103), ("#another", 103), ("news", 102)])
async def test_a_subscription_that_is_not_allowed_ends_with_its_code(arrive: Arrive, channel: str, code: int):
    device, stranger = await arrive(somebody("ann")), await arrive(somebody("eve"))
    name = f"conversation:{await device.create()}" if channel == "conversation" else channel
    followed = Followed()
    subscription = stranger.client.new_subscription(name, events=followed)
    await subscription.subscribe()
    await eventually(lambda: followed.unsubscribed)
    assert followed.unsubscribed == [code]


async def test_a_member_who_is_removed_loses_the_subscription_on_every_server(arrive: Arrive):
    ann, bob = somebody("ann"), somebody("bob")
    owner, one, two = await arrive(ann), await arrive(bob), await arrive(bob, server=1)
    conversation = await owner.create(bob)
    _, staying = await owner.follow(conversation)
    gone = [(await device.follow(conversation))[1] for device in (one, two)]
    await owner.rpc("conversation.members.remove", conversation=conversation, user=bob)
    for followed in gone:
        await eventually(lambda: followed.unsubscribed == [2000], within_s=10)  # noqa: B023 - awaited at once
    await owner.send(conversation, "among us")
    await said(staying, "among us")
    assert [followed.said() for followed in gone] == [[], []]
    assert await refused(one.send(conversation, "let me in")) == 103


async def test_the_users_own_channel_tells_of_new_conversations_also_after_a_crash(
    arrive: Arrive, house: WholeHouse
):
    ann, bob = somebody("ann"), somebody("bob")
    device, other = await arrive(ann), await arrive(bob, server=1, max_reconnect_delay=1.0)
    (own,) = other.noted.server_side
    assert (own.channel, own.recoverable) == (f"#{bob}", True)
    first = await device.create(bob, title="first")
    await eventually(lambda: other.noted.publications, within_s=10)
    house.kill("connection-2")
    second = await device.create(bob, title="second")
    await house.restart("connection-2")
    await eventually(lambda: len(other.noted.publications) > 1, within_s=15)
    events = [heard.pub.data for heard in other.noted.publications]
    assert [event["conversation"] for event in events] == [first, second]
    assert {(event["type"], event["user"]) for event in events} == {("member.joined", bob)}
    assert other.noted.server_side[-1].was_recovering
