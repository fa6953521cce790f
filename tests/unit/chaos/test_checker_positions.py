"""The checker's own judgement of positions: from the design's words, by no code of the services."""

import ast
from pathlib import Path

import pytest

from tests.chaos import ground, rules_positions, standing
from tests.chaos.ground import Position, last_of, serves
from tests.chaos.records import HeadFacts

HEAD = HeadFacts(top=30, low=5, forks=[("e1", 1), ("e2", 11), ("e3", 21)])


@pytest.mark.parametrize(
    ("epoch", "offset"), [("e1", 5), ("e1", 10), ("e2", 5), ("e2", 11), ("e2", 20), ("e3", 21), ("e3", 30)]
)
def test_a_place_that_an_epoch_had_and_retention_left_is_served(epoch: str, offset: int):
    assert serves(HEAD, Position(epoch, offset))


@pytest.mark.parametrize(
    ("epoch", "offset"), [("e1", 4), ("e1", 11), ("e2", 4), ("e2", 21), ("e3", 31), ("e4", 10), ("", 10)]
)
def test_a_place_that_is_trimmed_or_beyond_an_epoch_or_of_a_strange_one_is_not_served(
    epoch: str, offset: int
):
    assert not serves(HEAD, Position(epoch, offset))


def test_an_epoch_ends_where_the_next_one_begins_and_the_newest_at_the_top():
    assert [last_of(HEAD, epoch) for epoch in ("e1", "e2", "e3", "e4")] == [10, 20, 30, None]


def test_of_an_epoch_that_wrote_nothing_only_what_stood_before_it_is_served():
    head = HeadFacts(top=10, low=0, forks=[("e1", 1), ("e2", 11)])
    assert serves(head, Position("e2", 10))
    assert not serves(head, Position("e2", 11))


def test_an_empty_journal_serves_its_beginning_alone():
    head = HeadFacts(top=0, low=0, forks=[("e1", 1)])
    assert serves(head, Position("e1", 0))
    assert not serves(head, Position("e1", 1))


@pytest.mark.parametrize("module", [ground, rules_positions, standing])
def test_what_judges_positions_uses_no_code_of_the_services(module: object):
    file = str(getattr(module, "__file__", ""))
    tree = ast.parse(Path(file).read_text())
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names]
    assert [name for name in names if name.startswith("services")] == []
