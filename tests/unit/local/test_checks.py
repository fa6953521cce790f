"""The demonstrations' checks find what they are there to find."""

from typing import Any

from services.local.demo.checks import as_history, same_logs, sound_streams
from services.local.following import Followed


def _followed(*texts: str, offsets: tuple[int, ...] = ()) -> Followed:
    followed = Followed()
    for number, text in enumerate(texts):
        followed.log.apply({"type": "message.created", "message": f"m{number}", "user": "ana", "text": text})
    followed.seen = [(offset, "message.created") for offset in offsets]
    followed.sessions = [0]
    return followed


def _kept(*texts: str) -> list[dict[str, Any]]:
    return [{"id": f"m{number}", "user": "ana", "text": text} for number, text in enumerate(texts)]


def test_equal_logs_that_equal_the_history_have_no_fault() -> None:
    devices = {"one": _followed("a", "b", offsets=(1, 2)), "two": _followed("a", "b", offsets=(1, 2))}
    assert same_logs(devices) + as_history(devices, _kept("a", "b")) + sound_streams(devices) == []


def test_a_missing_a_different_and_a_swapped_message_are_found() -> None:
    expected = _followed("a", "b")
    for other in (_followed("a"), _followed("a", "x"), _followed("b", "a")):
        assert len(same_logs({"one": expected, "two": other})) == 1
        assert len(as_history({"two": other}, _kept("a", "b"))) == 1


def test_a_repeat_a_step_back_and_a_hole_are_found() -> None:
    for offsets in ((1, 1), (2, 1), (1, 3)):
        assert len(sound_streams({"one": _followed(offsets=offsets)})) == 1


def test_pieces_left_out_by_recovery_are_no_hole_but_a_repeat_across_it_is_one_fault() -> None:
    recovered = _followed(offsets=(1, 2, 5, 6))
    recovered.sessions = [0, 2]
    assert sound_streams({"one": recovered}) == []
    again = _followed(offsets=(1, 2, 2, 3))
    again.sessions = [0, 2]
    assert len(sound_streams({"one": again})) == 1
