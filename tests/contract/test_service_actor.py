"""A back end that acts as itself: what it may in any conversation, what it may not, and that nothing is kept
of it as of a member. On a real Redis, by the calls that sockets and HTTP make.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.errors import BadRequest, NotMember, Refused
from services.shared.model.ids import Channel, service_actor
from services.shared.model.permissions import Operation, Role
from services.shared.wire.codes import PERMISSION_DENIED, REFUSED
from tests.support.indoors import Indoors
from tests.support.open_bus import fresh_user, open_bus
from tests.support.permission_cases import CASES, USERS_ALONE, Case, Stage, judge, judge_stranger

BILLING, OTHER = service_actor("billing"), service_actor("other")
EACH = pytest.mark.parametrize("operation", CASES, ids=lambda each: each.name)


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as bus:
        yield bus


async def staged(bus: Bus) -> Stage:
    """A conversation of two people, where one and the service said something."""
    host, actor, other = Indoors(bus, fresh_user("host")), Indoors(bus, BILLING), fresh_user("other")
    made = await host.done("conversation.create", members=[other], answers={"assistant": "never"})
    conversation = made["conversation"]
    said = [
        (await each.done("conversation.send", conversation=conversation, id=new_id(), text="hello"))[
            "message"
        ]
        for each in (host, actor)
    ]
    return Stage(actor, other, conversation, said[1], said[0])


async def journal(bus: Bus, conversation: str) -> list[dict[str, Any]]:
    """The events of a conversation."""
    entries: Any = await bus.floor.commands.xrange(bus.floor.keys.conversation(conversation).journal)
    return [msgspec.json.decode(fields[b"b"]) for _, fields in entries]


async def kept_of(bus: Bus, conversation: str) -> set[str]:
    """Keys in which the service is a field or an entry by itself, by the end of their names; and its own."""
    commands, at = bus.floor.commands, bus.floor.keys.conversation(conversation)
    found = set()
    for key in [key async for key in commands.scan_iter(match=f"{at.base}:*")]:
        name, kind = key.decode(), (await commands.type(key)).decode()
        if kind == "hash":
            fields: Any = await commands.hkeys(key)
        elif kind == "zset":
            fields = await commands.zrange(key, 0, -1)
        elif kind == "set":
            fields = await commands.smembers(key)
        else:
            continue
        if BILLING.encode() in fields:
            found.add(name.removeprefix(at.base))
    own: list[bytes] = [key async for key in commands.scan_iter(match=f"*{BILLING}*")]
    return found | {key.decode() for key in own}


@EACH
async def test_a_service_does_what_the_table_says(bus: Bus, operation: Operation) -> None:
    stage = await staged(bus)
    judge(operation, Role.SERVICE, await CASES[operation].done(stage))
    assert await kept_of(bus, stage.conversation) == set()


@EACH
async def test_where_there_is_no_conversation_a_service_finds_and_leaves_nothing(
    bus: Bus, operation: Operation
) -> None:
    stage = await staged(bus)
    nowhere = Stage(stage.actor, stage.other, new_id(), "", stage.hosts)
    judge_stranger(operation, Role.SERVICE, await CASES[operation].done(nowhere))
    base = bus.floor.keys.conversation(nowhere.conversation).base
    assert [key async for key in bus.floor.commands.scan_iter(match=f"{base}*")] == []


@EACH
async def test_a_conversation_that_is_being_deleted_is_none_to_a_service(
    bus: Bus, operation: Operation
) -> None:
    stage = await staged(bus)
    host = await host_of(bus, stage)
    await bus.deletion.delete(stage.conversation, host)
    told = await journal(bus, stage.conversation)
    judge_stranger(operation, Role.SERVICE, await CASES[operation].done(stage))
    assert await journal(bus, stage.conversation) == told


@pytest.mark.parametrize("case", USERS_ALONE, ids=lambda each: each.method)
async def test_what_only_users_do_is_refused_to_a_service(bus: Bus, case: Case) -> None:
    stage = await staged(bus)
    (code, text), _ = await stage.actor.call(case.method, case.arguments(stage))
    assert code == REFUSED.code
    assert ("a conversation belongs to a user: service:billing" in text) or (
        f"the role service may not do {case.method}" in text
    )
    assert await kept_of(bus, stage.conversation) == set()


async def roles(bus: Bus, conversation: str) -> dict[str, str]:
    """Who is in it, as what."""
    members: Any = await bus.floor.commands.hgetall(bus.floor.keys.conversation(conversation).members)
    return {user.decode(): role.decode() for user, role in members.items()}


async def host_of(bus: Bus, stage: Stage) -> str:
    """Whose conversation it is."""
    return next(user for user, role in (await roles(bus, stage.conversation)).items() if role == Role.OWNER)


async def test_all_see_it_as_it_is_called(bus: Bus) -> None:
    stage = await staged(bus)
    talk, service = stage.conversation, stage.actor
    for method, values in (
        ("conversation.rename", {"title": "Bills"}),
        ("conversation.members.add", {"user": "cleo", "role": "reader"}),
        ("conversation.members.invite", {"user": "dan", "role": "member"}),
        ("conversation.members.role", {"user": "cleo", "role": "owner"}),
        ("conversation.members.remove", {"user": "dan"}),
        ("conversation.configure", {"double_texting": "reject"}),
        ("message.edit", {"id": stage.own, "text": "in other words"}),
        ("message.delete", {"id": stage.hosts}),
    ):
        told, _ = await service.call(method, {"conversation": talk, **values})
        assert told == (0, ""), method
    events = await journal(bus, talk)
    own = [event for event in events if BILLING in (event.get("by"), event.get("user"))]
    assert [event["type"] for event in own] == [
        *("message.created", "conversation.updated", "member.joined", "member.invited", "member.changed"),
        *("member.declined", "conversation.updated", "message.edited", "message.deleted"),
    ]
    page = await Indoors(bus, stage.other).done("conversation.history", conversation=talk)
    assert [(each["user"], each["text"]) for each in page["messages"]][1] == (BILLING, "in other words")
    assert BILLING not in await roles(bus, talk)


async def test_one_who_accepts_joins_by_the_service_that_invited(bus: Bus) -> None:
    stage, dan = await staged(bus), Indoors(bus, fresh_user("dan"))
    talk = stage.conversation
    await stage.actor.call("conversation.members.invite", {"conversation": talk, "user": dan.user})
    await dan.done("conversation.members.accept", conversation=talk)
    *_, joined = await journal(bus, talk)
    assert (joined["type"], joined["user"], joined["by"]) == ("member.joined", dan.user, BILLING)


async def test_its_own_is_what_this_very_service_said(bus: Bus) -> None:
    stage, other = await staged(bus), Indoors(bus, OTHER)
    about = {"conversation": stage.conversation, "id": stage.own}
    (code, text), _ = await other.call("message.edit", {**about, "text": "mine"})
    assert (code, "said by somebody else" in text) == (REFUSED.code, True)
    host = await host_of(bus, stage)
    await Indoors(bus, host).done("message.delete", **about)  # an owner may, whoever said it


async def test_a_member_goes_back_no_further_than_what_a_service_said(bus: Bus) -> None:
    stage = await staged(bus)
    talk, member = stage.conversation, Indoors(bus, stage.other)
    sent = await member.done("conversation.send", conversation=talk, id=new_id(), text="mine")
    back = {"conversation": talk, "message": sent["message"], "ask": False}
    said = await Indoors(bus, BILLING).done("conversation.send", conversation=talk, id=new_id(), text="more")
    (code, text), _ = await member.call("conversation.rewind", {**back, "id": new_id()})
    assert (code, f"{BILLING} said something since" in text) == (REFUSED.code, True)
    service_back = {"conversation": talk, "message": said["message"], "ask": False, "id": new_id()}
    assert (await stage.actor.call("conversation.rewind", service_back))[0] == (0, "")
    await member.done("conversation.rewind", **back, id=new_id())


async def test_what_it_says_is_unread_by_all_and_read_by_none(bus: Bus) -> None:
    stage = await staged(bus)
    host = await host_of(bus, stage)
    channel = Channel.of_conversation(stage.conversation)
    reading = await bus.journal.excerpt(channel, None, user=host, limit=1, reverse=False)
    assert reading.read
    assert (reading.read.seq, reading.read.unread) == (1, 1)
    service = await bus.journal.excerpt(channel, None, user=BILLING, limit=1, reverse=False)
    assert service.role == Role.SERVICE
    assert service.read
    assert (service.read.seq, service.read.unread) == (0, 0)


async def test_it_replies_to_messages_and_names_people(bus: Bus) -> None:
    stage = await staged(bus)
    talk = stage.conversation
    said = {"conversation": talk, "id": new_id(), "text": f"@{stage.other} pay", "reply_to": stage.hosts}
    first, result = await stage.actor.call("conversation.send", said)
    again, repeat = await stage.actor.call("conversation.send", said)
    assert (first, again, repeat["position"]) == ((0, ""), (0, ""), result["position"])
    *_, created = await journal(bus, talk)
    assert (created["user"], created["mentions"], created["reply_to"]) == (
        *(BILLING, [stage.other], stage.hosts),
    )


async def test_a_repeated_delete_is_told_to_the_service_that_did_it_alone(bus: Bus) -> None:
    stage = await staged(bus)
    ends = {"conversation": stage.conversation}
    first, result = await stage.actor.call("conversation.delete", ends)
    again, repeat = await stage.actor.call("conversation.delete", ends)
    assert (first, again, repeat) == ((0, ""), (0, ""), result)
    assert (await Indoors(bus, OTHER).call("conversation.delete", ends))[0][0] == PERMISSION_DENIED.code


async def test_a_conversation_everybody_left_is_still_a_services_to_mend(bus: Bus) -> None:
    stage = await staged(bus)
    for user in await roles(bus, stage.conversation):
        await Indoors(bus, user).done("conversation.leave", conversation=stage.conversation)
    add = {"conversation": stage.conversation, "user": "cleo", "role": "owner"}
    assert (await stage.actor.call("conversation.members.add", add))[0] == (0, "")
    assert await roles(bus, stage.conversation) == {"cleo": "owner"}


async def test_a_service_is_nobodys_object(bus: Bus) -> None:
    stage = await staged(bus)
    talk, host = stage.conversation, await host_of(bus, stage)
    for deed in (
        bus.conversations.add_member(talk, host, BILLING),
        bus.conversations.remove_member(talk, host, BILLING),
        bus.members.invite(talk, host, BILLING),
        bus.members.change_role(talk, host, BILLING, "member"),
        bus.conversations.create(new_id(), host, members=[BILLING]),
    ):
        with pytest.raises(BadRequest, match="'service:billing' is not a user id"):
            await deed
    with pytest.raises(BadRequest, match="'service' is not a role"):
        await bus.conversations.add_member(talk, host, "cleo", "service")


@pytest.mark.parametrize(
    "name", ["service:", "service:a b", "service:" + "x" * 33, "service:a:b", "Service:a", ":a"]
)
async def test_what_is_no_services_name_is_nobodys(bus: Bus, name: str) -> None:
    stage = await staged(bus)
    with pytest.raises(BadRequest, match="is not the name of a user or a service"):
        await bus.messages.accept(stage.conversation, name, new_id(), "hello")
    with pytest.raises((BadRequest, NotMember, Refused)):
        await bus.conversations.create(new_id(), name)


async def test_a_member_who_is_put_out_twice_leaves_no_service_in_their_place(bus: Bus) -> None:
    stage = await staged(bus)
    out = {"conversation": stage.conversation, "user": "stranger"}
    told, _ = await stage.actor.call("conversation.members.remove", out)
    assert told == (0, "")
    assert BILLING not in await roles(bus, stage.conversation)
