import pytest

from services.conversation.core.noteworthy import noteworthy

QUIET = {"tries": 1, "disturbed": False, "waited_s": 2.0, "slow_s": 30.0}


@pytest.mark.parametrize(
    ("outcome", "happened", "why"),
    [
        ("completed", {}, ""),
        ("cancelled", {}, ""),
        ("interrupted", {}, ""),
        ("completed", {"waited_s": 30.0}, ""),
        ("completed", {"waited_s": 30.1}, "slow"),
        ("completed", {"tries": 2}, "fault"),
        ("completed", {"disturbed": True}, "fault"),
        ("cancelled", {"disturbed": True, "waited_s": 31.0}, "fault"),
        ("failed", {}, "failed"),
        ("failed", {"tries": 5, "disturbed": True, "waited_s": 31.0}, "failed"),
    ],
)
def test_a_turn_is_worth_a_trace_for_what_people_would_ask_about_it(outcome, happened, why):
    assert noteworthy(outcome, **QUIET | happened) == why
