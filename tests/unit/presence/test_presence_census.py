"""What nodes hold, how old that is, and what counts in the sums."""

from collections.abc import Mapping

import pytest

from services.presence.beats import Beats
from services.presence.core.census import NOBODY, Census, take
from services.presence.core.roster import Limits
from services.presence.told import told
from services.shared.model.errors import BusUnavailable
from services.shared.model.ids import NodeId
from services.shared.model.presence import Beat, Look
from services.shared.runtime.clock import FakeClock
from services.shared.runtime.metrics import Metrics

A, B = NodeId("a"), NodeId("b")
HELD = {"connections": 2, "channels": 5}


def seen(now_ms: int, **beats: tuple[int, Mapping[str, int]]) -> Look:
    """Each node's mark and numbers."""
    return Look({NodeId(node): Beat(mark, numbers) for node, (mark, numbers) in beats.items()}, now_ms)


def both() -> Census:
    return take(NOBODY, seen(1_000, a=(900, HELD), b=(400, {"connections": 3})), 0)


def test_the_sums_are_of_all_and_each_has_its_age() -> None:
    census = both()
    assert (census.nodes, census.totals) == (2, {"connections": 5, "channels": 5})
    assert {node: count.age_ms for node, count in census.counts.items()} == {A: 100, B: 600}


def test_a_node_that_is_struck_off_is_stale_and_known_for_a_minute_and_counts_no_more() -> None:
    census = take(both(), seen(7_000, a=(6_900, HELD)), 6_000)
    assert census.totals == HELD
    assert (census.counts[B].stale, census.counts[B].numbers) == (True, {"connections": 3})
    assert B not in take(census, seen(70_000, a=(69_900, HELD)), 63_000).counts


def test_a_condemned_node_is_stale_with_what_it_said_last() -> None:
    census = take(both(), seen(8_000, a=(7_900, HELD), b=(0, {})), 7_000)
    assert (census.counts[B].stale, census.counts[B].numbers) == (True, {"connections": 3})


def test_while_nothing_can_be_read_all_of_it_grows_stale_and_none_of_it_becomes_zero() -> None:
    census = both().later(11_000)
    assert (census.nodes, census.totals) == (0, {})
    shown = told(census)["nodes"][A]
    assert shown == {"connections": 2, "channels": 5, "age_s": 11.1, "stale": True}


def test_a_node_whose_numbers_expired_keeps_those_known_last() -> None:
    assert take(both(), seen(2_000, a=(1_900, {}), b=(1_900, {})), 1_000).counts[A].numbers == HELD


def test_a_clock_behind_the_mark_makes_no_negative_age() -> None:
    assert take(NOBODY, seen(100, a=(900, HELD)), 0).counts[A].age_ms == 0


class Road:
    """A road to the beats: what it says, or that it is away."""

    def __init__(self) -> None:
        self.says: Look | None = None

    async def look(self) -> Look:
        if self.says is None:
            raise BusUnavailable("away")
        return self.says


async def test_dashboards_are_shown_the_sums_and_no_zero_where_nothing_is_known() -> None:
    road, clock, metrics = Road(), FakeClock(), Metrics()
    beats = Beats(road, Limits(6_000, 2_000), clock, metrics)  # type: ignore[arg-type]

    def shown(number: str) -> float | None:
        return metrics.registry.get_sample_value("continuo_census", {"number": number})

    assert shown("connections") is None
    road.says = seen(1_000, a=(900, HELD), b=(400, {"connections": 3}))
    await beats.look()
    assert (shown("connections"), shown("channels"), shown("users")) == (5.0, 5.0, None)
    road.says = None
    for elapsed_s, known in ((5.0, 5.0), (6.0, None)):
        clock.advance(elapsed_s)
        with pytest.raises(BusUnavailable):
            await beats.look()
        assert shown("connections") == known
    assert metrics.registry.get_sample_value("continuo_census_stale") == 2.0
