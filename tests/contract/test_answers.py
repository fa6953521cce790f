"""What agents ask people, on the bus: asked with the turn's end, answered once, else withdrawn."""

import asyncio
from typing import Any

import msgspec
import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.asking import VALUE_BYTES, Ask, Taken
from services.shared.model.errors import (
    AlreadyAnswered,
    BadRequest,
    MessageConflict,
    NotAsked,
    NotMember,
    OutsideWindow,
    QueueFull,
)
from services.shared.model.ids import Channel, ConversationId
from services.shared.model.turn import Lease
from tests.support.bus_house import ANN, House, fresh, house_of
from tests.support.open_bus import open_bus

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture
def house(bus: Bus) -> House:
    return house_of(bus)


async def asking(
    house: House, *asks: Ask, members: tuple[str, ...] = ("bob",)
) -> tuple[ConversationId, Lease]:
    """A conversation whose agent said something and then asked; its lease is still held."""
    conversation = await house.conversation(*members)
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    said = await house.say(lease, turn, "well")
    await house.turns.complete_message(lease, turn, said, "well", source="said-before")
    await house.turns.finish(lease, turn, "interrupted", asks=asks or (Ask(ONE, b'{"really":true}'),))
    return conversation, lease


async def answer(bus: Bus, conversation: str, user: str = ANN, said: bytes = b'"yes"', **more: Any) -> Taken:
    name = more.pop("id", fresh())
    return await bus.answers.answer(conversation, user, name, more.pop("interrupt", ONE), said, **more)


async def asked(bus: Bus, conversation: str) -> list[str]:
    """What a device that comes now is told, in both of its ways."""
    page = await bus.messages.history(conversation, ANN)
    reading = await bus.journal.read(Channel.of_conversation(conversation), 0, user=ANN, deltas=False)
    assert page.asked == reading.asked
    return [each.interrupt for each in page.asked]


async def test_a_question_is_asked_in_the_step_that_ends_its_turn(bus: Bus, house: House) -> None:
    conversation, _ = await asking(
        house, Ask(ONE, b'{"really":true}', b'{"type":"boolean"}'), Ask(TWO, b"null")
    )
    [*_, first, second, end] = await house.events(conversation)
    assert (first["type"], first["interrupt"], first["value"]) == ("input.requested", ONE, {"really": True})
    assert (first["schema"], second["value"], "schema" in second) == ({"type": "boolean"}, None, False)
    assert (end["type"], end["outcome"], end["turn"]) == ("turn.finished", "interrupted", first["turn"])
    [kept, other] = (await bus.messages.history(conversation, ANN)).asked
    assert (kept.interrupt, kept.turn, kept.value, kept.time) == (
        ONE,
        end["turn"],
        b'{"really":true}',
        first["time"],
    )
    assert (other.interrupt, other.value, other.schema) == (TWO, b"null", b"")


