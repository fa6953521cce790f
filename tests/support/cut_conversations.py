"""What people do in conversations, as subjects of a cut: each call, and what must hold when it was cancelled
and made again.

Used by contract/test_cancelled_bus.
"""

from typing import Any

from services.shared.bus.conversations import MEMBER
from services.shared.bus.house import Bus
from services.shared.model.asking import Ask
from services.shared.model.ids import Channel, ConversationId, MessageId, UserId
from tests.support.answering import answer_all, assert_answered, found
from tests.support.bus_house import ANN, fresh, house_of
from tests.support.nth_await import Subject

BOB = UserId("bob")


async def nothing() -> None:
    """The pools are all there is to look at."""


async def accept(bus: Bus) -> Subject:
    conversation, message = await house_of(bus).conversation(), MessageId(fresh())

    def work() -> Any:
        return bus.messages.accept(conversation, ANN, message, "hello")

    async def holds() -> None:
        once, again = await work(), await work()
        assert (once.position, once.turns) == (again.position, again.turns)
        assert again.repeated
        page = await bus.messages.history(conversation, ANN)
        assert [each.id for each in page.messages] == [message]
        await assert_answered(bus, conversation)

    return Subject(work(), holds)


async def create(bus: Bus) -> Subject:
    conversation = ConversationId(fresh())

    def work() -> Any:
        return bus.conversations.create(conversation, ANN, members=[BOB])

    async def holds() -> None:
        once, again = await work(), await work()
        assert once.position == again.position
        assert [each["user"] for each in await house_of(bus).events(conversation)] == [ANN, BOB]

    return Subject(work(), holds)


