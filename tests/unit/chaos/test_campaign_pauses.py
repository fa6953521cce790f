"""How long somebody waited is told by what a device was owed and when it was told something."""

from collections.abc import Sequence

from tests.chaos.bars import measure
from tests.chaos.history import History
from tests.chaos.pauses import Window, blamed, silences, with_pauses
from tests.chaos.records import Acked, DeviceLine, Fault, FaultOver, Life, Loaded, Pub, Refused, Send, Truth

C = "c"


def pub(t: float, kind: str) -> Pub:
    return Pub(t, C, {"type": kind}, 1)


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
    assert waits([Send(1, C, "m", "hi", 1), Refused(2, C, "m", 107, False), pub(9, "member.joined")]) == [
        (1, 2)
    ]


def test_an_answer_is_waited_for_piece_by_piece_until_the_turn_ends() -> None:
    kinds = ("message.created", "turn.started", "message.delta", "turn.finished", "member.joined")
    lines = [pub(t, kind) for t, kind in zip((1, 2, 6, 7, 20), kinds, strict=True)]
    assert waits(lines) == [(1, 2), (2, 6), (6, 7)]


def test_a_new_life_and_a_history_read_anew_owe_nothing() -> None:
    asked = pub(1, "message.created")
    assert waits([asked, Life(2, "d", "u", 2), pub(9, "member.joined")]) == []
    assert waits([asked, Loaded(2, C, [], [], "e", 1), pub(9, "member.joined")]) == []


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