async def test_an_answer_tells_everybody_and_queues_the_turn_that_goes_on(bus: Bus, house: House) -> None:
    conversation, lease = await asking(house)
    taken = await answer(
        bus, conversation, "bob", b'{"ok":[]}', trace="00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    )
    [*_, told] = await house.events(conversation)
    assert told["type"] == "input.answered"
    assert told["trace"].startswith("00-aaa")
    assert (told["interrupt"], told["user"], told["answer"], told["outcome"]) == (
        ONE,
        "bob",
        {"ok": []},
        "answered",
    )
    assert await asked(bus, conversation) == []
    turn = await house.begin(lease)
    assert (turn.id, turn.resumes, turn.answer) == (taken.turn, ONE, '{"ok":[]}')
    assert [each.text for each in turn.messages] == ["hello"]
    assert "said-before" in turn.completed, "what the turn that waited had said is not said again"


async def test_of_many_answers_one_counts_and_the_others_learn_whose(bus: Bus, house: House) -> None:
    conversation, _ = await asking(house)
    users = [ANN, "bob"] * 5
    results = await asyncio.gather(
        *(answer(bus, conversation, user, b"%d" % number) for number, user in enumerate(users)),
        return_exceptions=True,
    )
    [first] = [number for number, each in enumerate(results) if isinstance(each, Taken)]
    refused = [str(each) for each in results if isinstance(each, AlreadyAnswered)]
    assert refused == [f"{users[first]} answered it"] * 9
    told = [event for event in await house.events(conversation) if event["type"] == "input.answered"]
    assert [event["answer"] for event in told] == [first]


async def test_a_repeat_gets_the_first_position_and_adds_nothing(bus: Bus, house: House) -> None:
    conversation, lease = await asking(house)
    name = fresh()
    first = await answer(bus, conversation, id=name)
    await house.turns.finish(lease, await house.begin(lease), "completed")
    again = await answer(bus, conversation, id=name)
    assert (again.position, again.turn, again.repeated) == (first.position, first.turn, True)
    with pytest.raises(MessageConflict):
        await answer(bus, conversation, said=b'"no"', id=name)
    with pytest.raises(MessageConflict):
        await answer(bus, conversation, "bob", id=name)
    with pytest.raises(MessageConflict, match="said before"):
        await house.messages.accept(conversation, ANN, name, "hello")  # type: ignore[arg-type]
    assert (await house.told(conversation)).count("input.answered") == 1


async def test_an_answer_goes_before_what_waits_of_its_agent_and_behind_other_answers(
    bus: Bus, house: House
) -> None:
    conversation, lease = await asking(house, Ask(ONE, b"1"), Ask(TWO, b"2"))
    later = await house.ask(conversation, "something else")
    one = await answer(bus, conversation)
    two = await answer(bus, conversation, interrupt=TWO)
    first = await house.begin(lease)
    assert first.id == one.turn
    await house.turns.finish(lease, first, "interrupted", asks=[Ask(TWO, b"2")])
    assert await asked(bus, conversation) == [], "its answer waits: nobody is asked again"
    second = await house.begin(lease)
    assert (second.id, second.answer) == (two.turn, '"yes"')
    await house.turns.finish(lease, second, "completed")
    assert (await house.begin(lease)).id == later.turns[0]


@pytest.mark.parametrize("word", ["new message", "cancel"])
async def test_what_comes_instead_of_an_answer_withdraws_the_question(
    bus: Bus, house: House, word: str
) -> None:
    conversation, lease = await asking(house)
    if word == "cancel":
        assert await house.turns.cancel(conversation, ANN, None) == []
    else:
        await house.messages.accept(conversation, "bob", fresh(), "never mind")  # type: ignore[arg-type]
        assert await asked(bus, conversation) == [ONE], "until the agent turns to it"
        await house.begin(lease)
    by = ANN if word == "cancel" else "bob"
    told = [event for event in await house.events(conversation) if event["type"] == "input.answered"]
    assert [(event["interrupt"], event["outcome"], event["user"]) for event in told] == [
        (ONE, "withdrawn", by)
    ]
    assert await asked(bus, conversation) == []
    with pytest.raises(AlreadyAnswered, match=f"withdrawn by what {by} did"):
        await answer(bus, conversation)


async def test_an_answer_whose_turn_fails_is_asked_for_again(bus: Bus, house: House) -> None:
    conversation, lease = await asking(house)
    await answer(bus, conversation)
    turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "failed", "no good", "broken", asks=[Ask(ONE, b'{"really":true}')])
    assert await asked(bus, conversation) == [ONE]
    assert (await answer(bus, conversation, "bob", b'"then this"')).repeated is False


async def test_an_answer_that_nobody_knows_the_fate_of_is_asked_for_again(bus: Bus, house: House) -> None:
    conversation, lease = await asking(house, Ask(ONE, b'{"a":[1,{}]}', b'{"type":"object"}'))
    before = (await bus.messages.history(conversation, ANN)).asked
    await answer(bus, conversation)
    turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "failed", "each worker died", "poisoned", asks=None)
    [again] = (await bus.messages.history(conversation, ANN)).asked
    assert [(each.value, each.schema, each.turn) for each in before] == [
        (again.value, again.schema, again.turn)
    ]
    [*_, event, _] = await house.events(conversation)
    assert (event["type"], event["value"]) == ("input.requested", {"a": [1, {}]})


async def test_a_dead_letter_brings_its_answer_again_if_nobody_else_did(bus: Bus, house: House) -> None:
    conversation, lease = await asking(house)
    await answer(bus, conversation, "bob", b'"mine"')
    failed = await house.begin(lease)
    await house.turns.finish(lease, failed, "failed", "no model", "unreachable", asks=[Ask(ONE, b"1")])
    letter = await bus.dead_letters.find(failed.id)
    assert letter is not None
    replayed = await bus.dead_letters.replay(letter)
    assert await asked(bus, conversation) == []
    with pytest.raises(AlreadyAnswered, match="bob"):
        await answer(bus, conversation)
    turn = await house.begin(lease)
    assert (turn.id, turn.resumes, turn.answer) == (replayed.turn, ONE, '"mine"')
    assert "said-before" in turn.completed


