"""The tables of codes: complete, in their ranges, and what the SDKs make of them."""

import pytest
from centrifuge.codes import _ConnectingCode

from services.shared.model import errors
from services.shared.wire import codes
from services.shared.wire.codes import Disconnect, Fault, Unsubscribe, fault_of, reconnects


def test_every_error_reply_is_in_the_table_once() -> None:
    named = {value for value in vars(codes).values() if isinstance(value, Fault)}
    assert named == set(codes.FAULTS)
    assert len({fault.code for fault in named}) == len(named)


def test_only_what_may_succeed_later_is_temporary() -> None:
    assert {fault.code for fault in codes.FAULTS if fault.temporary} == {100, 111}


def test_unsubscribes_are_in_the_servers_range() -> None:
    assert all(2000 <= why.code <= 2999 for why in Unsubscribe)


@pytest.mark.parametrize("why", list(Disconnect))
def test_a_reason_fits_a_close_frame(why: Disconnect) -> None:
    assert len(why.reason.encode()) < 124
    assert why.code not in {code.value for code in _ConnectingCode}


@pytest.mark.parametrize(
    ("code", "comes_back"),
    [
        (1000, True),
        (1009, False),
        (3000, True),
        (3499, True),
        (3500, False),
        (3999, False),
        (4000, True),
        (4499, True),
        (4500, False),
        (4999, False),
        (5000, True),
    ],
)
def test_the_range_rule_of_the_sdks(code: int, comes_back: bool) -> None:
    assert reconnects(code) is comes_back


def test_every_error_of_the_model_has_a_code_and_unknown_ones_are_temporary() -> None:
    kinds = [kind for base in (errors.Temporary, errors.Permanent) for kind in base.__subclasses__()]
    assert all(fault_of(kind("")) in codes.FAULTS for kind in kinds)
    assert fault_of(errors.LeaseLost("")) is codes.INTERNAL


def test_a_client_is_told_which_argument_is_wrong_and_how_far_an_id_is_outside_the_window() -> None:
    assert fault_of(errors.BadRequest("limit is 0")).message == "bad request: limit is 0"
    told = fault_of(errors.OutsideWindow("made 90000 s ago"))
    assert (told.code, told.message) == (410, "message id outside the window: made 90000 s ago")


def test_a_permanent_failure_is_never_called_temporary() -> None:
    assert not any(fault_of(kind("")).temporary for kind in errors.Permanent.__subclasses__())
    assert all(fault_of(kind("")).temporary for kind in errors.Temporary.__subclasses__())
