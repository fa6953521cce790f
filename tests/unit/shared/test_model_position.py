"""Positions and forks: which readers a journal can take on."""

import pytest

from services.shared.model.position import Fork, Head, Position, forks_from_text, last_offset, serves

FORKED = Head(top=10, low=3, forks=(Fork("a", 1), Fork("b", 8)))


@pytest.mark.parametrize(
    ("epoch", "offset", "served"),
    [
        ("a", 7, True),
        ("a", 8, False),
        ("a", 10, False),
        ("a", 3, True),
        ("a", 2, False),
        ("b", 10, True),
        ("b", 11, False),
        ("b", 7, True),
        ("c", 7, False),
        ("", 0, False),
    ],
)
def test_a_position_is_served_only_within_its_own_epoch_and_retention(
    epoch: str, offset: int, served: bool
) -> None:
    assert serves(FORKED, Position(epoch, offset)) is served


def test_an_empty_journal_serves_its_beginning_across_a_failover() -> None:
    head = Head(top=1, low=0, forks=(Fork("a", 1), Fork("b", 1)))
    assert serves(head, Position("a", 0))
    assert not serves(head, Position("a", 1))


def test_the_last_offset_of_a_stranger_is_unknown() -> None:
    assert last_offset(FORKED, "z") is None
    assert last_offset(FORKED, "a") == 7


def test_forks_read_back_from_the_heads_text() -> None:
    assert forks_from_text("0123456789.k3x=1,abcdef0123.k3x=8") == (
        Fork("0123456789.k3x", 1),
        Fork("abcdef0123.k3x", 8),
    )
