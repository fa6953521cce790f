"""What `/answer` makes of what was typed."""

import pytest

from services.local.answers import as_json, chosen


def test_the_only_question_is_answered_without_its_number() -> None:
    assert chosen("yes please", 1) == (1, "yes please")
    assert chosen("2", 1) == (1, "2")


def test_of_several_one_is_named() -> None:
    assert chosen("2 yes", 3) == (2, "yes")


@pytest.mark.parametrize(
    ("text", "asked"), [("yes", 0), ("", 1), ("yes", 2), ("2", 2), ("4 yes", 3), ("0 a", 2)]
)
def test_what_answers_nothing_is_told_how_to(text: str, asked: int) -> None:
    with pytest.raises(ValueError, match=r"asked|questions|/answer"):
        chosen(text, asked)


def test_json_is_sent_as_json_and_all_else_as_text() -> None:
    assert as_json('{"type": "approve"}') == {"type": "approve"}
    assert as_json("true") is True
    assert as_json("yes") == "yes"
