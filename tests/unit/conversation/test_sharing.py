"""Elements of a list that earlier versions have brought keep their numbers; runs stay short."""

import pytest

from services.conversation.core.sharing import Sharing, count, expand, known_of, leaping, nothing_known, share


def _share(text: str, *before: str) -> Sharing:
    """One element a letter, after versions that were `before`."""
    known = nothing_known(0)
    for version in before:
        known = share(_elements(version), known).known
    return share(_elements(text), known)


def _elements(text: str) -> list[bytes]:
    return [letter.encode() for letter in text]


def test_the_first_version_is_one_run_of_new_elements() -> None:
    first = _share("abc")
    assert first.runs == ((0, 3),)
    assert first.fresh == {0: b"a", 1: b"b", 2: b"c"}


def test_numbers_begin_where_the_caller_says() -> None:
    assert share([b"a", b"b"], nothing_known(70)).runs == ((70, 2),)


def test_appending_writes_only_what_was_appended_and_extends_the_run() -> None:
    more = _share("abcde", "abc")
    assert more.runs == ((0, 5),)
    assert more.fresh == {3: b"d", 4: b"e"}


def test_an_unchanged_version_writes_nothing() -> None:
    same = _share("abc", "abc")
    assert same.runs == ((0, 3),)
    assert same.fresh == {}


def test_replacing_an_element_splits_its_run() -> None:
    replaced = _share("aXc", "abc")
    assert replaced.runs == ((0, 1), (3, 1), (2, 1))
    assert replaced.fresh == {3: b"X"}


def test_removing_from_the_front_shortens_the_run() -> None:
    assert _share("cde", "abcde").runs == ((2, 3),)


def test_inserting_and_reordering_find_what_is_there() -> None:
    assert _share("bXa", "ab").runs == ((1, 2), (0, 1))
    assert _share("ba", "ab").runs == ((1, 1), (0, 1))
    assert _share("ba", "ab").fresh == {}


def test_what_was_removed_and_comes_back_is_a_new_element() -> None:
    back = _share("ab", "ab", "a")
    assert back.fresh == {2: b"b"}


def test_a_removed_elements_number_is_not_given_to_another() -> None:
    assert _share("ac", "ab", "a").fresh == {2: b"c"}


def test_an_emptied_list_has_no_runs_and_its_numbers_go_on() -> None:
    assert _share("", "ab").runs == ()
    assert _share("c", "ab", "").runs == ((2, 1),)


def test_equal_new_elements_are_one_run() -> None:
    equal = _share("xxxx")
    assert equal.runs == ((0, 4),)


def test_a_list_of_equal_elements_stays_one_run_when_one_more_is_appended() -> None:
    assert _share("xxx", "x", "xx").runs == ((0, 3),)
    assert _share("axbxc", "axbx").runs == ((0, 5),)


def test_an_element_that_is_repeated_later_gets_a_number_of_its_own() -> None:
    repeated = _share("aba", "ab")
    assert repeated.runs == ((0, 3),)
    assert repeated.fresh == {2: b"a"}


def test_of_equal_elements_the_one_that_goes_on_with_the_run_is_taken() -> None:
    assert _share("abxc", "axbxc").runs == ((0, 1), (2, 3))
    assert _share("axc", "axbxc").runs == ((0, 2), (4, 1))


def test_equal_elements_after_a_replaced_one_are_not_written_again() -> None:
    assert _share("xxZxxx", "xxxxxx").fresh == {6: b"Z"}


def test_a_version_that_was_read_teaches_what_it_has() -> None:
    known = known_of([(7, 2), (3, 1)], [b"a", b"b", b"c"])
    more = share([b"a", b"b", b"c", b"d"], known)
    assert more.runs == ((7, 2), (3, 1), (9, 1))
    assert more.fresh == {9: b"d"}


def test_a_version_that_was_read_may_hold_equal_elements() -> None:
    known = known_of([(0, 3)], [b"x", b"x", b"x"])
    assert share([b"x"] * 4, known).runs == ((0, 4),)


def test_a_version_that_was_read_may_hold_one_number_twice() -> None:
    again = share([b"x", b"x"], known_of([(4, 1), (4, 1)], [b"x", b"x"]))
    stored = {4: b"x", **again.fresh}
    assert [stored[number] for number in expand(again.runs)] == [b"x", b"x"]


def test_runs_and_elements_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="2 elements for runs of 3"):
        known_of([(0, 3)], [b"a", b"b"])


def test_after_a_clash_new_elements_are_numbered_from_elsewhere_and_known_ones_stay() -> None:
    known = share(_elements("ab"), nothing_known(0)).known
    elsewhere = share(_elements("abc"), leaping(known, 5000))
    assert elsewhere.runs == ((0, 2), (5000, 1))
    assert elsewhere.fresh == {5000: b"c"}


def test_a_leap_never_goes_back_to_numbers_in_use() -> None:
    known = share(_elements("ab"), nothing_known(100)).known
    assert share(_elements("abc"), leaping(known, 7)).fresh == {102: b"c"}


def test_runs_are_expanded_and_counted() -> None:
    assert list(expand([(5, 3), (0, 1)])) == [5, 6, 7, 0]
    assert count([(5, 3), (0, 1)]) == 4
    assert list(expand([])) == []
    assert count([]) == 0
