"""What leaves, when, and what is let go of. Spans are strings here: the hold does not look into them."""

from collections import Counter
from collections.abc import Callable

import pytest

from services.shared.runtime.clock import FakeClock
from services.shared.runtime.tracing.hold import Hold


class Holding:
    """A hold, and what came out of it."""

    def __init__(
        self, most: int = 100, age_s: float = 60.0, room: Callable[[str], int] = lambda _: 1
    ) -> None:
        self.clock = FakeClock()
        self.left: list[tuple[str, bool]] = []
        self.fates: Counter[str] = Counter()
        self.hold: Hold[str] = Hold(self._ship, self._count, self.clock, most=most, age_s=age_s, room=room)

    def _ship(self, spans: list[str], late: bool) -> None:
        self.left += [(span, late) for span in spans]

    def _count(self, fate: str, count: int) -> None:
        self.fates[fate] += count

    def begin(self, span: int, parent: int = 0, *, trace: int = 1, sampled: bool = True) -> None:
        self.hold.begin(span, parent, trace, sampled=sampled)

    def end(self, *spans: int) -> None:
        for span in spans:
            self.hold.end(span, f"s{span}")

    def whole(self, span: int, *, trace: int, sampled: bool = False) -> None:
        self.begin(span, trace=trace, sampled=sampled)
        self.end(span)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.left]


def test_the_spans_of_a_tree_leave_together_with_its_root():
    holding = Holding()
    holding.begin(1)
    holding.begin(2, 1)
    holding.begin(3, 2)
    holding.end(3, 2)
    assert holding.left == []
    assert len(holding.hold) == 2
    holding.end(1)
    assert holding.left == [("s3", False), ("s2", False), ("s1", False)]
    assert (len(holding.hold), holding.fates) == (0, Counter(sampled=3))


def test_two_roots_of_one_trace_do_not_wait_for_each_other():
    holding = Holding()
    holding.begin(1, 900)
    holding.begin(2, 901)
    holding.end(2)
    assert holding.names == ["s2"]


def test_what_outlives_its_root_leaves_by_itself_with_what_was_begun_below_it():
    holding = Holding()
    holding.begin(1)
    holding.begin(2, 1)
    holding.end(1)
    holding.begin(3, 2)
    assert holding.names == ["s1"]
    holding.end(3)
    assert holding.names == ["s1", "s3"]
    holding.end(2)
    assert holding.names == ["s1", "s3", "s2"]


def test_a_parent_of_another_trace_is_no_parent():
    holding = Holding()
    holding.begin(1, trace=1, sampled=False)
    holding.begin(2, 1, trace=2)
    holding.end(2)
    assert holding.names == ["s2"]


def test_a_dropped_root_lets_its_children_leave_and_is_not_among_them():
    holding = Holding()
    holding.begin(1)
    holding.begin(2, 1)
    holding.end(2)
    holding.hold.end(1, None)
    assert holding.names == ["s2"]


def test_unsampled_spans_wait_until_their_trace_is_kept():
    holding = Holding()
    holding.whole(1, trace=1)
    holding.whole(2, trace=2)
    holding.whole(3, trace=1)
    assert holding.left == []
    holding.hold.keep(1)
    assert holding.left == [("s1", True), ("s3", True)]
    assert holding.fates == Counter(late=2)
    assert len(holding.hold) == 1


def test_what_ends_after_its_trace_was_kept_is_sent_at_once_and_marked():
    holding = Holding()
    holding.begin(1, trace=1, sampled=False)
    holding.hold.keep(1)
    holding.end(1)
    assert holding.left == [("s1", True)]


def test_nobody_keeps_a_trace_for_ever():
    holding = Holding(age_s=60)
    holding.hold.keep(1)
    holding.clock.advance(60)
    holding.hold.expire()
    holding.whole(1, trace=1)
    assert holding.left == []


def test_unsampled_spans_expire_by_the_age_of_their_traces_first():
    holding = Holding(age_s=60)
    holding.whole(1, trace=1)
    holding.clock.advance(30)
    holding.whole(2, trace=1)
    holding.whole(3, trace=2)
    holding.clock.advance(29.9)
    holding.hold.expire()
    assert holding.fates == Counter()
    holding.clock.advance(0.1)
    holding.hold.expire()
    assert holding.fates == Counter(expired=2)
    holding.hold.keep(1)
    holding.hold.keep(2)
    assert holding.names == ["s3"]


def test_the_oldest_unsampled_trace_makes_room():
    holding = Holding(most=3)
    for trace in (1, 2, 3, 4):
        holding.whole(trace, trace=trace)
    assert (len(holding.hold), holding.fates) == (3, Counter(overflow=1))
    for trace in (1, 2, 3, 4):
        holding.hold.keep(trace)
    assert holding.names == ["s2", "s3", "s4"]


@pytest.mark.parametrize(
    ("sampled", "kept", "fates", "late"),
    [
        (True, False, Counter(early=4, sampled=2), {False}),
        (False, True, Counter(early=4, late=2), {True}),
        (False, False, Counter(overflow=4), set()),
    ],
)
def test_an_open_tree_too_large_lets_go_early_of_what_will_be_sent(
    sampled: bool, kept: bool, fates: Counter[str], late: set[bool]
):
    holding = Holding(most=3)
    holding.begin(1, sampled=sampled)
    if kept:
        holding.hold.keep(1)
    for span in (2, 3, 4, 5, 6):
        holding.begin(span, 1, sampled=sampled)
        holding.end(span)
    holding.end(1)
    assert holding.fates == fates
    assert {each for _, each in holding.left} == late
    assert len(holding.hold) == (0 if late else 2)


def test_what_waits_to_be_kept_goes_before_what_waits_for_its_root():
    holding = Holding(most=2)
    holding.begin(1)
    holding.begin(2, 1)
    holding.end(2)
    holding.whole(3, trace=2)
    holding.whole(4, trace=3)
    assert holding.fates == Counter(overflow=1)
    holding.end(1)
    assert holding.names == ["s2", "s1"]


def test_spans_that_never_end_are_forgotten():
    holding = Holding(most=3)
    for span in range(1, 8):
        holding.begin(span, trace=span)
    assert [span for span in range(1, 8) if holding.hold.is_open(span)] == [5, 6, 7]
    holding.end(1)
    assert (holding.left, holding.fates) == ([], Counter(overflow=1))


def test_a_second_end_is_counted_and_changes_nothing():
    holding = Holding()
    holding.whole(1, trace=1, sampled=True)
    holding.end(1)
    assert (holding.names, holding.fates) == (["s1"], Counter(sampled=1, overflow=1))


def test_a_large_span_counts_for_the_room_it_takes():
    holding = Holding(most=10, room=lambda span: 6 if span in {"s1", "s3"} else 1)
    for span in (1, 2):
        holding.whole(span, trace=span)
    assert (len(holding.hold), holding.fates) == (7, Counter())
    holding.whole(3, trace=3)
    assert (len(holding.hold), holding.fates) == (7, Counter(overflow=1))
    holding.hold.keep(3)
    assert (holding.names, len(holding.hold)) == (["s3"], 1)


def test_traces_that_are_kept_are_remembered_up_to_the_bound():
    holding = Holding(most=2)
    for trace in (1, 2, 3):
        holding.hold.keep(trace)
    for trace in (1, 2, 3):
        holding.whole(trace, trace=trace)
    assert holding.left == [("s2", True), ("s3", True)]
