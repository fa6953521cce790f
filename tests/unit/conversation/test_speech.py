from services.conversation.core.speech import (
    MOST_CHARACTERS,
    MOST_STREAMED,
    Complete,
    Delta,
    Instruction,
    Speech,
    Start,
    message_id,
    whole,
)
from services.shared.model.ids import AttemptId, is_uuid

ATTEMPT = AttemptId("01890a5d-ac96-774b-bcce-b302099a8057")


def drained(speech: Speech, now_s: float = 0.0) -> list[Instruction]:
    taken: list[Instruction] = []
    while instructions := speech.take(now_s):
        taken += instructions
    return taken


def test_the_first_token_is_said_at_once() -> None:
    speech = Speech()
    speech.say("a", "Hi")
    assert drained(speech) == [Start("a"), Delta("a", 0, "Hi")]


def test_a_message_is_streamed_up_to_a_bound_and_its_completion_brings_the_rest() -> None:
    speech, half = Speech(interval_s=0.0), "x" * (MOST_STREAMED // 2)
    said = []
    for text in (half, half, "y", "z" * MOST_STREAMED, "w"):
        speech.say("a", text)
        said += [each.text for each in drained(speech) if isinstance(each, Delta)]
    assert "".join(said) == half + half
    speech.say("b", "another message")
    assert drained(speech) == [Start("b"), Delta("b", 0, "another message")]
    speech.complete("a", "all of it")
    assert drained(speech) == [Complete("a", "all of it", None)]


def test_tokens_within_the_interval_go_out_as_one_delta() -> None:
    speech = Speech(interval_s=0.03)
    speech.say("a", "One")
    drained(speech, 0.0)
    speech.say("a", " two")
    speech.say("a", " three")
    assert drained(speech, 0.02) == []
    assert speech.due_s() == 0.03
    assert drained(speech, 0.03) == [Delta("a", 3, " two three")]


def test_a_slow_append_makes_the_next_delta_larger() -> None:
    speech = Speech(interval_s=0.03)
    speech.say("a", "0")
    drained(speech, 0.0)
    for number in range(1, 10):
        speech.say("a", str(number))
    assert drained(speech, 0.5) == [Delta("a", 1, "123456789")]


def test_a_completion_replaces_text_that_was_not_said_yet() -> None:
    speech = Speech()
    speech.say("a", "Hel")
    speech.take(0.0)
    speech.complete("a", "Hello.", {"total_tokens": 2})
    assert drained(speech) == [Complete("a", "Hello.", {"total_tokens": 2})]
    assert speech.due_s() is None


def test_a_message_no_model_streamed_is_started_and_completed() -> None:
    speech = Speech()
    speech.complete("a", "Done.")
    assert drained(speech) == [Start("a"), Complete("a", "Done.", None)]


def test_nothing_is_said_after_the_completion() -> None:
    speech = Speech()
    speech.complete("a", "Done.")
    drained(speech)
    speech.say("a", " more")
    speech.complete("a", "Done again.")
    assert drained(speech) == []


def test_what_an_earlier_attempt_completed_is_not_said_again() -> None:
    speech = Speech(completed=frozenset({"a"}))
    speech.say("a", "Hi")
    speech.complete("a", "Hi")
    assert drained(speech) == []


def test_messages_go_on_beside_each_other() -> None:
    speech = Speech()
    speech.say("a", "A")
    speech.say("b", "B")
    said = drained(speech)
    assert [one for one in said if one.source == "b"] == [Start("b"), Delta("b", 0, "B")]
    speech.complete("b", "B.")
    assert drained(speech, 0.001) == [Complete("b", "B.", None)]
    assert speech.unfinished() == (Start("a"),)


def test_places_count_utf16_code_units() -> None:
    speech = Speech(interval_s=0.0)
    speech.say("a", "a😀")
    drained(speech)
    speech.say("a", "b")
    assert drained(speech) == [Delta("a", 3, "b")]


def test_a_surrogate_pair_that_comes_in_two_tokens_is_never_split() -> None:
    speech = Speech(interval_s=0.0)
    speech.say("a", "x\ud83d")
    assert drained(speech) == [Start("a"), Delta("a", 0, "x")]
    assert speech.due_s() is None
    speech.say("a", "\ude00y")
    assert drained(speech) == [Delta("a", 1, "😀y")]


def test_half_a_pair_without_the_other_becomes_a_replacement_character() -> None:
    assert whole("a\ud83d") == "a\ufffd"
    assert whole("\ude00b") == "\ufffdb"
    assert whole("\ud83d\ude00") == "😀"


def test_a_delta_has_a_bounded_size() -> None:
    speech = Speech(interval_s=0.0)
    speech.say("a", "x" * (MOST_CHARACTERS + 1))
    deltas = [one for one in drained(speech) if isinstance(one, Delta)]
    assert [len(one.text) for one in deltas] == [MOST_CHARACTERS, 1]
    assert deltas[1].at == MOST_CHARACTERS


def test_settling_drops_what_was_not_said_and_keeps_completions() -> None:
    speech = Speech()
    speech.say("a", "A")
    speech.complete("b", "B")
    speech.settle()
    assert drained(speech) == [Start("b"), Complete("b", "B", None)]


def test_a_message_told_anew_begins_from_its_first_character_under_another_telling() -> None:
    speech = Speech(interval_s=0.0)
    speech.say("a", "Hello")
    drained(speech)
    speech.say("a", " there")
    assert speech.tell_anew("a") == 0
    assert drained(speech) == [Start("a", 1), Delta("a", 0, "Hello there", 1)]
    speech.complete("a", "Hello there.")
    assert drained(speech) == [Complete("a", "Hello there.", None, 1)]
    assert message_id(ATTEMPT, "a", 0) != message_id(ATTEMPT, "a", 1)


def test_a_completed_message_is_not_told_anew() -> None:
    speech = Speech()
    speech.complete("a", "Done.")
    drained(speech)
    assert speech.tell_anew("a") is None


def test_a_message_has_one_id_per_attempt_and_source() -> None:
    first, again = message_id(ATTEMPT, "run-1"), message_id(ATTEMPT, "run-1")
    assert first == again
    assert is_uuid(first)
    assert first != message_id(ATTEMPT, "run-2")
    assert first != message_id(AttemptId("01890a5d-ac96-774b-bcce-b302099a8058"), "run-1")
