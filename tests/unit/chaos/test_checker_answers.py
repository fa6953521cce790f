"""The checker against a house that refuses, fails, cancels or says nothing without a cause."""

from collections.abc import Sequence
from typing import Any

from tests.chaos.ground import Ground
from tests.chaos.history import History
from tests.chaos.records import (
    Cancelling,
    Conversation,
    DeviceLine,
    Entry,
    HeadFacts,
    Life,
    Ran,
    Refused,
    Settled,
    Subscribed,
    Truth,
    TurnFacts,
)
from tests.chaos.rules_answers import answers

C = "c"
LIVED = (
    Life(0, "d", "ada"),
    Subscribed(1, C, "e", 0, recovered=False, was_recovering=False, open=[]),
    Settled(99, C),
)
RAN = {"w": (Ran(1, C, "t", "a", "n", "task"),)}


def event(offset: int, kind: str, t: float, **facts: Any) -> Entry:
    return Entry(offset, "e", {"type": kind, "time": t * 1000, "conversation": C, **facts})


def found(
    outcome: str = "completed",
    *,
    said: bool = True,
    lines: Sequence[DeviceLine] = LIVED,
    runs: Any = RAN,
) -> list[str]:
    journal = [event(1, "message.created", 10, message="m", user="ada", text="hi")]
    if said:
        journal.append(event(2, "message.completed", 11, message="r", turn="t", text="re"))
    journal.append(event(3, "turn.finished", 12, turn="t", outcome=outcome))
    facts = Conversation(
        agents=["a"],
        head=HeadFacts(3, 0, [("e", 1)]),
        journal=journal,
        messages=[],
        open=[],
        fifo=[],
        turns={"t": TurnFacts("finished", "a", ["m"], outcome)},
        threads={},
    )
    history = History(Truth({C: facts}), {"d": tuple(lines)} if lines else {}, runs)
    return [violation.detail for violation in answers(history, {C: Ground(facts)})]


def test_an_answered_question_is_sound() -> None:
    assert found() == []


def test_a_turn_that_completed_and_said_nothing_is_found() -> None:
    assert found(said=False) == ["turn t completed and said nothing (completed)"]


def test_a_failed_turn_is_found() -> None:
    assert found("failed") == ["turn t failed, and nothing in it can (failed)"]


def test_a_cancel_that_nobody_asked_for_is_found() -> None:
    other = (*LIVED[:2], Cancelling(50, C), LIVED[2])
    assert found("cancelled", said=False, lines=other) == [
        "turn t was cancelled, and nobody asked for it (cancelled)"
    ]


def test_a_cancel_that_somebody_asked_for_is_sound() -> None:
    asked = (*LIVED[:2], Cancelling(11.5, C), LIVED[2])
    assert found("cancelled", said=False, lines=asked) == []


def test_cancels_are_not_judged_where_nobody_noted_what_was_asked() -> None:
    assert found("cancelled", said=False) == []


def test_a_refusal_for_good_is_found_and_one_for_now_is_not() -> None:
    assert found(lines=(*LIVED, Refused(50, C, "m", 409))) == ["message m was refused for good (409)"]
    assert found(lines=(*LIVED, Refused(50, C, "m", 100, temporary=True))) == []


def test_a_device_that_did_not_settle_in_its_last_life_is_found() -> None:
    again = (*LIVED, Life(100, "d", "ada", 2), LIVED[1])
    assert found(lines=again) == ["the device has not settled"]
    assert found(lines=LIVED[:1]) == ["the device follows nothing in its last life"]


def test_a_history_of_nobody_proves_nothing() -> None:
    assert found(lines=()) == ["no device or no worker noted anything"]
    assert found(runs={"w": ()}) == ["no device or no worker noted anything"]
