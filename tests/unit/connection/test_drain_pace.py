"""How fast a drain closes: the deadline always wins, the bounds hold while it lets them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.connection.core.pacing import LAST_S, STALL_S, UNBOUND_RATE, Pace, Rates

STEP_S = 0.05


def run(
    rates: Rates, connections: int, within_s: float, granted: float = 1.0, step_s: float = STEP_S
) -> list[tuple[float, int]]:
    """A drain on a clock of its own: when it closed how many. granted: the budget's share of what may go."""
    pace, now, left, closes = Pace(rates, 0.0), 0.0, connections, []
    while left and now < within_s:
        now += step_s
        due = pace.due(now, left, within_s)
        assert 0 <= due.must <= due.may <= left
        closed = max(due.must, int(due.may * granted))
        pace.closed(closed)
        left -= closed
        closes.append((now, closed))
    assert left == 0, "the deadline"
    return closes


def most_in(closes: list[tuple[float, int]], window_s: float) -> int:
    return max(sum(count for at, count in closes if start <= at < start + window_s) for start, _ in closes)


def test_a_small_process_without_bounds_ends_at_once() -> None:
    closes = run(Rates(0, 0), 20, 15.0)
    assert closes == [(STEP_S, 20)]


def test_without_bounds_closes_are_spread_all_the_same() -> None:
    assert most_in(run(Rates(0, 0), 4000, 15.0), 1.0) <= UNBOUND_RATE * 1.1


def test_a_pods_own_rate_holds_where_the_deadline_lets_it() -> None:
    closes = run(Rates(100, 0), 1000, 60.0)
    assert most_in(closes, 1.0) <= 105, "a window of a second holds 21 looks at its edges"
    assert closes[-1][0] == pytest.approx(10.0, abs=0.5)


def test_a_pods_own_rate_gives_way_to_the_deadline() -> None:
    closes = run(Rates(10, 0), 1000, 10.0)
    assert closes[-1][0] < 10.0
    assert most_in(closes, 1.0) <= 110, "no more than the deadline needs"


def test_with_a_fleets_budget_alone_all_may_go_and_the_budget_decides() -> None:
    pace = Pace(Rates(0, 200), 0.0)
    due = pace.due(1.0, 500, 100.0)
    assert (due.must, due.may) == (1, 500)


def test_the_least_alone_meets_the_deadline_at_an_even_rate() -> None:
    closes = run(Rates(0, 200), 600, 60.0, granted=0.0)
    assert 9 <= most_in(closes, 1.0) <= 12
    assert closes[-1][0] > 50.0


def test_what_a_budget_kept_back_is_not_made_up_for_above_the_pods_rate() -> None:
    pace, now = Pace(Rates(100, 1000), 0.0), 0.0
    for _ in range(200):
        now += STEP_S
        due = pace.due(now, 5000, 10_000.0)
        pace.closed(due.must)
    assert due.may <= 100 * STALL_S + 1


def test_a_process_that_slept_does_not_close_in_one_go_what_it_missed() -> None:
    pace = Pace(Rates(100, 0), 0.0)
    assert pace.due(10.0, 5000, 1000.0).may <= 100 * STALL_S + 1


def test_at_the_last_moment_everybody_goes() -> None:
    due = Pace(Rates(1, 1), 0.0).due(10.0 - LAST_S / 2, 300, 10.0)
    assert (due.must, due.may) == (300, 300)


@given(
    pod=st.floats(0, 500),
    fleet=st.floats(0, 500),
    connections=st.integers(0, 5000),
    within_s=st.floats(0.2, 120),
    granted=st.floats(0, 1),
    step_s=st.floats(0.01, 0.2),
)
def test_whatever_the_rates_the_deadline_is_met(
    pod: float, fleet: float, connections: int, within_s: float, granted: float, step_s: float
) -> None:
    """Looks may be late; the last of them comes at the deadline or behind it, and takes who is left."""
    pace, now, left = Pace(Rates(pod, fleet), 0.0), 0.0, connections
    while left and now < within_s:
        now += step_s
        due = pace.due(now, left, within_s)
        assert 0 <= due.must <= due.may <= left
        closed = max(due.must, int(due.may * granted)) if fleet else due.may
        pace.closed(closed)
        left -= closed
    assert left == 0


@given(connections=st.integers(1, 3000), within_s=st.floats(1, 120), step_s=st.floats(0.01, 0.2))
def test_the_least_is_even(connections: int, within_s: float, step_s: float) -> None:
    """Before the last moment it is never ahead of the straight line to the deadline by more than one."""
    pace, now, left = Pace(Rates(0, 1), 0.0), 0.0, connections
    while left and now + step_s < within_s - LAST_S:
        now += step_s
        due = pace.due(now, left, within_s)
        pace.closed(due.must)
        left -= due.must
        assert connections - left <= connections * now / within_s + 1