async def add_member(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation()

    def work() -> Any:
        return bus.conversations.add_member(conversation, ANN, BOB)

    async def holds() -> None:
        await work()
        assert await bus.conversations.role(conversation, BOB) == MEMBER
        joins = [each["user"] for each in await house_of(bus).events(conversation)]
        assert joins == [ANN, BOB]

    return Subject(work(), holds)


async def configure(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation()

    def work() -> Any:
        return bus.conversations.configure(conversation, ANN, double_texting="reject")

    async def holds() -> None:
        await work()
        types = [each["type"] for each in await house_of(bus).events(conversation)]
        assert types == ["member.joined", "conversation.updated"]

    return Subject(work(), holds)


async def accept_making_way(bus: Bus) -> Subject:
    house, message = house_of(bus), MessageId(fresh())
    conversation = await house.conversation()
    await bus.conversations.configure(conversation, ANN, double_texting="interrupt")
    await house.ask(conversation)

    def work() -> Any:
        return bus.messages.accept(conversation, ANN, message, "and this")

    async def holds() -> None:
        once, again = await work(), await work()
        assert (once.turns, once.position) == (again.turns, again.position)
        assert (await house.told(conversation)).count("turn.finished") == 1
        turn = await house.begin(await found(house, conversation))
        assert [each.text for each in turn.messages] == ["hello", "and this"]

    return Subject(work(), holds)


async def rewind(bus: Bus) -> Subject:
    house, name = house_of(bus), fresh()
    conversation = await house.conversation()
    message = (await house.ask(conversation)).message
    lease = await house.claim(conversation)
    await house.answer(lease)

    def work() -> Any:
        return bus.rewinds.rewind(conversation, ANN, name, message, ask=True)

    async def holds() -> None:
        once, again = await work(), await work()
        assert (once.turns, once.position) == (again.turns, again.position)
        assert (await house.told(conversation)).count("conversation.rewound") == 1
        brings, asks = await finished(house, lease), await finished(house, lease)
        assert (len(brings.rewinds), asks.id, await bus.turns.begin(lease)) == (1, once.turns[0], None)

    return Subject(work(), holds)


async def finished(house: Any, lease: Any) -> Any:
    """The turn at the head, ended."""
    turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "completed", asks=None)
    return turn


async def remove_member(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation(BOB)

    def work() -> Any:
        return bus.conversations.remove_member(conversation, ANN, BOB)

    async def holds() -> None:
        await work()
        assert await bus.conversations.role(conversation, BOB) is None
        types = [each["type"] for each in await house_of(bus).events(conversation)]
        assert types == ["member.joined", "member.joined", "member.left"]

    return Subject(work(), holds)


async def cancel(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    [turn] = (await house.ask(conversation)).turns

    def work() -> Any:
        return bus.turns.cancel(conversation, ANN, turn)

    async def holds() -> None:
        assert await work() == [turn]
        assert await house.told(conversation) == ["turn.finished"]

    return Subject(work(), holds)


async def listing(bus: Bus) -> Subject:
    return Subject(bus.conversations.listing(ANN), nothing)


async def history(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation()
    return Subject(bus.messages.history(conversation, ANN), nothing)


async def read(bus: Bus) -> Subject:
    channel = Channel.of_conversation(await house_of(bus).conversation())
    return Subject(bus.journal.read(channel, 0, user=ANN, deltas=True), nothing)


async def excerpt(bus: Bus) -> Subject:
    channel = Channel.of_conversation(await house_of(bus).conversation())
    return Subject(bus.journal.excerpt(channel, None, user=ANN, limit=5, reverse=True), nothing)


async def replay(bus: Bus) -> Subject:
    house = house_of(bus)
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    await bus.turns.finish(lease, turn, "failed", "broken")
    assert await bus.leases.release(lease)
    letter = await bus.dead_letters.find(turn.id)
    assert letter is not None

    def work() -> Any:
        return bus.dead_letters.replay(letter)

    async def holds() -> None:
        once, again = await work(), await work()
        assert once.turn == again.turn
        await answer_all(house, await found(house, conversation))
        assert (await house.told(conversation)).count("turn.finished") == 2

    return Subject(work(), holds)


async def answer(bus: Bus) -> Subject:
    """What an agent asks."""
    house, name, interrupt = house_of(bus), fresh(), "a" * 32
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    await house.turns.finish(lease, await house.begin(lease), "interrupted", asks=[Ask(interrupt, b"1")])
    assert await bus.leases.release(lease)

    def work() -> Any:
        return bus.answers.answer(conversation, ANN, name, interrupt, b"true")

    async def holds() -> None:
        once, again = await work(), await work()
        assert (once.turn, again.turn, again.position) == (name, name, once.position)
        await answer_all(house, await found(house, conversation))
        assert (await house.told(conversation)).count("input.answered") == 1
        assert (await house.told(conversation)).count("turn.finished") == 2

    return Subject(work(), holds)


async def invite(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation()

    def work() -> Any:
        return bus.members.invite(conversation, ANN, BOB)

    async def holds() -> None:
        await work()
        types = [each["type"] for each in await house_of(bus).events(conversation)]
        assert types == ["member.joined", "member.invited"]

    return Subject(work(), holds)


async def accept_invitation(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation()
    await bus.members.invite(conversation, ANN, BOB, "reader")

    def work() -> Any:
        return bus.members.accept(conversation, BOB)

    async def holds() -> None:
        await work()
        assert await bus.conversations.role(conversation, BOB) == "reader"
        types = [each["type"] for each in await house_of(bus).events(conversation)]
        assert types == ["member.joined", "member.invited", "member.joined"]

    return Subject(work(), holds)


async def decline(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation()
    await bus.members.invite(conversation, ANN, BOB)

    def work() -> Any:
        return bus.members.decline(conversation, BOB)

    async def holds() -> None:
        once, again = await work(), await work()
        assert once == again
        types = [each["type"] for each in await house_of(bus).events(conversation)]
        assert types == ["member.joined", "member.invited", "member.declined"]

    return Subject(work(), holds)


async def change_role(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation(BOB)

    def work() -> Any:
        return bus.members.change_role(conversation, ANN, BOB, "reader")

    async def holds() -> None:
        await work()
        types = [each["type"] for each in await house_of(bus).events(conversation)]
        assert types == ["member.joined", "member.joined", "member.changed"]

    return Subject(work(), holds)


async def rename(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation()

    def work() -> Any:
        return bus.conversations.rename(conversation, ANN, "another")

    async def holds() -> None:
        await work()
        types = [each["type"] for each in await house_of(bus).events(conversation)]
        assert types == ["member.joined", "conversation.updated"]

    return Subject(work(), holds)


async def mute(bus: Bus) -> Subject:
    conversation, user = await house_of(bus).conversation(), UserId(f"user-{fresh()}")
    await bus.conversations.add_member(conversation, ANN, user)

    def work() -> Any:
        return bus.marks.mute(conversation, user, None)

    async def holds() -> None:
        await work()
        reading = await bus.journal.read(Channel.of_user(user), 0, deltas=False)
        assert len([each for each in reading.entries if b"conversation.marked" in each.body]) == 1

    return Subject(work(), holds)


async def members_page(bus: Bus) -> Subject:
    conversation = await house_of(bus).conversation()
    return Subject(bus.members.page(conversation, ANN), nothing)


async def invitations(bus: Bus) -> Subject:
    return Subject(bus.members.invitations(ANN), nothing)


async def said(bus: Bus) -> tuple[ConversationId, MessageId]:
    """A conversation with one message that nobody answers."""
    conversation, message = await house_of(bus).conversation(), MessageId(fresh())
    await bus.conversations.configure(conversation, ANN, answers={"assistant": "never"})
    await bus.messages.accept(conversation, ANN, message, "hello")
    return conversation, message


async def told(bus: Bus, conversation: ConversationId, kind: str) -> int:
    return [each["type"] for each in await house_of(bus).events(conversation)].count(kind)


async def edit(bus: Bus) -> Subject:
    conversation, message = await said(bus)

    def work() -> Any:
        return bus.edits.edit(conversation, ANN, message, "in other words")

    async def holds() -> None:
        once, again = await work(), await work()
        assert (once.position, once.edits) == (again.position, 1)
        assert again.repeated
        found = await bus.edits.versions(conversation, ANN, message)
        assert [each.text for each in found.versions] == ["hello"]
        assert await told(bus, conversation, "message.edited") == 1

    return Subject(work(), holds)


async def delete_message(bus: Bus) -> Subject:
    conversation, message = await said(bus)

    def work() -> Any:
        return bus.edits.delete(conversation, ANN, message)

    async def holds() -> None:
        assert (await work()).position == (await work()).position
        [kept] = (await bus.messages.history(conversation, ANN)).messages
        assert (kept.text, kept.deleted) == ("", True)
        assert await told(bus, conversation, "message.deleted") == 1

    return Subject(work(), holds)


async def react(bus: Bus) -> Subject:
    conversation, message = await said(bus)

    def work() -> Any:
        return bus.edits.react(conversation, ANN, message, "yes", on=True)

    async def holds() -> None:
        assert (await work()).position == (await work()).position
        [kept] = (await bus.messages.history(conversation, ANN)).messages
        assert kept.reactions == {"yes": (ANN,)}
        assert await told(bus, conversation, "message.reacted") == 1

    return Subject(work(), holds)


async def mark_read(bus: Bus) -> Subject:
    conversation, _ = await said(bus)
    await bus.conversations.add_member(conversation, ANN, BOB)

    def work() -> Any:
        return bus.receipts.read(conversation, BOB, 1)

    async def holds() -> None:
        once, again = await work(), await work()
        assert (once.read.seq, once.read.unread, again.repeated) == (1, 0, True)
        assert await told(bus, conversation, "receipt.read") == 1

    return Subject(work(), holds)


async def archive(bus: Bus) -> Subject:
    conversation, user = await house_of(bus).conversation(), UserId(f"user-{fresh()}")
    await bus.conversations.add_member(conversation, ANN, user)

    def work() -> Any:
        return bus.marks.archive(conversation, user, archived=True)

    async def holds() -> None:
        await work()
        reading = await bus.journal.read(Channel.of_user(user), 0, deltas=False)
        assert len([each for each in reading.entries if b"conversation.marked" in each.body]) == 1

    return Subject(work(), holds)


async def versions(bus: Bus) -> Subject:
    conversation, message = await said(bus)
    return Subject(bus.edits.versions(conversation, ANN, message), nothing)
