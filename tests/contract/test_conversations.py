"""Conversations and memberships on a real Redis: made once, changed by whom it may be, told to other
partitions.
"""

from collections.abc import AsyncIterator

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.conversation import Summary
from services.shared.model.errors import BadRequest, NotMember, QueueFull, Refused
from services.shared.model.ids import Channel
from tests.support.open_bus import fresh_id, fresh_user, open_bus


@pytest.fixture
async def bus(shared_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(shared_redis) as opened:
        yield opened


async def told(bus: Bus, conversation: str) -> list[dict[str, str]]:
    """What the outbox holds for other partitions about this conversation, in order."""
    outbox = bus.floor.keys.conversation(conversation).shared.outbox
    entries = await bus.floor.commands.xrange(outbox)
    fields = ({key.decode(): value.decode() for key, value in entry.items()} for _, entry in entries)
    return [each for each in fields if each["conversation"] == conversation]


async def events(bus: Bus, conversation: str) -> list[dict[str, object]]:
    reading = await bus.journal.read(Channel.of_conversation(conversation), 0, deltas=False)
    return [msgspec.json.decode(entry.body) for entry in reading.entries]


async def test_a_new_conversation_has_its_owner_and_members_in_its_journal(bus: Bus) -> None:
    conversation = fresh_id()
    made = await bus.conversations.create(conversation, "ann", title="Plans", members=["bob", "ann"])
    joined = await events(bus, conversation)
    assert [(each["type"], each["user"], each["role"]) for each in joined] == [
        ("member.joined", "ann", "owner"),
        ("member.joined", "bob", "member"),
    ]
    assert (made.position.offset, made.repeated) == (2, False)
    assert await bus.conversations.role(conversation, "ann") == "owner"
    assert await bus.conversations.role(conversation, "bob") == "member"
    assert await bus.conversations.role(conversation, "eve") is None


async def test_creating_again_by_the_same_creator_changes_nothing(bus: Bus) -> None:
    conversation = fresh_id()
    first = await bus.conversations.create(conversation, "ann", title="Plans")
    again = await bus.conversations.create(conversation, "ann", title="Other", members=["bob"])
    assert (again.position, again.repeated) == (first.position, True)
    assert await bus.conversations.role(conversation, "bob") is None
    assert len(await told(bus, conversation)) == 1


async def test_an_id_that_another_user_took_is_refused(bus: Bus) -> None:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann")
    with pytest.raises(Refused):
        await bus.conversations.create(conversation, "bob")


async def test_names_that_are_malformed_are_refused_by_name(bus: Bus) -> None:
    with pytest.raises(BadRequest, match="no-uuid"):
        await bus.conversations.create("no-uuid", "ann")
    with pytest.raises(BadRequest, match="a b"):
        await bus.conversations.create(fresh_id(), "ann", members=["a b"])
    with pytest.raises(BadRequest, match="x,y"):
        await bus.conversations.create(fresh_id(), "ann", agents=["x,y"])
    with pytest.raises(BadRequest, match="title"):
        await bus.conversations.create(fresh_id(), "ann", title="\U0001f600" * 201)
    with pytest.raises(BadRequest, match="agents"):
        await bus.conversations.create(fresh_id(), "ann", agents=[f"a{number}" for number in range(9)])
    with pytest.raises(BadRequest, match="101 members"):
        await bus.conversations.create(fresh_id(), "ann", members=[f"u{number}" for number in range(101)])


async def test_a_member_adds_a_user_and_the_users_partition_will_learn_it(bus: Bus) -> None:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann", title='A "quoted" /title é', members=["bob"])
    added = await bus.conversations.add_member(conversation, "bob", "cleo")
    assert added.position.offset == 3
    *_, last = await told(bus, conversation)
    payload = msgspec.json.decode(last.pop("payload").encode())
    assert last == {"kind": "member.joined", "conversation": conversation, "user": "cleo", "version": "3"}
    assert payload == {
        "type": "member.joined",
        "conversation": conversation,
        "user": "cleo",
        "by": "bob",
        "role": "member",
        "title": 'A "quoted" /title é',
    }


async def test_adding_a_member_twice_tells_once(bus: Bus) -> None:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann")
    first = await bus.conversations.add_member(conversation, "ann", "bob")
    again = await bus.conversations.add_member(conversation, "ann", "bob", role="owner")
    assert again == first
    assert await bus.conversations.role(conversation, "bob") == "member"
    assert len(await told(bus, conversation)) == 2


async def test_a_stranger_adds_and_removes_nobody(bus: Bus) -> None:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann", members=["bob"])
    with pytest.raises(NotMember):
        await bus.conversations.add_member(conversation, "eve", "eve")
    with pytest.raises(NotMember):
        await bus.conversations.remove_member(conversation, "eve", "bob")
    with pytest.raises(NotMember):
        await bus.conversations.add_member(fresh_id(), "eve", "eve")
    assert len(await events(bus, conversation)) == 2


async def test_a_reader_is_told_what_its_role_may_not(bus: Bus) -> None:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann")
    await bus.conversations.add_member(conversation, "ann", "rea", role="reader")
    before = await events(bus, conversation)
    with pytest.raises(Refused, match=r"the role reader may not do conversation\.members\.add"):
        await bus.conversations.add_member(conversation, "rea", "bob")
    with pytest.raises(Refused, match=r"the role reader may not do conversation\.configure"):
        await bus.conversations.configure(conversation, "rea", agents=["other"])
    assert await events(bus, conversation) == before
    await bus.conversations.remove_member(conversation, "rea", "rea")
    assert await bus.conversations.role(conversation, "rea") is None


async def test_only_an_owner_makes_owners_and_removes_others(bus: Bus) -> None:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann", members=["bob", "cleo"])
    with pytest.raises(Refused):
        await bus.conversations.remove_member(conversation, "bob", "cleo")
    with pytest.raises(Refused):
        await bus.conversations.add_member(conversation, "bob", "dan", role="owner")
    await bus.conversations.remove_member(conversation, "ann", "cleo")
    assert await bus.conversations.role(conversation, "cleo") is None


async def test_the_repeat_of_a_leave_whose_reply_was_lost_gets_the_first_position(bus: Bus) -> None:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann", members=["bob"])
    left = await bus.conversations.remove_member(conversation, "bob", "bob")
    await bus.conversations.add_member(conversation, "ann", "cleo")
    assert await bus.conversations.remove_member(conversation, "bob", "bob") == left
    assert [each["kind"] for each in await told(bus, conversation)].count("member.left") == 1


async def test_one_who_left_and_came_back_can_leave_again(bus: Bus) -> None:
    conversation = fresh_id()
    await bus.conversations.create(conversation, "ann", members=["bob"])
    await bus.conversations.remove_member(conversation, "bob", "bob")
    await bus.conversations.add_member(conversation, "ann", "bob")
    await bus.conversations.remove_member(conversation, "bob", "bob")
    versions = [int(each["version"]) for each in await told(bus, conversation) if each["user"] == "bob"]
    assert versions == [2, 3, 4, 5]
    assert await bus.conversations.role(conversation, "bob") is None


async def test_a_list_shows_only_conversations_the_user_is_in_now(bus: Bus) -> None:
    user = fresh_user("lister")
    staying, leaving = fresh_id(), fresh_id()
    for conversation in (staying, leaving):
        await bus.conversations.create(conversation, user, title="Mine", members=["bob"], agents=["a", "b"])
        # The relay's part: the user's own partition learns of it.
        await bus.floor.commands.hset(bus.floor.keys.user(user).conversations, conversation, 1)
    await bus.conversations.remove_member(leaving, user, user)
    [summary] = await bus.conversations.list_of(user)
    assert (summary.id, summary.title, summary.role) == (staying, "Mine", "owner")
    assert summary.members == ("bob", user)
    assert summary.agents == ("a", "b")


async def test_a_list_names_some_of_many_members_and_tells_how_many_there_are(bus: Bus) -> None:
    user, conversation = "a-lister", fresh_id()
    await bus.conversations.create(conversation, user, members=["b-member"])
    at = bus.floor.keys.conversation(conversation)
    await bus.floor.commands.hset(bus.floor.keys.user(user).conversations, conversation, 1)
    many = [f"user-{number:04}" for number in range(300)]
    await bus.floor.commands.hset(at.members, mapping=dict.fromkeys(many, "member"))

    async def listed() -> Summary:
        return next(each for each in await bus.conversations.list_of(user) if each.id == conversation)

    assert (len((await listed()).members), (await listed()).member_count) == (100, 302)
    await bus.members.page(conversation, user)
    assert (await listed()).members == (user, "b-member", *many[:98])
    await bus.floor.commands.hdel(at.members, *many)
    assert ((await listed()).members, (await listed()).member_count) == ((user, "b-member"), 2)


async def test_a_list_is_newest_first_whatever_the_ids_clients_made(bus: Bus) -> None:
    user = fresh_user("lister")
    made = sorted((fresh_id() for _ in range(3)), reverse=True)
    for number, conversation in enumerate(made, start=1):
        await bus.conversations.create(conversation, user)
        await bus.floor.commands.hset(
            bus.floor.keys.conversation(conversation).head, "created_ms", number * 1000
        )
        await bus.floor.commands.hset(bus.floor.keys.user(user).conversations, conversation, 1)
    newest_first = made[::-1]
    assert [each.id for each in await bus.conversations.list_of(user)] == newest_first
    assert [each.id for each in await bus.conversations.list_of(user, limit=2)] == newest_first[:2]


async def test_changes_of_members_are_refused_while_too_many_wait_to_be_told_and_nothing_changes(
    own_redis: EmbeddedRedis,
) -> None:
    """As when no relay runs: the partition's outbox is at its bound."""
    async with open_bus(own_redis, partitions=1) as bus:
        conversation = fresh_id()
        await bus.conversations.create(conversation, "ann", members=["bob"])
        outbox = bus.floor.keys.conversation(conversation).shared.outbox
        async with bus.floor.commands.pipeline(transaction=False) as pipe:
            for _ in range(10_000):
                pipe.xadd(outbox, {"kind": "unknown"})
            await pipe.execute()
        before = await events(bus, conversation)
        with pytest.raises(QueueFull, match="changes wait"):
            await bus.conversations.create(fresh_id(), "ann")
        with pytest.raises(QueueFull):
            await bus.conversations.add_member(conversation, "ann", "cid")
        with pytest.raises(QueueFull):
            await bus.conversations.remove_member(conversation, "ann", "bob")
        assert await events(bus, conversation) == before
        assert await bus.conversations.role(conversation, "bob") == "member"
        assert not (await bus.messages.accept(conversation, "ann", fresh_id(), "hi")).repeated
        await bus.floor.commands.xtrim(outbox, maxlen=100)
        await bus.conversations.add_member(conversation, "ann", "cid")
