"""A user's way through absent, present and away."""

from hypothesis import given
from hypothesis import strategies as st

from services.presence.core.machine import NEVER_HERE, Standing, Told, depart, enter, leave
from services.shared.model.ids import ConnectionId
from services.shared.model.presence import State

PHONE, LAPTOP = ConnectionId("phone"), ConnectionId("laptop")
GRACE_MS = 10_000


def test_the_first_seat_is_a_join_and_the_second_is_not() -> None:
    here, told = enter(NEVER_HERE, PHONE, "1")
    assert (here.state, told) == (State.PRESENT, Told.JOIN)
    both, told = enter(here, LAPTOP, "2")
    assert (set(both.seats), told) == ({PHONE, LAPTOP}, None)


def test_the_last_seat_begins_the_grace_and_its_end_is_the_leave() -> None:
    here, _ = enter(NEVER_HERE, PHONE, "1")
    away = leave(here, PHONE, 5_000, GRACE_MS)
    assert (away.state, away.last_seen_ms, away.due_ms) == (State.AWAY, 5_000, 15_000)
    assert depart(away, 14_999) == (away, None)
    absent, told = depart(away, 15_000)
    assert (absent.state, told, absent.last_seen_ms) == (State.ABSENT, Told.LEAVE, 5_000)
    assert depart(absent, 99_000) == (absent, None)


def test_who_comes_back_within_the_grace_never_left() -> None:
    here, _ = enter(NEVER_HERE, PHONE, "1")
    back, told = enter(leave(here, PHONE, 5_000, GRACE_MS), LAPTOP, "2")
    assert (back.state, told, back.last_seen_ms) == (State.PRESENT, None, None)
    assert depart(back, 99_000) == (back, None)


def test_a_seat_taken_anew_is_not_freed_under_its_old_stamp() -> None:
    here, _ = enter(NEVER_HERE, PHONE, "1")
    anew, told = enter(here, PHONE, "2")
    assert told is None
    assert leave(anew, PHONE, 0, 0, stamp="1") is anew
    assert leave(anew, PHONE, 0, 0, stamp="2").state is State.AWAY


deeds = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from([PHONE, LAPTOP])),
    st.tuples(st.just("leave"), st.sampled_from([PHONE, LAPTOP])),
    st.tuples(st.just("depart"), st.just(PHONE)),
)


@given(st.lists(st.tuples(st.integers(0, 15_000), deeds), max_size=30))
def test_joins_and_leaves_take_turns_and_no_leave_comes_within_the_grace(
    steps: list[tuple[int, tuple[str, ConnectionId]]],
) -> None:
    user, now, told, gone = Standing(), 0, [Told.LEAVE], 0
    for later, (deed, connection) in steps:
        now, before, said = now + later, user, None
        if deed == "enter":
            user, said = enter(user, connection, str(now))
        elif deed == "leave":
            user = leave(user, connection, now, GRACE_MS)
        else:
            user, said = depart(user, now)
        if before.seats and not user.seats:
            gone = now
        if said:
            assert said is not told[-1]
            told.append(said)
        if said is Told.LEAVE:
            assert not user.seats
            assert now - gone >= GRACE_MS
        assert (user.state is State.PRESENT) == bool(user.seats)
