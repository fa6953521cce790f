"""Whom a text mentions: words behind `@` that stand by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.model.ids import is_agent
from services.shared.wire.mentions import LONGEST, MOST_NAMED, mentions, named

NAMES = st.from_regex(r"\A[A-Za-z0-9_-]{0,20}[A-Za-z0-9]\Z")
AROUND = st.sampled_from([" ", "\n", "(", ")", ".", ",", "!", "?", ":", '"', "", "你", "の", "가"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@assistant what is 2+2?", ("assistant",)),
        ("hey @Assistant, and @ASSISTANT!", ("assistant",)),
        ("(@a) @b: @c_d-e.", ("a", "b", "c_d-e")),
        ("done.@a", ("a",)),
        ("@a- please", ("a-", "a")),
        ("你好@assistant请回答", ("assistant",)),
        ("@assistant에게 물어봐", ("assistant",)),
        ("write to ann@example.org", ()),
        ("ann.b+c@example.org or ann+@example.org", ()),
        ("@ann@example.org", ()),
        ("https://example.org/@assistant", ()),
        ("é@assistant", ()),
        ("@assistanté", ()),
        ("@a-bé", ()),
        ("@", ()),
        ("@@a", ()),
        ("@ a", ()),
        ("@" + "x" * (LONGEST + 1), ()),
        ("", ()),
    ],
)
def test_a_word_behind_an_at_sign_is_found_where_it_stands_by_itself(
    text: str, found: tuple[str, ...]
) -> None:
    assert mentions(text) == found


@given(NAMES, AROUND, AROUND)
def test_a_name_by_itself_is_found_in_any_case_and_whatever_stands_around(
    name: str, before: str, after: str
) -> None:
    assert name.lower() in mentions(f"{before}@{name}{after}")
    assert mentions(f"{before}@{name.upper()}{after}") == mentions(f"{before}@{name.lower()}{after}")


@given(st.text())
def test_whatever_is_said_gives_names_that_agents_can_have_each_once(text: str) -> None:
    found = mentions(text)
    assert len(set(found)) == len(found)
    for name in found:
        assert is_agent(name)
        assert name == name.lower()
        assert f"@{name}" in text.lower()


@given(st.text(alphabet="ab@-_. é你"), st.characters(categories=["Ll", "Nd"], exclude_characters="ａ"))
def test_a_name_inside_a_word_is_never_found(text: str, letter: str) -> None:
    assert "zz" not in mentions(f"{text} {letter}@zz {text}") or not _joins(letter)


def _joins(letter: str) -> bool:
    """Whether a letter is of a script that sets spaces between words."""
    return not any(
        low <= letter <= high for low, high in (("぀", "ヿ"), ("㐀", "鿿"), ("가", "힯"), ("豈", "﫿"))
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@Ann, look", ("Ann",)),
        ("ask @ann.lee or @ann.", ("ann.lee", "ann.", "ann")),
        ("@ann@example.org", ("ann@example.org",)),
        ("write to ann@example.org", ()),
        ("@a-bé @é", ()),
        ("@", ()),
        ("@" + "x" * (LONGEST + 1), ()),
    ],
)
def test_a_word_that_may_be_a_user_is_found_as_it_is_written(text: str, found: tuple[str, ...]) -> None:
    assert named(text) == found


def test_no_text_names_more_than_so_many():
    assert len(named(" ".join(f"@user{number}." for number in range(1000)))) == MOST_NAMED
