"""Sums over the living."""

from services.presence.core.census import take
from services.shared.model.ids import NodeId
from services.shared.model.presence import Beat

A, B, DEAD = NodeId("a"), NodeId("b"), NodeId("dead")


def test_the_living_are_added_up_and_the_dead_are_not() -> None:
    beats = {
        A: Beat(1, {"connections": 2, "subscriptions": 5}),
        B: Beat(1, {"connections": 3}),
        DEAD: Beat(1, {"connections": 9}),
    }
    census = take(beats, frozenset({A, B}))
    assert census.nodes == 2
    assert census.totals == {"connections": 5, "subscriptions": 5}


def test_a_node_whose_census_expired_still_counts_as_a_node() -> None:
    census = take({A: Beat(1, {})}, frozenset({A}))
    assert (census.nodes, census.totals) == (1, {})
