"""The log a person sees, from what a device is told."""

from typing import Any

import pytest

from services.local.line import Line
from services.local.render import Log, put_at
from services.shared.model.utf16 import units

STARTED = {
    "type": "message.started",
    "conversation": "c",
    "message": "m1",
    "agent": "assistant",
    "turn": "t",
    "attempt": "a",
}


def _delta(at: int, text: str) -> dict[str, Any]:
    return {"type": "message.delta", "message": "m1", "at": at, "text": text}


def _completed(text: str) -> dict[str, Any]:
    return {**STARTED, "type": "message.completed", "text": text}


def _created(message: str, text: str) -> dict[str, Any]:
    return {"type": "message.created", "conversation": "c", "message": message, "user": "ana", "text": text}


def _fed(*events: dict[str, Any]) -> Log:
    log = Log()
    for event in events:
        log.apply(event)
    return log


def test_pieces_are_laid_one_behind_the_other() -> None:
    log = _fed(STARTED, _delta(0, "Hel"), _delta(3, "lo"))
    assert log.lines() == (Line("m1", "assistant", "Hello", finished=False),)


def _asks(interrupt: str, value: object) -> dict[str, Any]:
    asked = {"interrupt": interrupt, "agent": "assistant", "turn": "t", "value": value}
    return {"type": "input.requested", "conversation": "c", **asked}


def test_what_is_asked_stands_there_until_somebody_answers() -> None:
    log = _fed(_asks("i1", {"pay": 300}), _asks("i2", "really?"))
    assert [one.text for one in log.asked.values()] == ['{"pay": 300}', "really?"]
    answered = {"type": "input.answered", "interrupt": "i1", "agent": "assistant", "outcome": "answered"}
    assert log.apply({**answered, "user": "ben", "answer": True}) == "ben answered assistant: true"
    assert list(log.asked) == ["i2"]
    withdrawn = {**answered, "interrupt": "i2", "outcome": "withdrawn"}
    assert log.apply(withdrawn) == "assistant waits for no answer any more"
    assert not log.asked


def test_a_subscribe_reply_tells_all_that_is_asked() -> None:
    log = _fed(_asks("i1", "old"))
    log.replace_asked([_asks("i2", "new")])
    assert list(log.asked) == ["i2"]


def test_a_place_is_counted_in_utf16_units() -> None:
    log = _fed(STARTED, _delta(0, "a😀"), _delta(3, "b"))
    assert log.lines()[0].text == "a😀b"
    assert units("a😀b") == 4


def test_a_piece_told_twice_changes_nothing() -> None:
    log = _fed(STARTED, _delta(0, "one "), _delta(4, "two"), _delta(0, "one "), _delta(4, "two"))
    assert log.lines()[0].text == "one two"
    assert log.misfits == 0


@pytest.mark.parametrize(("at", "text"), [(5, "x"), (1, "x")])
def test_a_piece_that_leaves_a_hole_or_splits_a_character_is_counted_not_guessed(at: int, text: str) -> None:
    log = _fed(STARTED, _delta(0, "😀"), _delta(at, text))
    assert (log.lines()[0].text, log.misfits) == ("😀", 1)


def test_a_piece_of_an_unknown_message_is_counted() -> None:
    assert _fed(_delta(0, "x")).misfits == 1


def test_the_finished_text_replaces_what_was_streamed() -> None:
    log = _fed(STARTED, _delta(0, "Helo"), _completed("Hello"))
    assert log.lines() == (Line("m1", "assistant", "Hello"),)


def test_a_retracted_message_is_gone_and_may_be_said_anew() -> None:
    retracted = {**STARTED, "type": "message.retracted", "reason": "its worker died"}
    log = _fed(STARTED, _delta(0, "Hel"), retracted)
    assert log.lines() == ()
    log.apply({**STARTED, "attempt": "a2"})
    log.apply(_delta(0, "Hi"))
    assert (log.lines()[0].text, log.misfits) == ("Hi", 0)