async def test_the_record_of_a_turn_that_waits_lives_as_long_as_it_waits(bus: Bus, house: House) -> None:
    conversation, lease = await asking(house)
    [finished] = [each for each in await house.events(conversation) if each["type"] == "turn.finished"]
    at = bus.floor.keys.conversation(conversation)
    assert await bus.floor.commands.ttl(at.turn(finished["turn"])) == -1
    await answer(bus, conversation)
    turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "completed")
    for each in (finished["turn"], turn.id):
        assert await bus.floor.commands.ttl(at.turn(each)) > 0


async def test_who_may_not_answer_is_told_so_and_changes_nothing(bus: Bus, house: House) -> None:
    conversation, _ = await asking(house)
    await house.conversations.remove_member(conversation, ANN, "bob")
    with pytest.raises(NotMember):
        await answer(bus, conversation, "bob")
    with pytest.raises(NotMember):
        await answer(bus, fresh())
    with pytest.raises(NotAsked, match=TWO):
        await answer(bus, conversation, interrupt=TWO)
    with pytest.raises(BadRequest, match="answer has 65537 bytes"):
        await answer(bus, conversation, said=b'"' + b"x" * (VALUE_BYTES - 1) + b'"')
    with pytest.raises(BadRequest, match="interrupt has 0"):
        await answer(bus, conversation, interrupt="")
    with pytest.raises(BadRequest, match="UUIDv7"):
        await answer(bus, conversation, id="5d1e0c5c-3d0c-4d3a-8c49-3f9b1a4f2a11")
    with pytest.raises(OutsideWindow, match="behind"):
        await answer(bus, conversation, id="00000000-0000-7000-8000-000000000000")
    assert await asked(bus, conversation) == [ONE]


async def test_a_full_queue_takes_no_answer_and_keeps_the_question(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis, fifo_length=2) as bus:
        house = house_of(bus)
        conversation, _ = await asking(house)
        for _ in range(2):
            await house.ask(conversation)
        with pytest.raises(QueueFull):
            await answer(bus, conversation)
        assert await asked(bus, conversation) == [ONE]


async def test_a_question_goes_with_the_message_it_is_about(shared_redis: EmbeddedRedis) -> None:
    async with open_bus(shared_redis, messages_kept=4) as bus:
        house = house_of(bus)
        conversation, _ = await asking(house)
        at = bus.floor.keys.conversation(conversation)
        await bus.floor.commands.hset(at.head, "agents", "")  # nobody answers what is said from now on
        for _ in range(2):
            await house.ask(conversation)
        assert await asked(bus, conversation) == [ONE]
        await house.ask(conversation)
        assert await asked(bus, conversation) == []
        told = [event for event in await house.events(conversation) if event["type"] == "input.answered"]
        assert [(event["outcome"], event.get("user")) for event in told] == [("withdrawn", None)]


async def test_a_deleted_conversation_has_no_questions_and_leaves_no_key(bus: Bus, house: House) -> None:
    conversation, lease = await asking(house, Ask(ONE, b"1"), Ask(TWO, b"2"))
    await answer(bus, conversation)
    turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "interrupted", asks=[Ask(TWO, b"2")])
    await house.deletion.delete(conversation, ANN, linger_ms=0)
    with pytest.raises(NotMember):
        await answer(bus, conversation, interrupt=TWO)
    await house.deletion.work_off()
    base = bus.floor.keys.conversation(conversation).base
    left = [key async for key in bus.floor.commands.scan_iter(match=f"{base}*")]
    assert left == [f"{base}:deleted".encode()]


async def test_what_became_of_questions_is_remembered_of_the_newest_only(bus: Bus, house: House) -> None:
    conversation, _ = await asking(house)
    at = bus.floor.keys.conversation(conversation)
    old = msgspec.json.encode({"outcome": "answered", "user": "ann", "turn": "t", "time": 1})
    await bus.floor.commands.hset(at.answered, mapping={f"{n:032}": old for n in range(1000)})
    await answer(bus, conversation)
    known: Any = await bus.floor.commands.hgetall(at.answered)
    assert list(known) == [ONE.encode()]


async def test_the_numbers_are_counted(bus: Bus, house: House) -> None:
    inputs = bus.floor.metrics.inputs
    before = {
        what: inputs.labels(what=what)._value.get() for what in ("asked", "answered", "refused", "withdrawn")
    }
    conversation, lease = await asking(house, Ask(ONE, b"1"), Ask(TWO, b"2"))
    await answer(bus, conversation)
    with pytest.raises(AlreadyAnswered):
        await answer(bus, conversation)
    await house.turns.finish(lease, await house.begin(lease), "completed")
    after = {what: inputs.labels(what=what)._value.get() for what in before}
    assert {what: after[what] - before[what] for what in before} == {
        "asked": 2,
        "answered": 1,
        "refused": 1,
        "withdrawn": 1,
    }
