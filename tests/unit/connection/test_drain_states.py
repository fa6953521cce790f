"""The whole table of a drain: each state and each word, and the moments between."""

import pytest

from services.connection.core.drain import (
    CLOSING,
    ENDING,
    SHOWN,
    Hurried,
    Looked,
    Ordered,
    RefusedError,
    Standing,
    State,
    Terms,
    Told,
    Withdrawn,
    Word,
    after,
)

TERMS = Terms(propagation_s=5.0, drain_s=60.0)
AT_ONCE = Terms(propagation_s=0.0, drain_s=60.0)
NOW = 1000.0

SERVING = Standing()
CORDONED = Standing(State.CORDONED, "a", deadline=1030.0)
EMPTIED = Standing(State.EMPTIED, "a")
DUCK = Standing(State.LAME_DUCK, until=1005.0, deadline=1065.0)
DRAINING = Standing(State.DRAINING, deadline=1060.0)
DRAINING_CORDONED = Standing(State.DRAINING, "a", deadline=1030.0)
GONE = Standing(State.GONE)
GONE_CORDONED = Standing(State.GONE, "a")
LONG_CORDONED = Standing(State.CORDONED, "a", deadline=1500.0)
ALL = [SERVING, CORDONED, EMPTIED, DUCK, DRAINING, DRAINING_CORDONED, GONE]

ORDER, SAME = Ordered(NOW, "b", 10.0), Ordered(NOW, "a", 500.0)
BACK, OTHER = Withdrawn(NOW, "a"), Withdrawn(NOW, "b")
TOLD, CRASHED, HURRIED = Told(NOW), Told(NOW, crashed=True), Hurried(NOW)
SOME, NOBODY, LATER = Looked(NOW, 7), Looked(NOW, 0), Looked(1005.0, 7)


def cordoned(plan: str, deadline: float) -> Standing:
    return Standing(State.CORDONED, plan, deadline=deadline)


def draining(deadline: float, plan: str | None = None) -> Standing:
    return Standing(State.DRAINING, plan, deadline=deadline)


TABLE: list[tuple[Standing, Word, Standing]] = [
    (SERVING, ORDER, cordoned("b", 1010.0)),
    (SERVING, BACK, SERVING),
    (SERVING, TOLD, DUCK),
    (SERVING, CRASHED, draining(1060.0)),
    (SERVING, HURRIED, draining(1030.0)),  # told twice at once: no lame duck, half of the time
    (SERVING, SOME, SERVING),
    (SERVING, NOBODY, SERVING),
    (CORDONED, ORDER, cordoned("b", 1010.0)),  # a later plan sets its own deadline
    (CORDONED, SAME, CORDONED),  # a repeat puts nothing off
    (CORDONED, BACK, SERVING),
    (CORDONED, TOLD, draining(1030.0, "a")),  # no lame duck; the earlier deadline holds
    (CORDONED, CRASHED, draining(1030.0, "a")),
    (LONG_CORDONED, HURRIED, draining(1030.0, "a")),
    (CORDONED, HURRIED, draining(1015.0, "a")),  # half of what the earlier deadline leaves
    (CORDONED, SOME, CORDONED),
    (CORDONED, NOBODY, EMPTIED),
    (EMPTIED, ORDER, Standing(State.EMPTIED, "b", deadline=1010.0)),
    (EMPTIED, SAME, EMPTIED),
    (EMPTIED, BACK, SERVING),
    (EMPTIED, TOLD, GONE_CORDONED),  # nobody to close, and never ready again in between
    (EMPTIED, CRASHED, GONE_CORDONED),
    (EMPTIED, HURRIED, GONE_CORDONED),
    (EMPTIED, SOME, EMPTIED),
    (EMPTIED, NOBODY, EMPTIED),
    (DUCK, ORDER, draining(1010.0, "b")),
    (DUCK, TOLD, DUCK),
    (DUCK, CRASHED, draining(1060.0)),
    (DUCK, HURRIED, draining(1030.0)),
    (DUCK, SOME, DUCK),
    (DUCK, NOBODY, DUCK),  # newcomers may still come
    (DUCK, LATER, draining(1065.0)),
    (DUCK, Looked(1005.0, 0), GONE),
    (DRAINING, ORDER, draining(1010.0, "b")),
    (DRAINING, Ordered(NOW, "b", 500.0), draining(1060.0, "b")),  # the end's own deadline holds
    (DRAINING, TOLD, DRAINING),
    (DRAINING, HURRIED, draining(1030.0)),
    (DRAINING, SOME, DRAINING),
    (DRAINING, NOBODY, GONE),
    (DRAINING_CORDONED, SAME, DRAINING_CORDONED),
    (DRAINING_CORDONED, HURRIED, draining(1015.0, "a")),
    (DRAINING_CORDONED, NOBODY, Standing(State.GONE, "a")),
    (DRAINING, CRASHED, DRAINING),
    (DRAINING_CORDONED, TOLD, DRAINING_CORDONED),
    (GONE, ORDER, GONE),
    (GONE, TOLD, GONE),
    (GONE, HURRIED, GONE),
    (GONE, NOBODY, GONE),
]


