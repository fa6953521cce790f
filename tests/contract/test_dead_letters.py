"""Dead letters on a real Redis: each failed turn is one, until somebody replays or discards it."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from langchain_core.messages import AIMessage

from services.conversation.graph.state import ThreadState
from services.local import dead_letters as dead_letters_command
from services.local.embedded import EmbeddedRedis
from services.shared.model.dead_letter import DeadLetter, Replayed
from services.shared.model.errors import (
    NotReplicated,
    QueueFull,
    Refused,
    UnknownConversation,
    UnreadableTurn,
)
from services.shared.model.events import Outcome
from services.shared.model.ids import ConversationId, TurnId
from services.shared.model.turn import Lease, Turn, TurnState
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from tests.support.bus_house import AGENT, ANN, House, fresh, open_house
from tests.support.deleted import step
from tests.support.open_bus import open_bus
from tests.support.sweeping import sweep_of
from tests.support.waiting import eventually
from tests.support.workers import Talk, graph_of, worker_in_process


@pytest.fixture
async def house(workers_redis: EmbeddedRedis) -> AsyncIterator[House]:
    async with open_house(workers_redis.sentinels) as opened:
        yield opened


async def failed(house: House, conversation: ConversationId | None = None, text: str = "hello") -> DeadLetter:
    """The letter of a turn that was begun once and failed; its conversation is let go."""
    conversation = conversation or await house.conversation()
    await house.ask(conversation, text)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "failed", "the agent failed (ValueError)", "broken")
    assert await house.leases.release(lease)
    return await letter_of(house, turn.id)


async def letter_of(house: House, turn: TurnId) -> DeadLetter:
    letter = await house.dead_letters.find(turn)
    assert letter is not None
    return letter


async def replaying(house: House, letter: DeadLetter) -> tuple[Lease, Turn]:
    """The turn that replays a letter, begun."""
    await house.dead_letters.replay(letter)
    lease = await house.claim(letter.conversation)
    return lease, await house.begin(lease)


async def test_a_turn_that_fails_is_a_dead_letter_that_says_what_and_why(house: House) -> None:
    conversation = await house.conversation()
    accepted = await house.ask(conversation, "what people say is not in it")
    lease = await house.claim(conversation)
    for _ in range(3):
        turn = await house.begin(lease)
    await house.turns.finish(lease, turn, "failed", "the agent failed", "broken")
    [letter] = await house.dead_letters.list(conversation)
    assert letter == DeadLetter(
        turn=accepted.turns[0], conversation=conversation, agent=AGENT, messages=(accepted.message,),
        attempts=3, kind="broken", reason="the agent failed", queued_ms=turn.queued_ms,
        finished_ms=letter.finished_ms, replayed=None, replays=(),
    )  # fmt: skip
    assert letter.finished_ms >= letter.queued_ms
    [said] = await house.dead_letters.messages(letter)
    assert (said.id, said.user, said.text) == (accepted.message, ANN, "what people say is not in it")


@pytest.mark.parametrize("outcome", ["completed", "cancelled", "interrupted"])
async def test_a_turn_that_ends_otherwise_is_none(house: House, outcome: Outcome) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    await house.turns.finish(lease, turn, outcome)
    assert await house.dead_letters.list(conversation) == []
    assert await house.dead_letters.find(turn.id) is None


async def test_a_final_whose_reply_was_lost_leaves_one_letter(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    for _ in range(2):
        await house.turns.finish(lease, turn, "failed", "x", "broken")
    assert len(await house.dead_letters.list(conversation)) == 1


async def test_a_record_lives_as_long_as_its_letter_also_when_its_final_is_repeated(
    workers_redis: EmbeddedRedis,
) -> None:
    bounds = {"journal_ttl_s": 60, "dead_letters_ttl_s": 6000}
    async with open_house(workers_redis.sentinels, **bounds) as house:
        conversation = await house.conversation()
        await house.ask(conversation)
        lease = await house.claim(conversation)
        turn = await house.begin(lease)
        at = house.floor.keys.conversation(conversation)
        for _ in range(2):
            await house.turns.finish(lease, turn, "failed", "x", "broken")
            assert await house.floor.commands.ttl(at.turn(turn.id)) > 5000
        assert await house.floor.commands.ttl(at.shared.dead) > 5000
        await house.dead_letters.replay(await letter_of(house, turn.id))
        assert await house.floor.commands.ttl(at.shared.replayed) > 5000


async def test_a_partition_keeps_so_many_letters_and_the_oldest_make_room(own_redis: EmbeddedRedis) -> None:
    async with open_house(own_redis.sentinels, partitions=1, dead_letters=3) as house:
        turns = [(await failed(house)).turn for _ in range(5)]
        kept = await house.dead_letters.list()
        assert [letter.turn for letter in kept] == turns[:1:-1]
        assert await house.dead_letters.count() == 3
        assert [letter.turn for letter in await house.dead_letters.list(limit=1)] == turns[-1:]


async def test_a_letter_past_its_age_is_shown_no_more_and_dropped_by_the_next(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_house(own_redis.sentinels, partitions=1, dead_letters_ttl_s=60) as house:
        old = await failed(house)
        dead = house.floor.keys.shared()[0].dead
        hour_ago = SystemClock().now_ms() - 3_600_000
        await house.floor.commands.zadd(dead, {f"{old.conversation} {old.turn}": hour_ago})
        assert (await house.dead_letters.list(), await house.dead_letters.count()) == ([], 0)
        young = await failed(house)
        assert await house.floor.commands.zrange(dead, 0, -1) == [
            f"{young.conversation} {young.turn}".encode()
        ]


async def test_letters_are_found_in_whatever_partition_they_lie(own_redis: EmbeddedRedis) -> None:
    async with open_house(own_redis.sentinels) as house:
        letters = [await failed(house) for _ in range(6)]
        assert [letter.turn for letter in await house.dead_letters.list()] == [
            letter.turn for letter in reversed(letters)
        ]
        for letter in letters:
            assert await house.dead_letters.find(letter.turn) == letter
            assert await house.dead_letters.list(letter.conversation) == [letter]
        assert await house.dead_letters.count() == 6


async def test_a_replay_is_a_new_turn_for_the_same_messages_and_the_old_one_keeps_its_final(
    house: House,
) -> None:
    letter = await failed(house, text="try again")
    replayed = await house.dead_letters.replay(letter)
    lease = await house.claim(letter.conversation)
    turn = await house.begin(lease)
    assert (turn.id, turn.agent, turn.attempts) == (replayed.turn, letter.agent, 1)
    assert turn.id != letter.turn
    assert [message.text for message in turn.messages] == ["try again"]
    assert (turn.replays, turn.state) == ((letter.turn,), TurnState.RUNNING)
    await house.turns.finish(lease, turn, "completed")
    finals = [each for each in await house.events(letter.conversation) if each["type"] == "turn.finished"]
    assert [(final["turn"], final["outcome"]) for final in finals] == [
        (letter.turn, "failed"),
        (turn.id, "completed"),
    ]


async def test_a_replayed_letter_is_listed_only_if_asked_for_and_a_repeat_names_the_same_turn(
    house: House,
) -> None:
    letter = await failed(house)
    first = await house.dead_letters.replay(letter)
    assert await house.dead_letters.list(letter.conversation) == []
    [kept] = await house.dead_letters.list(letter.conversation, replayed=True)
    assert kept == replace(letter, replayed=first.turn)
    again = await house.dead_letters.replay(kept)
    assert (again.turn, first.repeated, again.repeated) == (first.turn, False, True)
    lease = await house.claim(letter.conversation)
    await house.turns.finish(lease, await house.begin(lease), "completed")
    assert await house.turns.begin(lease) is None
    assert (await house.dead_letters.replay(kept)).turn == first.turn


async def test_a_replay_wakes_a_worker_and_waits_its_turn_behind_others(house: House) -> None:
    letter = await failed(house)
    waiting = await house.ask(letter.conversation)
    await house.dead_letters.replay(letter)
    lease = await house.claim(letter.conversation)
    first, second = [await house.answer(lease) for _ in range(2)]
    assert first.id == waiting.turns[0]
    assert second.replays == (letter.turn,)
    assert await house.leases.release(lease)
    await house.dead_letters.replay(await failed(house, letter.conversation))
    at = house.floor.keys.conversation(letter.conversation)
    words = await house.floor.commands.xrange(at.shared.ready)
    assert letter.conversation.encode() in [fields[b"c"] for _, fields in words]


async def test_what_the_failed_turn_had_completed_counts_as_said(house: House) -> None:
    conversation = await house.conversation()
    await house.ask(conversation)
    lease = await house.claim(conversation)
    turn = await house.begin(lease)
    message = await house.say(lease, turn, "one")
    await house.turns.complete_message(lease, turn, message, "one", source="s1")
    await house.turns.finish(lease, turn, "failed", "x", "broken")
    assert await house.leases.release(lease)
    _, again = await replaying(house, await letter_of(house, turn.id))
    assert again.completed == {"s1": message}


async def test_a_replay_that_fails_is_a_letter_of_its_own_that_knows_its_line(house: House) -> None:
    first = await failed(house)
    lease, turn = await replaying(house, first)
    await house.turns.finish(lease, turn, "failed", "x", "broken")
    assert await house.leases.release(lease)
    second = await letter_of(house, turn.id)
    assert second.replays == (first.turn,)
    _, third = await replaying(house, second)
    assert third.replays == (first.turn, second.turn)


async def test_a_replay_into_a_full_queue_is_refused_and_can_be_asked_again(
    workers_redis: EmbeddedRedis,
) -> None:
    async with open_house(workers_redis.sentinels, fifo_length=2) as house:
        letter = await failed(house)
        for _ in range(2):
            await house.ask(letter.conversation)
        with pytest.raises(QueueFull):
            await house.dead_letters.replay(letter)
        assert await letter_of(house, letter.turn) == letter
        lease = await house.claim(letter.conversation)
        await house.answer(lease)
        assert not (await house.dead_letters.replay(letter)).repeated


async def test_a_letter_whose_messages_are_gone_is_not_replayed(house: House) -> None:
    letter = await failed(house)
    at = house.floor.keys.conversation(letter.conversation)
    await house.floor.commands.delete(at.message(letter.messages[0]))
    with pytest.raises(Refused, match="gone"):
        await house.dead_letters.replay(letter)
    assert await house.dead_letters.messages(letter) == []


async def test_a_letter_whose_conversation_is_gone_is_not_replayed_nor_shown(house: House) -> None:
    letter = await failed(house)
    at = house.floor.keys.conversation(letter.conversation)
    await house.floor.commands.delete(at.base, at.turn(letter.turn))
    with pytest.raises(UnknownConversation):
        await house.dead_letters.replay(letter)
    assert await house.dead_letters.list(letter.conversation) == []
    member = f"{letter.conversation} {letter.turn}"
    assert await house.floor.commands.zscore(at.shared.dead, member) is None


async def test_a_turn_that_did_not_fail_is_not_replayed(house: House) -> None:
    letter = await failed(house)
    lease, turn = await replaying(house, letter)
    with pytest.raises(Refused):
        await house.dead_letters.replay(replace(letter, turn=turn.id))
    await house.turns.finish(lease, turn, "completed")
    with pytest.raises(Refused):
        await house.dead_letters.replay(replace(letter, turn=turn.id))


@pytest.mark.parametrize("replayed", [False, True])
async def test_a_discarded_letter_is_gone(house: House, replayed: bool) -> None:
    letter = await failed(house)
    if replayed:
        await house.dead_letters.replay(letter)
    assert await house.dead_letters.discard(letter)
    assert await house.dead_letters.find(letter.turn) is None
    assert not await house.dead_letters.discard(letter)


async def test_a_replay_no_replica_confirms_is_told_and_its_repeat_names_the_turn(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_house(own_redis.sentinels, redis_wait_ms=50) as house:
        letter = await failed(house)
        replicas = own_redis.replicas
        for name in replicas:
            own_redis.freeze(name)
        for _ in range(2):  # the repeat writes too: else nothing would be waited for
            with pytest.raises(NotReplicated):
                await house.dead_letters.replay(letter)
        for name in replicas:
            own_redis.thaw(name)
        again = await eventually(lambda: replayed_or_not(house, letter), within_s=20.0)
        assert again.repeated
        at = house.floor.keys.conversation(letter.conversation)
        assert await house.floor.commands.lrange(at.fifo, 0, -1) == [again.turn.encode()]  # type: ignore[misc]


async def replayed_or_not(house: House, letter: DeadLetter) -> Replayed | None:
    try:
        return await house.dead_letters.replay(letter)
    except NotReplicated:
        return None


async def unreadable(house: House, spoil: str) -> tuple[Lease, UnreadableTurn]:
    """A turn whose message or record makes no sense, begun."""
    conversation = await house.conversation()
    accepted = await house.ask(conversation)
    at = house.floor.keys.conversation(conversation)
    commands = house.floor.commands
    if spoil == "record":
        await commands.hdel(at.turn(accepted.turns[0]), "queued_ms")  # type: ignore[misc]
    else:
        await commands.delete(at.message(accepted.message))
    if spoil == "message of another type":
        await commands.set(at.message(accepted.message), "no hash")
    lease = await house.claim(conversation)
    with pytest.raises(UnreadableTurn) as raised:
        await house.turns.begin(lease)
    return lease, raised.value


@pytest.mark.parametrize("spoil", ["record", "message", "message of another type"])
async def test_a_turn_that_cannot_be_read_is_counted_and_given_up_and_the_next_one_runs(
    house: House, spoil: str
) -> None:
    lease, turn = await unreadable(house, spoil)
    at = house.floor.keys.conversation(lease.conversation)
    assert await house.floor.commands.hget(at.turn(turn.turn), "attempts") == b"1"  # type: ignore[misc]
    following = await house.ask(lease.conversation)
    await house.turns.give_up(lease, turn, "could not be read", "unreadable")
    letter = await letter_of(house, TurnId(turn.turn))
    assert (letter.kind, letter.attempts) == ("unreadable", 1)
    assert (await house.answer(lease)).id == following.turns[0]


async def test_how_many_letters_there_are_is_a_metric_and_a_fact_of_health(own_redis: EmbeddedRedis) -> None:
    async with open_house(own_redis.sentinels) as house:
        metrics = Metrics()
        sweep = sweep_of(house, SystemClock(), metrics)
        letters = [await failed(house) for _ in range(3)]
        for expected in (3, 2, 1):
            await sweep.once()
            assert metrics.registry.get_sample_value("continuo_dead_letters") == expected
            assert sweep.finding().facts["dead_letters"] == expected
            letter = letters.pop()
            act = house.dead_letters.replay if expected == 3 else house.dead_letters.discard
            await act(letter)


async def test_a_turn_that_fails_tells_its_kind_to_the_metrics_of_its_worker(
    own_redis: EmbeddedRedis,
) -> None:
    def answer(state: ThreadState) -> ThreadState:
        if state["messages"][-1].text == "break":
            raise ValueError
        return {"messages": [AIMessage("Fine.")]}

    async with open_bus(own_redis) as bus:
        talk = await Talk.new(bus)
        broken = await talk.say("break")
        spoiled = await talk.say("spoiled")
        at = bus.floor.keys.conversation(talk.id)
        await bus.floor.commands.hdel(at.turn(spoiled), "agent")  # type: ignore[misc]
        # only now: a worker that is there already may have begun the turn before its record is spoiled
        async with worker_in_process(own_redis, graph_of(answer=answer)) as intake:
            assert (await talk.finished(broken))["outcome"] == "failed"
            assert (await talk.finished(spoiled))["outcome"] == "failed"
            assert await talk.answer("go on") == "Fine."
        kinds = intake._tools.metrics.turns_failed
        counted = {kind: kinds.labels(kind=kind)._value.get() for kind in ("broken", "unreadable")}
    assert counted == {"broken": 1, "unreadable": 1}


async def failed_anew(house: House, letter: DeadLetter) -> DeadLetter:
    """Replay a letter and let that fail too; the letter of the new turn."""
    lease, turn = await replaying(house, letter)
    await house.turns.finish(lease, turn, "failed", "x", "broken")
    assert await house.leases.release(lease)
    return await letter_of(house, turn.id)


async def test_a_deletion_finds_a_line_of_replays_whose_first_record_has_ended(house: House) -> None:
    first = await failed(house)
    await failed_anew(house, await failed_anew(house, first))
    at = house.floor.keys.conversation(first.conversation)
    await house.floor.commands.delete(at.turn(first.turn))  # what its TTL does
    await house.deletion.delete(first.conversation, ANN, linger_ms=0)
    while not await step(house, first.conversation):
        pass
    left = [key async for key in house.floor.commands.scan_iter(f"{at.base}:turn:*")]
    assert left == []
    assert await house.dead_letters.list(first.conversation, replayed=True) == []


async def test_a_message_is_not_trimmed_under_its_waiting_replay_whose_first_record_has_ended(
    house: House, workers_redis: EmbeddedRedis
) -> None:
    letter = await failed(house, text="still owed")
    await house.dead_letters.replay(letter)
    at = house.floor.keys.conversation(letter.conversation)
    await house.floor.commands.delete(at.turn(letter.turn))
    async with open_house(workers_redis.sentinels, messages_kept=1) as strict:
        await strict.ask(letter.conversation, "later")
    turn = await house.begin(await house.claim(letter.conversation))
    assert [message.text for message in turn.messages] == ["still owed"]


async def test_a_letter_goes_with_its_message_and_is_counted_no_more(own_redis: EmbeddedRedis) -> None:
    async with open_house(own_redis.sentinels, messages_kept=1) as house:
        letter = await failed(house)
        lost = await failed(house)
        at = house.floor.keys.conversation(lost.conversation)
        await house.floor.commands.delete(at.turn(lost.turn))
        assert await house.dead_letters.count() == 1
        await house.ask(letter.conversation)
        at = house.floor.keys.conversation(letter.conversation)
        assert await house.floor.commands.zcard(at.shared.dead) == 0
        assert await house.dead_letters.count() == 0


async def test_a_discarded_letter_is_not_replayed_by_who_still_sees_it(house: House) -> None:
    letter = await failed(house)
    await house.dead_letters.discard(letter)
    with pytest.raises(Refused, match="no dead letter any more"):
        await house.dead_letters.replay(letter)


async def test_of_a_replay_and_a_discard_at_once_the_later_one_yields(house: House) -> None:
    letter = await failed(house)
    replayed, discarded = await asyncio.gather(
        house.dead_letters.replay(letter), house.dead_letters.discard(letter), return_exceptions=True
    )
    at = house.floor.keys.conversation(letter.conversation)
    queued = await house.floor.commands.lrange(at.fifo, 0, -1)  # type: ignore[misc]
    assert discarded is True
    assert isinstance(replayed, Refused if not queued else Replayed)


async def test_a_message_is_queued_anew_only_so_often(house: House) -> None:
    letter = await failed(house)
    at = house.floor.keys.conversation(letter.conversation)
    kept = [fresh() for _ in range(100)]
    for turn in kept:
        await house.floor.commands.hset(at.turn(turn), "state", "finished")  # type: ignore[misc]
    await house.floor.commands.hset(at.message(letter.messages[0]), "replays", ",".join(kept))  # type: ignore[misc]
    with pytest.raises(Refused, match="100 times"):
        await house.dead_letters.replay(letter)
    await house.floor.commands.delete(at.turn(kept[0]))
    assert not (await house.dead_letters.replay(letter)).repeated


@pytest.mark.parametrize("wrong", [["--limit", "0"], ["--limit", "-1"], ["--conversation", "garbage"]])
def test_what_cannot_be_listed_is_refused_with_a_reason(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    dead_letters_command.arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["list", *wrong])
    assert wrong[1] in capsys.readouterr().err
