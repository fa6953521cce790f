"""Calls of tools as speech tells them: announced once, arguments end to end, their end with all of it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from services.conversation.core.speech import Complete, Delta, End, Instruction, Speech, Start
from services.shared.model.doing import MOST_REASONED, MOST_TOLD, Doing, Ended, bounded

SHOP = Doing("shop")
BANK = Doing("bank", ("team",))


def drained(speech: Speech, now_s: float = 0.0) -> list[Instruction]:
    taken: list[Instruction] = []
    while instructions := speech.take(now_s):
        taken += instructions
    return taken


def ends(instructions: list[Instruction]) -> list[End]:
    return [each for each in instructions if isinstance(each, End)]


def test_a_call_is_announced_before_its_arguments_come() -> None:
    speech = Speech()
    speech.begin("a", SHOP)
    assert drained(speech) == [Start("a", doing=SHOP)]
    assert speech.due_s() is None


def test_arguments_go_end_to_end_and_the_end_has_them_as_they_were_written() -> None:
    speech = Speech(interval_s=0.0)
    speech.begin("a", SHOP)
    speech.say("a", '{"item":')
    said = drained(speech)
    speech.say("a", '"chair"}')
    speech.whole("a", '{"item": "chair"}')
    speech.end("a", "completed", "yours")
    said += drained(speech)
    assert said[:2] == [Start("a", doing=SHOP), Delta("a", 0, '{"item":', doing=SHOP)]
    [end] = ends(said)
    assert end.ended == Ended('{"item":"chair"}', "completed", "yours")


def test_arguments_that_came_otherwise_than_written_replace_them() -> None:
    speech = Speech()
    speech.begin("a", SHOP)
    speech.say("a", '{"item":"chair"}')
    drained(speech)
    speech.whole("a", '{"item": "lamp"}')
    assert [each for each in drained(speech, 1.0) if isinstance(each, Delta)] == []
    speech.end("a", "failed", "ValueError")
    assert ends(drained(speech, 2.0))[0].ended == Ended('{"item": "lamp"}', "failed", "ValueError")


def test_arguments_nobody_streamed_are_told_while_the_tool_runs() -> None:
    speech = Speech()
    speech.begin("a", SHOP)
    speech.whole("a", '{"item": "chair"}')
    assert drained(speech) == [Start("a", doing=SHOP), Delta("a", 0, '{"item": "chair"}', doing=SHOP)]


def test_calls_are_numbered_in_the_order_their_ends_are_told() -> None:
    """The one that began first ends last; both ends are told in one batch."""
    speech = Speech()
    for source, doing in (("a", SHOP), ("b", BANK)):
        speech.begin(source, doing)
    drained(speech)
    speech.end("b", "completed", None)
    speech.end("a", "completed", None)
    told = ends(speech.take(1.0))
    assert [each.number for each in told] == [1, 2]
    assert {each.source for each in told} == {"a", "b"}


def test_a_batch_has_at_most_one_word_of_each_but_that_a_start_brings_its_first_text() -> None:
    """Repeated together, a start and an end would begin what is over once more."""
    speech = Speech()
    speech.begin("a", SHOP)
    speech.end("a", "completed", "at once")
    speech.say("m", "text")
    assert [type(each) for each in speech.take(0.0)] == [Start, Start, Delta]
    assert [type(each) for each in speech.take(0.0)] == [End]


def test_what_is_longer_than_told_is_cut_and_says_so() -> None:
    speech = Speech(interval_s=0.0)
    text = json.dumps({"item": "x" * MOST_TOLD})
    speech.begin("a", SHOP)
    for at in range(0, len(text), 1000):
        speech.say("a", text[at : at + 1000])
    said = drained(speech)
    streamed = sum(len(each.text) for each in said if isinstance(each, Delta))
    assert MOST_TOLD - 1000 < streamed <= MOST_TOLD
    speech.whole("a", text)
    speech.end("a", "completed", "short")
    [end] = ends(drained(speech))
    assert (len(end.ended.arguments), end.ended.cut, end.ended.result) == (MOST_TOLD, True, "short")


def test_once_all_is_said_ends_still_come_and_what_was_not_begun_does_not() -> None:
    speech = Speech()
    speech.begin("a", SHOP)
    drained(speech)
    speech.begin("late", BANK)
    speech.end("a", "cancelled", None)
    speech.settle()
    assert [type(each) for each in drained(speech, 1.0)] == [End]
    assert speech.due_s() is None
    assert speech.unfinished() == ()


def test_a_call_that_is_not_over_is_unfinished_and_told_anew_whole() -> None:
    speech = Speech()
    speech.begin("a", SHOP)
    speech.say("a", "{}")
    drained(speech)
    assert speech.unfinished() == (Start("a", 0, SHOP),)
    assert speech.tell_anew("a") == 0
    assert drained(speech, 1.0) == [Start("a", 1, SHOP), Delta("a", 0, "{}", 1, SHOP)]


def test_a_messages_completion_is_no_matter_of_calls() -> None:
    speech = Speech()
    speech.begin("a", SHOP)
    speech.complete("m", "whole")
    assert [type(each) for each in drained(speech)] == [Start, Start, Complete]


WITHIN = Doing("", ("team",), "subagent")


def test_all_that_an_agent_within_says_comes_before_its_end() -> None:
    speech = Speech(interval_s=1.0)
    speech.begin("a", WITHIN)
    speech.say("a", "one ")
    said = drained(speech)
    speech.say("a", "two " * 3000)
    speech.end("a", "completed", None)
    speech.settle()
    said += drained(speech)
    deltas = [each for each in said if isinstance(each, Delta)]
    assert "".join(each.text for each in deltas) == "one " + "two " * 3000
    assert isinstance(said[-1], End)
    assert not said[-1].ended.cut
    assert drained(speech, 9.0) == []


def test_it_is_told_anew_whole_and_its_end_with_it() -> None:
    speech = Speech()
    speech.begin("a", WITHIN)
    speech.say("a", "one")
    drained(speech)
    speech.say("a", " two")
    speech.end("a", "completed", None)
    assert speech.tell_anew("a") == 0
    start, delta, end = drained(speech)
    assert (start, delta) == (Start("a", 1, WITHIN), Delta("a", 0, "one two", 1, WITHIN))
    assert isinstance(end, End)


def test_more_than_is_streamed_of_it_is_cut_and_says_so() -> None:
    speech = Speech(interval_s=0.0)
    speech.begin("a", WITHIN)
    for _ in range(MOST_REASONED // 1024 + 1):
        speech.say("a", "x" * 1024)
    speech.end("a", "completed", None)
    said = drained(speech)
    assert sum(len(each.text) for each in said if isinstance(each, Delta)) == MOST_REASONED
    assert ends(said)[0].ended.cut


@given(st.lists(st.sampled_from(["a", "é", "漢", "😀", "\ud83d", "\ude00"]), min_size=1, max_size=30))
def test_its_bytes_are_counted_as_they_are_told(tokens: list[str]) -> None:
    speech = Speech()
    speech.begin("a", Doing("", (), "reasoning"))
    for token in tokens:
        speech.say("a", token)
    [saying] = speech._sayings.values()
    assert saying.size == len(bounded(saying.waiting)[0].encode())