@pytest.mark.parametrize(("standing", "word", "then"), TABLE, ids=str)
def test_the_table(standing: Standing, word: Word, then: Standing) -> None:
    assert after(standing, word, TERMS) == then


@pytest.mark.parametrize("standing", [CORDONED, EMPTIED])
def test_a_plan_cannot_be_taken_back_by_another(standing: Standing) -> None:
    with pytest.raises(RefusedError, match="plan 'a' holds this process, not 'b'"):
        after(standing, OTHER, TERMS)


@pytest.mark.parametrize("standing", [DUCK, DRAINING, DRAINING_CORDONED, GONE])
def test_who_is_ending_does_not_come_back(standing: Standing) -> None:
    with pytest.raises(RefusedError, match="is ending"):
        after(standing, BACK, TERMS)


def test_the_table_has_every_state_with_every_word() -> None:
    words = (ORDER, BACK, TOLD, HURRIED, SOME)
    for standing in ALL:
        for word in words:
            try:
                after(standing, word, TERMS)
            except RefusedError:
                assert isinstance(word, Withdrawn)


def test_without_a_propagation_time_nobody_is_served_late() -> None:
    assert after(SERVING, TOLD, AT_ONCE) == draining(1060.0)


def test_late_handshakes_are_served_by_a_lame_duck_and_by_nobody_else_that_ends() -> None:
    assert [standing for standing in ALL if not standing.closed] == [SERVING, DUCK]
    assert {standing.state for standing in ALL if standing.state in ENDING} == ENDING


def test_only_a_cordoned_process_that_is_empty_gives_up_its_readiness() -> None:
    assert [standing for standing in [*ALL, GONE_CORDONED] if standing.empty] == [EMPTIED, GONE_CORDONED]


@pytest.mark.parametrize("standing", [SERVING, CORDONED, LONG_CORDONED, EMPTIED])
def test_a_second_word_that_comes_before_the_first_is_not_lost(standing: Standing) -> None:
    """Whichever is heard first: at the end it is half the time, and nobody is let in."""
    hurried = after(after(standing, HURRIED, TERMS), TOLD, TERMS)
    assert hurried == after(after(standing, CRASHED, TERMS), HURRIED, TERMS)
    assert hurried.closed
    with pytest.raises(RefusedError, match="is ending"):
        after(hurried, BACK, TERMS)


def test_a_repeated_hurry_halves_again_and_never_passes_the_deadline() -> None:
    standing, now = DRAINING, NOW
    for left in (30.0, 15.0, 7.5):
        standing = after(standing, Hurried(now), TERMS)
        assert standing.left_s(now) == left
    assert standing.left_s(5000.0) == 0.0


def test_what_is_shown_are_the_words_of_the_contract() -> None:
    assert SHOWN == ("serving", "lame_duck", "draining", "emptied", "gone")
    assert {state.shown for state in CLOSING} == {"draining"}
