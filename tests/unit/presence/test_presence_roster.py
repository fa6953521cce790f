"""The judgement of silence, in pure numbers."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from services.presence.core.roster import MOST_STALLS, Change, Limits, NodeRoster, Transition, look
from services.shared.model.ids import NodeId
from services.shared.model.presence import Beat, Beats

LIMITS = Limits(dead_after_ms=6_000, step_ms=2_000)
A, B = NodeId("a"), NodeId("b")


def beats(marks: Mapping[NodeId, int]) -> Beats:
    return {node: Beat(mark, {}) for node, mark in marks.items()}


def watch(*looks: tuple[int, Mapping[NodeId, int]]) -> tuple[NodeRoster, list[Transition]]:
    """Look several times, each so many milliseconds after the one before; the roster and all transitions."""
    roster, seen = NodeRoster(), []
    for elapsed_ms, marks in looks:
        roster, transitions = look(roster, beats(marks), elapsed_ms, LIMITS)
        seen.extend(transitions)
    return roster, seen


def test_a_node_arrives_with_its_first_beat() -> None:
    roster, seen = watch((0, {A: 100}))
    assert seen == [Transition(A, Change.ARRIVED)]
    assert roster.alive == {A}


def test_a_node_that_beats_stays_alive_however_long() -> None:
    roster, seen = watch(*((1_000, {A: 100 + tick}) for tick in range(100)))
    assert roster.alive == {A}
    assert seen == [Transition(A, Change.ARRIVED)]


def test_a_silent_node_dies_after_the_limit_and_not_before() -> None:
    silence = [(1_000, {A: 100})]
    assert watch(*silence * 6)[0].dead == {}
    roster, seen = watch(*silence * 7)
    assert roster.dead == {A: 100}
    assert seen[-1] == Transition(A, Change.DIED)


def test_a_dead_node_is_to_be_reaped_until_it_is_struck_off_and_dies_once() -> None:
    roster, seen = watch(*[(1_000, {A: 100})] * 10)
    assert roster.dead == {A: 100}
    assert [each.change for each in seen] == [Change.ARRIVED, Change.DIED]
    roster, transitions = look(roster, {}, 1_000, LIMITS)
    assert transitions == (Transition(A, Change.STRUCK_OFF),)
    assert roster.nodes == {}


def test_a_dead_node_that_beats_again_is_back() -> None:
    roster, seen = watch(*[(1_000, {A: 100})] * 8, (1_000, {A: 200}))
    assert roster.alive == {A}
    assert seen[-1] == Transition(A, Change.RETURNED)


def test_time_in_which_no_beats_could_be_read_kills_nobody() -> None:
    """A failover: nobody could beat, and this watcher could not read, for a minute."""
    roster, _ = watch((0, {A: 100, B: 100}), (60_000, {A: 100, B: 100}))
    assert roster.alive == {A, B}


def test_a_clock_that_goes_back_adds_no_silence() -> None:
    roster, _ = watch((0, {A: 100}), *[(-5_000, {A: 100})] * 20)
    assert roster.alive == {A}


def test_marks_of_another_masters_clock_are_signs_of_life_too() -> None:
    roster, _ = watch((0, {A: 100}), *((2_000, {A: 100 - tick}) for tick in range(1, 20)))
    assert roster.alive == {A}


def test_a_node_condemned_by_another_replica_is_dead_at_once() -> None:
    roster, seen = watch((0, {A: 100}), (1_000, {A: 0}))
    assert roster.dead == {A: 0}
    assert seen[-1] == Transition(A, Change.DIED)


def test_the_silence_of_one_does_not_hurt_another() -> None:
    roster, _ = watch(*((1_000, {A: 100, B: 100 + tick}) for tick in range(10)))
    assert (set(roster.dead), roster.alive) == ({A}, {B})


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.dictionaries(st.sampled_from([A, B]), st.integers(0, 3))))
)
def test_every_transition_leads_from_the_state_before_it(
    looks: list[tuple[int, dict[NodeId, int]]],
) -> None:
    roster = NodeRoster()
    for elapsed_ms, marks in looks:
        before = roster
        roster, transitions = look(roster, beats(marks), elapsed_ms, LIMITS)
        assert set(roster.nodes) == set(marks)
        for node, change in ((each.node, each.change) for each in transitions):
            assert (node in before.nodes) == (change is not Change.ARRIVED)
            assert (node in roster.dead) == (change is Change.DIED) or change is Change.ARRIVED
            assert (node in roster.nodes) == (change is not Change.STRUCK_OFF)


PATIENT = Limits(dead_after_ms=6_000, step_ms=2_000, settle_ms=3_000)


def calm(*looks: tuple[int, Mapping[NodeId, int]]) -> list[bool]:
    """Whether leaves may be announced after each of these looks."""
    roster, found = NodeRoster(), []
    for elapsed_ms, marks in looks:
        roster, _ = look(roster, beats(marks), elapsed_ms, PATIENT)
        found.append(roster.calm)
    return found


def beating(*ticks: int) -> list[tuple[int, Mapping[NodeId, int]]]:
    return [(1_000, {A: 100 + tick}) for tick in ticks]


def test_a_watcher_that_just_began_announces_nobody_until_it_knows() -> None:
    assert calm(*beating(0, 1, 2, 3, 4)) == [False, False, False, True, True]


def test_after_an_interruption_nobody_left_until_every_living_node_beat_again() -> None:
    steady = beating(0, 1, 2, 3)
    late = [(9_000, {A: 103, B: 7}), *((1_000, {A: 104 + tick, B: 7}) for tick in range(6))]
    assert calm(*steady, *late) == [False, False, False, True, *[False] * 6, True]
    assert calm(*steady, (9_000, {A: 103}), *beating(4, 5, 6))[4:] == [False, False, False, True]


def test_a_node_that_comes_later_holds_nothing_up() -> None:
    assert calm(*beating(0, 1, 2, 3), (1_000, {A: 104, B: 1}))[-1]


def test_an_empty_house_is_calm_too() -> None:
    assert calm(*[(1_000, {})] * 4) == [False, False, False, True]


def slow(*ticks: int, elapsed_ms: int = 5_000) -> list[tuple[int, Mapping[NodeId, int]]]:
    return [(elapsed_ms, {A: 100 + tick}) for tick in ticks]


def test_a_watcher_whose_rounds_always_take_long_does_not_hold_leaves_back_for_good() -> None:
    found = calm(*slow(*range(20)))
    assert not any(found[:MOST_STALLS])
    assert all(found[MOST_STALLS + 2 :])


def test_a_slow_watcher_still_waits_for_who_was_not_heard() -> None:
    rounds = [(5_000, {A: 100 + tick, B: 7 + tick}) for tick in range(10)]
    assert calm(*rounds, (5_000, {A: 110, B: 16}), (5_000, {A: 111, B: 17}))[-3:] == [True, False, True]


def test_what_takes_longer_than_any_round_is_an_interruption_also_for_a_slow_watcher() -> None:
    found = calm(*slow(*range(10)), *slow(10, elapsed_ms=15_000), *slow(11, 12))
    assert found[9:] == [True, False, False, False]


def test_who_is_quick_again_takes_a_stall_for_an_interruption_again() -> None:
    assert calm(*slow(*range(10)), *beating(10, 11), *slow(12))[-3:] == [True, True, False]
