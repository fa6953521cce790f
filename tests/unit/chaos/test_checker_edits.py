"""The checker knows that people change and delete what they said."""

from typing import Any

import pytest

from tests.chaos.records import Said
from tests.chaos.rendered import Rendered


def shown(*events: dict[str, Any]) -> dict[str, str]:
    view = Rendered()
    view.finished = {"m1": "five"}
    for event in events:
        assert list(view.apply(event)) == []
    return view.finished


def test_a_view_shows_what_was_said_last():
    edited = {"type": "message.edited", "message": "m1", "text": "six", "edits": 1}
    assert shown(edited) == {"m1": "six"}
    assert shown(edited, {"type": "message.deleted", "message": "m1", "by": "ann"}) == {"m1": ""}


def test_what_a_view_does_not_hold_stays_out_of_it():
    assert shown({"type": "message.edited", "message": "m0", "text": "x", "edits": 1}) == {"m1": "five"}


@pytest.mark.parametrize(("more", "changed"), [({}, False), ({"edits": 1}, True), ({"deleted": True}, True)])
def test_a_kept_message_tells_whether_it_is_as_it_was_said(more: dict[str, Any], changed: bool) -> None:
    assert Said("m1", "five", 1, **more).is_changed is changed
