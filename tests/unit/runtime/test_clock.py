import pytest

from services.shared.runtime.clock import Clock, FakeClock, SystemClock


def test_a_fake_clock_stands_still_until_it_is_moved():
    clock: Clock = FakeClock(now_ms=5_000, monotonic=1.0)
    assert (clock.now_ms(), clock.monotonic()) == (5_000, 1.0)
    assert (clock.now_ms(), clock.monotonic()) == (5_000, 1.0)


def test_both_readings_of_a_fake_clock_move_together():
    clock = FakeClock(now_ms=5_000, monotonic=1.0)
    clock.advance(0.25)
    clock.advance(0.25)
    assert (clock.now_ms(), clock.monotonic()) == (5_500, 1.5)


def test_small_steps_add_up():
    clock = FakeClock(now_ms=0, monotonic=0.0)
    for _ in range(1000):
        clock.advance(0.0005)
    assert clock.now_ms() == 500


def test_a_fake_clock_does_not_go_back():
    with pytest.raises(ValueError, match="forward"):
        FakeClock().advance(-1)


def test_a_jump_of_the_wall_clock_leaves_durations_alone():
    clock = FakeClock(now_ms=5_000, monotonic=1.0)
    clock.jump_wall(-3_000)
    assert (clock.now_ms(), clock.monotonic()) == (2_000, 1.0)


def test_the_systems_clocks_move_on():
    clock: Clock = SystemClock()
    before = (clock.now_ms(), clock.monotonic())
    assert clock.now_ms() >= before[0]
    assert clock.monotonic() >= before[1]
    assert clock.now_ms() > 1_700_000_000_000