def test_what_a_conversation_went_back_from_is_gone_and_an_edited_message_says_something_else() -> None:
    log = _fed(_created("m2", "one"), STARTED, _completed("done"), _created("m3", "two"))
    back = {"type": "conversation.rewound", "message": "m2", "by": "ann", "gone": ["m1", "m3"]}
    assert log.apply(back) == "ann took back all that came of 'one': it is asked anew"
    assert [(line.message, line.text) for line in log.lines()] == [("m2", "one")]
    edited = log.apply({**back, "gone": [], "text": "other"})
    assert edited == "ann took back all that came of 'one': it is asked in other words"
    assert [line.text for line in log.lines()] == ["other"]
    assert log.apply({**back, "gone": ["m2"]}) == "ann took back 'other' and all that came of it"
    assert log.lines() == ()


def test_what_becomes_of_people_is_told() -> None:
    log, bob = _fed(), {"user": "bob", "by": "ann"}
    assert log.apply({**bob, "type": "member.invited", "role": "reader"}) == "ann asked bob in as reader"
    assert log.apply({**bob, "type": "member.declined"}) == "ann took the invitation of bob back"
    assert log.apply({**bob, "type": "member.declined", "by": "bob"}) == "bob does not come in"
    assert log.apply({**bob, "type": "member.changed", "role": "owner"}) == "bob is owner now, by ann"


def test_finished_messages_stand_in_the_order_they_were_finished_before_the_unfinished() -> None:
    log = _fed(STARTED, _created("m2", "in between"))
    assert [line.message for line in log.lines()] == ["m2", "m1"]
    log.apply(_created("m3", "later"))
    log.apply(_completed("done"))
    assert [line.message for line in log.lines()] == ["m2", "m3", "m1"]


def test_open_messages_of_a_subscribe_reply_replace_what_the_device_held() -> None:
    log = _fed(STARTED, _delta(0, "stale"))
    log.replace_open([{"message": "m9", "agent": "assistant", "text": "so far", "at": 6}])
    assert log.lines() == (Line("m9", "assistant", "so far", finished=False),)


def test_a_recovered_start_keeps_the_text_the_subscribe_reply_brought() -> None:
    """The reply's open messages come before the recovered events, among which their own start may be."""
    log = Log()
    log.replace_open([{"message": "m1", "agent": "assistant", "text": "so far", "at": 6}])
    log.apply(STARTED)
    log.apply(_delta(6, " and on"))
    assert (log.lines()[0].text, log.misfits) == ("so far and on", 0)


def test_history_starts_the_log_anew() -> None:
    log = _fed(_created("old", "gone"))
    log.load(
        [
            {"id": "k1", "user": "ana", "agent": None, "text": "hi"},
            {"id": "k2", "user": None, "agent": "assistant", "text": "hello"},
        ],
        [{"message": "m1", "agent": "assistant", "text": "so", "at": 2}],
    )
    assert [(line.author, line.text, line.finished) for line in log.lines()] == [
        ("ana", "hi", True),
        ("assistant", "hello", True),
        ("assistant", "so", False),
    ]


def test_a_message_told_twice_is_shown_once_and_counted() -> None:
    log = _fed(_created("m2", "once"), _created("m2", "once"))
    assert (len(log.lines()), log.repeats) == (1, 1)


def test_a_turn_is_running_from_its_start_to_its_end_and_a_bad_end_is_told() -> None:
    log = _fed({"type": "turn.started", "turn": "t1"})
    assert log.running == {"t1"}
    note = log.apply({"type": "turn.finished", "turn": "t1", "outcome": "failed", "reason": "no model"})
    assert (log.running, note) == (set(), "the answer was failed: no model")


def test_an_event_of_a_later_version_is_passed_over() -> None:
    assert _fed({"type": "poll.opened"}).lines() == ()


@pytest.mark.parametrize("text", ["", "abc", "😀😀"])
def test_putting_a_text_at_the_end_of_another_joins_them(text: str) -> None:
    assert put_at(text, units(text), "x") == text + "x"


def test_an_answer_that_ended_while_the_device_was_away_goes_on_where_it_was() -> None:
    """A recovery: the reply lists nothing open, the missed events that follow complete what was."""
    log = _fed(STARTED, _delta(0, "half"))
    log.replace_open([], keep=True)
    assert log.lines() == (Line("m1", "assistant", "half", finished=False),)
    log.apply(_completed("half and whole"))
    assert log.lines() == (Line("m1", "assistant", "half and whole"),)
