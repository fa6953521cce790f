"""A terminal can only add: every change of the log becomes text to add."""

from services.local.line import Line
from services.local.view import View


def _said(message: str, text: str) -> Line:
    return Line(message, "ana", text)


def _saying(text: str, message: str = "m1") -> Line:
    return Line(message, "assistant", text, finished=False)


def test_a_streaming_answer_grows_on_its_line_and_ends_with_it() -> None:
    view = View()
    assert view.news([_saying("")]) == "assistant: "
    assert view.news([_saying("Hel")]) == "Hel"
    assert view.news([_saying("Hello")]) == "lo"
    assert view.news([Line("m1", "assistant", "Hello!")]) == "!\n"
    assert view.news([Line("m1", "assistant", "Hello!")]) == ""


def test_somebody_speaking_in_between_breaks_the_answer_and_it_goes_on_below() -> None:
    view = View()
    view.news([_saying("one")])
    assert view.news([_said("m2", "hey"), _saying("one")]) == " ...\nana: hey\nassistant: ... "
    assert view.news([_said("m2", "hey"), _saying("one two")]) == " two"


def test_a_retracted_answer_is_said_to_be_taken_back() -> None:
    view = View()
    view.news([_saying("wrong")])
    assert view.news([]) == " [taken back]\n"


def test_a_text_that_is_not_what_was_streamed_is_said_anew() -> None:
    view = View()
    view.news([_saying("Helo")])
    assert view.news([Line("m1", "assistant", "Hello")]) == " [said anew]\nassistant: Hello\n"


def test_what_was_typed_here_is_not_repeated() -> None:
    view = View()
    view.mine.add("m2")
    assert view.news([_said("m2", "typed"), _said("m3", "elsewhere")]) == "ana: elsewhere\n"


def test_a_reconnect_that_brings_more_text_shows_only_the_rest() -> None:
    view = View()
    view.news([_saying("so far")])
    assert view.news([_saying("so far and on")]) == " and on"


def test_only_a_finished_message_that_was_not_shown_is_news_elsewhere() -> None:
    view = View()
    view.mine.add("m2")
    view.news([_said("m1", "hello")])
    assert not view.behind([_said("m1", "hello"), _said("m2", "typed"), _saying("not yet", "m3")])
    assert view.behind([_said("m1", "hello"), _said("m4", "new")])
