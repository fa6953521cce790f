"""How long somebody waited is told by what a device was owed and when it was told something."""

from collections.abc import Sequence

from tests.chaos.bars import measure
from tests.chaos.history import History
from tests.chaos.pauses import Window, blamed, silences, with_pauses
from tests.chaos.records import (
    Acked,
    Connected,
    DeviceLine,
    Disconnected,
    Fault,
    FaultOver,
    Life,
    Loaded,
    Pub,
    Refused,
    Send,
    Truth,
)

C = "c"


def pub(t: float, kind: str, **fields: object) -> Pub:
    return Pub(t, C, {"type": kind, **fields}, 1)


def asked(t: float, message: str) -> Pub:
    return pub(t, "message.created", message=message, user="u")


def begun(t: float, turn: str, *messages: str) -> Pub:
    return pub(t, "turn.started", turn=turn, messages=list(messages))


def ended(t: float, turn: str, outcome: str = "completed") -> Pub:
    return pub(t, "turn.finished", turn=turn, outcome=outcome)


def waits(lines: Sequence[DeviceLine]) -> list[tuple[float, float]]:
    return list(silences(lines))


def test_a_device_that_is_owed_nothing_waits_for_nothing() -> None:
    assert waits([pub(1, "member.joined"), pub(9, "member.joined")]) == []


def test_a_send_is_waited_for_until_it_is_acknowledged() -> None:
    assert waits([Send(1, C, "m", "hi", 1), Send(3, C, "m", "hi", 2), Acked(5, C, "m", "e", 1)]) == [(1, 5)]


def test_a_refusal_to_be_tried_again_is_no_answer() -> None:
    lines = [Send(1, C, "m", "hi", 1), Refused(2, C, "m", 100, True), Acked(5, C, "m", "e", 1)]
    assert waits(lines) == [(1, 5)]


def test_a_refusal_for_good_is_an_answer() -> None:
    lines = [Send(1, C, "m", "hi", 1), Refused(2, C, "m", 107, False), pub(9, "member.joined")]
    assert waits(lines) == [(1, 2)]


def test_what_others_say_acknowledges_nothing() -> None:
    others = [asked(t, f"o{t}") for t in range(2, 40)]
    assert (1, 40) in waits([Send(1, C, "m", "hi", 1), *others, Acked(40, C, "m", "e", 1)])


def test_people_who_talk_are_no_worker() -> None:
    assert waits([*(asked(t, f"m{t}") for t in range(60)), begun(60, "t", "m0")]) == [(0, 60)]


def test_a_turns_end_does_not_answer_those_that_are_queued_behind_it() -> None:
    lines = [asked(1, "a"), begun(2, "t", "a"), asked(3, "b"), ended(4, "t"), begun(50, "u", "b")]
    assert waits(lines) == [(1, 2), (3, 4), (2, 4), (4, 50)]


def test_an_answer_is_waited_for_piece_by_piece_until_the_turn_ends() -> None:
    lines = [
        asked(1, "a"),
        begun(2, "t", "a"),
        pub(3, "message.started", message="x", turn="t"),
        asked(4, "b"),
        pub(6, "message.delta", message="x"),
        ended(7, "t"),
        ended(8, "u", "cancelled"),
        pub(20, "member.joined"),
    ]
    assert list(silences(lines, {"u": ["b"]})) == [(1, 2), (2, 3), (4, 6), (3, 6), (6, 7), (6, 7), (7, 8)]


def test_news_of_another_turn_is_no_news_of_the_one_that_runs() -> None:
    lines = [begun(1, "t", "a"), ended(5, "other", "cancelled"), pub(9, "message.delta", message="y")]
    assert waits([*lines, begun(30, "t", "a")]) == [(1, 30)]


def test_a_message_cancelled_in_the_queue_is_waited_for_no_more() -> None:
    lines = [asked(1, "a"), ended(3, "t", "cancelled"), begun(90, "u", "b")]
    assert list(silences(lines, {"t": ["a"]})) == [(1, 3)]


def test_a_new_life_and_a_history_read_anew_owe_nothing() -> None:
    lines = [asked(1, "a"), begun(2, "t", "a"), asked(3, "b")]
    before = waits(lines)
    assert waits([*lines, Life(4, "d", "u", 2), ended(9, "t")]) == before
    assert waits([*lines, Loaded(4, C, [], [], "e", 1), ended(9, "t")]) == before


def test_a_device_that_left_by_its_own_wish_does_not_wait_while_it_is_away() -> None:
    lines = [begun(1, "t", "a"), Disconnected(2, 0), Connected(8), ended(9, "t")]
    assert waits(lines) == [(8, 9)]
    assert waits([begun(1, "t", "a"), Disconnected(2, 3005), Connected(8), ended(9, "t")]) == [(1, 9)]


def test_a_silence_is_put_down_to_the_fault_it_shares_most_time_with() -> None:
    windows = [Window(1, 10.0, 12.0), Window(2, 13.0, 20.0)]
    assert blamed((9.0, 11.0), windows) == 1
    assert blamed((11.5, 18.0), windows) == 2
    assert blamed((12.1, 12.9), windows) is None
    assert blamed((1.0, 2.0), []) is None


def test_the_devices_that_were_hurt_do_not_count_and_what_came_to_nothing_is_left_out() -> None:
    slow, quick = (
        (Send(1, C, "m", "hi", 1), Acked(9, C, "m", "e", 1)),
        (
            Send(1, C, "m", "hi", 1),
            Acked(2, C, "m", "e", 1),
        ),
    )
    faults = (Fault(1, "devices.kill", 1), FaultOver(9, 1, "a"), Fault(10, "step.x", 2), FaultOver(11, 2, ""))
    told = with_pauses(History(Truth({}), {"a": slow, "b": quick}, {}, faults), 3)
    assert told == [Fault(1, "devices.kill", 3001, "a"), FaultOver(9, 3001, "a", 1000.0)]


def test_a_bar_is_missed_by_twice_its_length() -> None:
    def killed(seconds: float) -> list[Fault | FaultOver]:
        return [Fault(1, "worker.kill", 1, "w"), FaultOver(2, 1, "w", seconds * 1000)]

    assert [each.missed for each in measure(killed(19.9))] == [False]
    assert [each.missed for each in measure(killed(20.1))] == [True]
    assert measure([Fault(1, "client.mute", 1, "c"), FaultOver(2, 1, "c", 99e3)]) == []
