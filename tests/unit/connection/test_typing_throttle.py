"""What is said of typing too often is passed over, and forgotten soon."""

from services.connection.calls_receipts import MOST_TYPING, TYPING_EVERY_S, TypingThrottle
from services.shared.runtime.clock import FakeClock


def test_one_that_begins_and_one_that_ends_pass_in_two_seconds():
    clock = FakeClock()
    throttle = TypingThrottle(clock)
    said = [True, True, False, False, True]
    assert [throttle.passes("c", "ann", typing) for typing in said] == [True, False, True, False, False]
    assert throttle.passes("c", "bob", True)
    assert throttle.passes("d", "ann", True)
    clock.advance(TYPING_EVERY_S)
    assert throttle.passes("c", "ann", True)


def test_what_was_not_told_does_not_count():
    throttle = TypingThrottle(FakeClock())
    assert throttle.passes("c", "eve", True)
    throttle.forget("c", "eve", True)
    assert throttle.passes("c", "eve", True)


def test_it_remembers_no_more_than_its_bound():
    throttle = TypingThrottle(FakeClock())
    for number in range(MOST_TYPING + 100):
        assert throttle.passes("c", f"user-{number}", True)
        assert len(throttle._said) <= MOST_TYPING
    assert throttle.passes("c", "user-0", True), "the oldest made room"
    assert not throttle.passes("c", f"user-{MOST_TYPING + 99}", True)
