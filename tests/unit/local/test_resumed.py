"""What the probe says of two devices that heard, or did not hear, the same."""

import pytest

from services.local.resumed import Heard, fault_in

SAID = ["a", "b", "c"]
WHOLE = [
    Heard(2, "message.created", "a"),
    Heard(3, "turn.finished", ""),
    Heard(4, "message.created", "b"),
    Heard(6, "message.created", "c"),
]
BEYOND = Heard(7, "turn.finished", "")


def test_the_same_up_to_the_last_message_is_no_fault() -> None:
    assert not fault_in(WHOLE, WHOLE, SAID)
    assert not fault_in(WHOLE, [*WHOLE, BEYOND], SAID)
    assert not fault_in([*WHOLE, BEYOND], WHOLE, SAID)


@pytest.mark.parametrize("lost", range(3))
def test_what_one_missed_is_named(lost: int) -> None:
    less = WHOLE[:lost] + WHOLE[lost + 1 :]
    assert fault_in(less, WHOLE, SAID) == (
        f"the device that came back missed event {WHOLE[lost].offset} ({WHOLE[lost].type})"
    )
    assert fault_in(WHOLE, less, SAID).startswith("the device that never left missed event")


@pytest.mark.parametrize("at", range(4))
def test_what_came_twice_is_named(at: int) -> None:
    assert "twice" in fault_in([*WHOLE[: at + 1], *WHOLE[at:]], WHOLE, SAID)
    assert "twice" in fault_in([*WHOLE, WHOLE[at]], WHOLE, SAID)


def test_what_came_out_of_order_is_named() -> None:
    swapped = [WHOLE[1], WHOLE[0], *WHOLE[2:]]
    assert "out of order" in fault_in(swapped, WHOLE, SAID)
    assert "another order" in fault_in(WHOLE, WHOLE, ["b", "a", "c"])
