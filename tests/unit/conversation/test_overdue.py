"""When an execution has gone on, or been silent, for too long."""

from math import inf

from services.conversation.core.overdue import Overdue


def _begun(whole_s: float = 0.0, idle_s: float = 0.0) -> Overdue:
    overdue = Overdue(whole_s, idle_s)
    overdue.begin(100.0)
    return overdue


def test_without_limits_it_is_never_overdue() -> None:
    overdue = _begun()
    assert (overdue.fault(1e9), overdue.due(1e9)) == (None, inf)


def test_it_ends_when_its_time_is_over_whatever_is_heard() -> None:
    overdue = _begun(whole_s=60.0)
    overdue.heard = 159.0
    assert overdue.due(101.0) == 160.0
    assert overdue.fault(159.9) is None
    fault = overdue.fault(160.0)
    assert fault is not None
    assert fault.detail == "it lasted more than 60 s"


def test_each_sign_of_life_begins_the_silence_anew() -> None:
    overdue = _begun(whole_s=60.0, idle_s=5.0)
    overdue.heard = 103.0
    assert overdue.due(103.0) == 108.0
    assert overdue.fault(107.9) is None
    fault = overdue.fault(108.0)
    assert fault is not None
    assert (fault.kind, fault.detail) == ("timeout", "nothing came of it for 5 s")


def test_a_tool_may_be_silent_for_as_long_as_the_whole_may_last() -> None:
    overdue = _begun(whole_s=60.0, idle_s=5.0)
    overdue.tools = 1
    assert overdue.fault(150.0) is None
    assert overdue.due(150.0) == 155.0
    assert overdue.fault(160.0) is not None
